"""`read_run`: a `Curve` from a file, its rates from the file or from a schedule."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from stepsize.errors import FitError, describe
from stepsize.ledger.history import History
from stepsize.planner.fitting.curve import Curve
from stepsize.planner.laws.law import Floats
from stepsize.planner.records.columns import Points, points
from stepsize.planner.records.files import table_of
from stepsize.planner.records.ledgers import is_ledger, planned, recorded
from stepsize.schedules.schedule import ResolvedSchedule

_SPARSE = 0.25
"""Longest gap between logged rates, as a share of the run, that is bridged."""


def read_run(
    path: str | Path,
    *,
    schedule: ResolvedSchedule | None = None,
    step: str | None = None,
    loss: str | None = None,
    rate: str | None = None,
) -> Curve:
    """Read a recorded run.

    Reads ledgers, CSV, JSON, JSON lines and TensorBoard event files: see
    `files.table_of`. A ledger says what its rates follow from, so that they are exact.
    Elsewhere, rates that were logged now and then are joined by straight lines, which
    is right to within rounding where they were logged at each kink.

    Args:
        path: The file; a folder of TensorBoard event files; or where a ledger is: its
            folder, or the address of a database with "#" and the run's name.
        schedule: Where the rates come from, if not from the file.
        step: Column of the step; None: looked for under its usual names.
        loss: Column of the loss; None: likewise.
        rate: Column of the rate; None: likewise.

    Raises:
        FitError: The file cannot be read, a column is missing, validation and training
            losses are mixed, or the rates are missing.
        FrameworkMissingError: An event file needs tensorboard.
    """
    name = Path(path).name
    history: History | None = None
    if is_ledger(path):
        table, history = recorded(path)
    else:
        table = table_of(Path(path))
    found = points(table, name, step=step, loss=loss, rate=rate)
    steps = np.array(found.steps)
    if not np.isfinite(steps).all() or steps.max() < 1:
        rule = "be finite, the last of them >= 1 (unit: updates)"
        raise FitError(describe(f"{name}.steps", rule, found.steps[-1]))
    last = int(steps.max())
    rates: Floats | None = None
    if schedule is not None:
        rates = np.asarray(schedule.block(0, last + 1), dtype=np.float64)
    elif history is not None and rate is None:
        rates = planned(history, last + 1)
    if rates is None:
        rates = _rates(found, last, name)
    return Curve(rates=rates, steps=steps, losses=found.losses, name=name)


def _rates(found: Points, last: int, owner: str) -> Floats:
    """Return a rate for every update, between those that were logged."""
    hint = "say with which schedule it was made: --run-schedule EXPR"
    if not found.rates:
        rule = "have the rates: no column of them is there"
        raise FitError(describe(f"{owner}.rates", rule, "none", hint=hint))
    steps, first = np.unique(np.array(found.rate_steps), return_index=True)
    rates = np.array(found.rates)[first]
    if not np.isfinite(rates).all():
        rule = "be finite"
        got = float(rates[~np.isfinite(rates)][0])
        raise FitError(describe(f"{owner}.rates", rule, got))
    gaps = np.diff(np.concatenate([steps, [last]]))
    if steps[0] > _SPARSE * last or gaps.max() > _SPARSE * last:
        rule = f"be logged at least every {_SPARSE:.0%} of the run"
        gap = f"gaps of up to {int(max(gaps.max(), steps[0]))} of {last} updates"
        raise FitError(describe(f"{owner}.rates", rule, gap, hint=hint))
    every: Floats = np.interp(np.arange(last + 1), steps, rates)
    return every
