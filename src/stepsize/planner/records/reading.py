"""`read_runs`: curves from files, their rates from the file or from a schedule."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from stepsize.errors import FitError, describe
from stepsize.ledger.history import History
from stepsize.planner.fitting.curve import Curve
from stepsize.planner.laws.law import Floats
from stepsize.planner.records.columns import Points, kind_of, points
from stepsize.planner.records.files import table_of
from stepsize.planner.records.ledgers import is_ledger, planned, recorded
from stepsize.schedules.schedule import ResolvedSchedule

_SPARSE = 0.25
"""Longest gap between logged rates, as a share of the run, that is bridged."""
_SAID = 0.01
"""Longest part of a run without rates, at its begin, that is filled in silently."""
_HINT = (
    "name its column with --rate, or say with which schedule it was made: "
    "--run-schedule EXPR"
)
_LONGEST = 10**8
"""Most updates of a run: its rates are held one by one."""


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
    return read_runs([path], schedules=[schedule], step=step, loss=loss, rate=rate)[0]


def read_runs(
    paths: Sequence[str | Path],
    *,
    schedules: Sequence[ResolvedSchedule | None] | None = None,
    step: str | None = None,
    loss: str | None = None,
    rate: str | None = None,
) -> list[Curve]:
    """Read the recorded runs of one model: see `read_run`.

    A run whose rates were logged from later on, as those of a cooldown that branched
    off another run, has the rates of that run up to there; `Curve.repairs` says so.

    Args:
        paths: As `path` of `read_run`.
        schedules: Where the rates come from, one each; None, all or one: the file.
        step: As in `read_run`.
        loss: As there.
        rate: As there.

    Raises:
        FitError: As there; or a run begins late, and no other one reaches its begin; or
            losses are of validation in one run and of training in another.
        FrameworkMissingError: As there.
    """
    given = [None] * len(paths) if schedules is None else list(schedules)
    if len(given) != len(paths):
        rule = f"be one for each run (unit: runs, {len(paths)} of them)"
        raise FitError(describe("read_runs.schedules", rule, len(given)))
    read = [
        _read(path, schedule, step, loss, rate)
        for path, schedule in zip(paths, given, strict=True)
    ]
    _check_kinds(read)
    whole = {at: _whole(one) for at, one in enumerate(read) if not one.late}
    trunks = list(whole.values())
    return [
        _branched(one, trunks) if one.late else whole[at] for at, one in enumerate(read)
    ]


class _Read(NamedTuple):
    """A run as it was read.

    Attributes:
        name: What messages call it.
        found: Its points, and the rates that were logged.
        last: Last step with a loss.
        rates: Rate of every update, where it is known without the log.
    """

    name: str
    found: Points
    last: int
    rates: Floats | None

    @property
    def late(self) -> bool:
        """Whether the log begins too late for its rates to be extended to 0."""
        logged = self.found.rate_steps
        return self.rates is None and bool(logged) and min(logged) > _SPARSE * self.last


def _read(
    path: str | Path,
    schedule: ResolvedSchedule | None,
    step: str | None,
    loss: str | None,
    rate: str | None,
) -> _Read:
    name = Path(path).name
    history: History | None = None
    if is_ledger(path):
        table, history = recorded(path)
    else:
        table = table_of(Path(path))
    found = points(table, name, step=step, loss=loss, rate=rate)
    steps = np.array(found.steps)
    if not np.isfinite(steps).all():
        at = int(np.argmin(np.isfinite(steps)))
        rule = f"be finite numbers (unit: updates); row {at + 1} of those with a loss"
        raise FitError(describe(f"{name}.steps", f"{rule} is not", found.steps[at]))
    if steps.max() < 1:
        rule = "reach 1 at least (unit: updates)"
        raise FitError(describe(f"{name}.steps", rule, found.steps[-1]))
    if steps.max() > _LONGEST:
        rule = f"be at most {_LONGEST:,} (unit: updates)"
        hint = "steps in tokens or samples must be divided by those of an update"
        raise FitError(describe(f"{name}.steps", rule, float(steps.max()), hint=hint))
    last = int(steps.max())
    rates: Floats | None = None
    if schedule is not None:
        rates = np.asarray(schedule.block(0, last + 1), dtype=np.float64)
    elif history is not None and rate is None:
        rates = planned(history, last + 1)
    return _Read(name, found, last, rates)


def _check_kinds(read: Sequence[_Read]) -> None:
    """Refuse validation losses of one run and training losses of another."""
    of_kind: dict[str, _Read] = {}
    for one in read:
        kind = kind_of(one.found.loss_name)
        if kind is not None:
            of_kind.setdefault(kind, one)
    if len(of_kind) > 1:
        first, second = of_kind.values()
        rule = f"be of one kind of loss, that of {first.name}: {first.found.loss_name}"
        hint = "name the column with --loss; a law is of one kind of loss"
        got = second.found.loss_name
        raise FitError(describe(f"{second.name}.losses", rule, got, hint=hint))


def _curve(read: _Read, rates: Floats, repairs: tuple[str, ...] = ()) -> Curve:
    found = read.found
    return Curve(rates, found.steps, found.losses, name=read.name, repairs=repairs)


def _whole(read: _Read) -> Curve:
    """Return a run with a rate for every update, between those that were logged."""
    if read.rates is not None:
        return _curve(read, read.rates)
    steps, rates = _logged(read)
    first = int(steps[0])
    said = f"no rate was logged before update {first}; that of this update was taken"
    repairs = (said,) if first > _SAID * read.last else ()
    return _curve(read, np.interp(np.arange(read.last + 1), steps, rates), repairs)


def _branched(read: _Read, trunks: Sequence[Curve]) -> Curve:
    """Return a run that began late, with the rates of the run it branched off."""
    steps, rates = _logged(read)
    begin = int(min(steps[0], *read.found.steps))
    reach = [one for one in trunks if len(one.rates) > begin]
    # a cooldown may have come some way down before its first rate was logged
    fit = [one for one in reach if one.rates[begin] >= (1 - _SAID) * rates[0]]
    if not fit:
        rule = f"be known from update 0; they are from {int(steps[0])}"
        hint = f"give the run that it branched off, too, or {_HINT}"
        got = "no other run that reaches it" if not reach else "other rates there"
        raise FitError(describe(f"{read.name}.rates", rule, got, hint=hint))
    trunk = min(fit, key=lambda one: float(one.rates[begin]))
    if begin < steps[0]:
        steps, rates = np.append(begin, steps), np.append(trunk.rates[begin], rates)
    every = np.interp(np.arange(read.last + 1), steps, rates)
    every[:begin] = trunk.rates[:begin]
    said = f"its rates before update {begin} are those of {trunk.name}"
    return _curve(read, every, (said,))


def _logged(read: _Read) -> tuple[Floats, Floats]:
    """Return the steps and rates that were logged, in order."""
    found, last, owner = read.found, read.last, read.name
    if not found.rates:
        rule = "have the rates: no column of them is there"
        raise FitError(describe(f"{owner}.rates", rule, "none", hint=_HINT))
    steps, first = np.unique(np.array(found.rate_steps), return_index=True)
    rates = np.array(found.rates)[first]
    unsound = ~np.isfinite(rates)
    if unsound.any():
        at = int(np.argmax(unsound))
        rule = f"be finite (unit: lr); at step {steps[at]:.0f} it is not"
        raise FitError(describe(f"{owner}.rates", rule, float(rates[at])))
    gap = float(np.diff(np.append(steps, last)).max())
    if gap > _SPARSE * last:
        rule = f"be logged at least every {_SPARSE:.0%} of the run"
        gaps = f"gaps of up to {int(gap)} of {last} updates"
        raise FitError(describe(f"{owner}.rates", rule, gaps, hint=_HINT))
    return steps, rates
