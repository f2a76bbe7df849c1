"""A run's ledger into columns, and its rates from what they follow from."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from stepsize.errors import FitError, StepsizeError, describe
from stepsize.ledger.history import History
from stepsize.ledger.jsonl_store import NAME
from stepsize.ledger.places import existing
from stepsize.ledger.records import Metric
from stepsize.planner.laws.law import Floats
from stepsize.planner.records.columns import Column


def is_ledger(place: str | os.PathLike[str]) -> bool:
    """Whether a place holds a ledger: its folder, its file, or a database."""
    path = Path(place)
    return "://" in os.fspath(place) or path.name == NAME or (path / NAME).is_file()


def recorded(place: str | os.PathLike[str]) -> tuple[dict[str, Column], History]:
    """Return what was measured, a row for each update, and the run's history.

    What a resume made again replaces what was there before.

    Raises:
        FitError: It cannot be read, or has no measurement.
    """
    rows: dict[int, Metric] = {}
    try:
        entries = list(existing(place).read())
    except StepsizeError as error:
        raise FitError(f"{os.fspath(place)!r} cannot be read: {error}") from error
    for entry in entries:
        if isinstance(entry.record, Metric):
            rows[entry.record.update] = entry.record
    if not rows:
        rule = "have measurements in it: rates and losses of updates"
        raise FitError(describe(os.fspath(place), rule, "none"))
    listed = [rows[update] for update in sorted(rows)]
    names = dict.fromkeys(name for one in listed for name in one.values)
    table: dict[str, Column] = {"update": [float(one.update) for one in listed]}
    table["lr"] = [next(iter(one.rates.get("lr", ())), None) for one in listed]
    for name in names:
        values = (one.values.get(name) for one in listed)
        table[name] = [None if value is None else float(value) for value in values]
    return table, History(entries)


def planned(history: History, count: int) -> Floats | None:
    """Return the first group's rate of each update; None if no record tells it."""
    if history.spec is None or "lr" not in history.spec.sources:
        return None
    return np.asarray(history.rates().block(0, count), dtype=np.float64)
