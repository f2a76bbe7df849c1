"""Recorded runs from ledgers and files: CSV, JSON, JSON lines, TensorBoard."""

from stepsize.planner.records.reading import read_run, read_runs

__all__ = ["read_run", "read_runs"]
