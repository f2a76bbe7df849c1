"""Recorded runs from files: CSV, TensorBoard event files, JSON exports, JSON lines."""

from stepsize.planner.records.reading import read_run

__all__ = ["read_run"]
