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

    What a resume made again replaces what was there before; what several records say of
    one update, as the scheduler's of its rate and a loop's of a validation, is joined.

    Raises:
        FitError: It cannot be read, or has no measurement.
    """
    values: dict[int, dict[str, float]] = {}
    rates: dict[int, float | None] = {}
    try:
        entries = list(existing(place).read())
    except StepsizeError as error:
        raise FitError(f"{os.fspath(place)!r} cannot be read: {error}") from error
    for entry in entries:
        if isinstance(one := entry.record, Metric):
            read = {name: float(value) for name, value in one.values.items()}
            values.setdefault(one.update, {}).update(read)
            if one.rates.get("lr"):
                rates[one.update] = one.rates["lr"][0]
    if not values:
        rule = "have measurements in it: rates and losses of updates"
        raise FitError(describe(os.fspath(place), rule, "none"))
    updates = sorted(values)
    table: dict[str, Column] = {"update": [float(update) for update in updates]}
    table["lr"] = [rates.get(update) for update in updates]
    for name in dict.fromkeys(name for update in updates for name in values[update]):
        table[name] = [values[update].get(name) for update in updates]
    return table, History(entries)


def planned(history: History, count: int) -> Floats | None:
    """Return the first group's rate of each update; None if no record tells it."""
    if history.spec is None or "lr" not in history.spec.sources:
        return None
    return np.asarray(history.rates().block(0, count), dtype=np.float64)
