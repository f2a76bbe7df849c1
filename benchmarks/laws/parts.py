"""The parts of the benchmark of laws, by the names that the command line has."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from benchmarks.laws.advice import advisor, optimizer
from benchmarks.laws.intervals import calibration, ranking
from benchmarks.laws.models import across, large, small
from benchmarks.laws.own import bank
from benchmarks.laws.sensitivity import sensitivity
from benchmarks.results import Part

PARTS: dict[str, Callable[[Path], Part]] = {
    "25M": small,
    "124M": large,
    "across": across,
    "sensitivity": sensitivity,
    "calibration": calibration,
    "optimizer": optimizer,
    "advisor": advisor,
    "ranking": ranking,
    "bank": bank,
}
