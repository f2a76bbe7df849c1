"""`Curve`: one recorded run, its rates and its losses, checked and put in order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

import numpy as np

from stepsize.errors import FitError, describe
from stepsize.planner.laws.law import Floats, Ints, check_rates
from stepsize.schedules.durations import whole

Bools = np.ndarray[tuple[int, ...], np.dtype[np.bool_]]
_APART = 0.005
"""Relative difference of two losses at one step that no repetition explains."""
_MIXED = 0.5
_MOST = 2**53
"""Steps beyond are no exact floats."""


@final
@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """The loss of a run at some of its steps, and the rate of every update.

    Two repairs are made, and said in `repairs`: points out of order are sorted, and of
    several at one step (a run that was resumed logs some twice) the last is kept.
    Everything else that is wrong is an error.

    Attributes:
        rates: Rate of every update up to the last step at least, float array, shape
            (T,). Unit: lr; finite, >= 0.
        steps: Where the loss was read, int array, shape (n,), each in 0..T: the number
            of updates made before.
        losses: The loss there, float array, shape (n,); finite, > 0. One kind: all of
            validation, or all of training.
        name: What messages call the run.
        batch: Samples or tokens of every update up to the last step at least, shape
            (T,), where they are known; a law holds for one batch.
        repairs: What was repaired, a sentence each; what is given comes first.

    Raises:
        FitError: A value is outside its range, or the arrays do not belong together.

    Examples:
        >>> curve = Curve(rates=[0.1] * 9, steps=[2, 8, 5], losses=[3.0, 2.0, 2.4])
        >>> curve.steps.tolist(), curve.repairs
        ([2, 5, 8], ('points were out of order and have been sorted',))
    """

    rates: Any
    steps: Any
    losses: Any
    name: str = "curve"
    batch: Any = None
    repairs: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Check, sort and thin out."""
        rates = check_rates(self.rates, self.name).copy()
        steps, losses = _points(self.steps, self.losses, self.name)
        if steps[-1] > len(rates):
            rule = f"reach the last step, {steps[-1]} (unit: updates)"
            hint = "give the rate of every update, not only of those that were logged"
            raise FitError(describe(f"{self.name}.rates", rule, len(rates), hint=hint))
        repairs = list(self.repairs)
        if (np.diff(steps) < 0).any():
            order = np.argsort(steps, kind="stable")
            steps, losses = steps[order], losses[order]
            repairs.append("points were out of order and have been sorted")
        last = np.append(np.diff(steps) > 0, True)
        if not last.all():
            count = int((~last).sum())
            _check_kinds(steps, losses, last, self.name)
            repairs.append(f"{count} points repeated a step; of each the last was kept")
            steps, losses = steps[last], losses[last]
        if self.batch is not None:
            _check_batch(self.batch, int(steps[-1]), self.name)
        for name, value in (("rates", rates), ("steps", steps), ("losses", losses)):
            value.flags.writeable = False
            object.__setattr__(self, name, value)
        object.__setattr__(self, "repairs", tuple(repairs))

    def first(self, steps: int) -> Curve:
        """Return the part of the curve up to a step.

        Args:
            steps: The last step that is kept. Unit: updates; int, at least that of the
                first point.

        Raises:
            FitError: It is no int, or no point lies there.
        """
        last = whole(steps)
        if last is None or last < self.steps[0]:
            rule = f"be an int that reaches the first point, at {self.steps[0]}"
            rule += " (unit: updates)"
            raise FitError(describe(f"{self.name}.first", rule, steps))
        kept = self.steps <= last
        return Curve(
            rates=self.rates,
            steps=self.steps[kept],
            losses=self.losses[kept],
            name=self.name,
            batch=self.batch,
            repairs=self.repairs,
        )


def _points(steps: Any, losses: Any, owner: str) -> tuple[Ints, Floats]:
    """Return steps and losses of equal length; nothing is sorted yet."""
    try:
        where = np.asarray(steps, dtype=np.float64)
        what = np.asarray(losses, dtype=np.float64).copy()
    except (TypeError, ValueError, OverflowError) as error:
        rule = "be arrays of numbers"
        raise FitError(
            describe(f"{owner}.steps and losses", rule, (steps, losses))
        ) from error
    if where.ndim != 1 or where.shape != what.shape or not where.size:
        rule = "be one-dimensional, equally long and not empty"
        shapes = (where.shape, what.shape)
        raise FitError(describe(f"{owner}.steps and losses", rule, shapes))
    unsound = ~((where == np.floor(where)) & (where >= 0) & (where <= _MOST))
    if unsound.any():
        rule = "be ints >= 0, at most 2**53 (unit: updates)"
        got = float(where[np.argmax(unsound)])
        raise FitError(describe(f"{owner}.steps", rule, got))
    unsound = ~(np.isfinite(what) & (what > 0))
    if unsound.any():
        at = int(np.argmax(unsound))
        rule = f"be finite and > 0; at step {where[at]:.0f} it is not"
        hint = "leave out points without a loss; a run that diverged fits no law"
        raise FitError(describe(f"{owner}.losses", rule, float(what[at]), hint=hint))
    return where.astype(np.int64), what


def _check_kinds(steps: Ints, losses: Floats, last: Bools, owner: str) -> None:
    """Refuse a curve with two losses, that differ, at most of its steps."""
    repeated = np.flatnonzero(~last)
    apart = np.abs(np.log(losses[repeated + 1] / losses[repeated])) > _APART
    if apart.sum() > _MIXED * last.sum():
        rule = "be of one kind: most steps have two, that differ"
        hint = "give the validation losses, or the training losses, alone"
        got = (float(losses[repeated[0]]), float(losses[repeated[0] + 1]))
        where = f"{owner}.losses"
        raise FitError(
            describe(where, f"{rule}, as step {steps[repeated[0]]}", got, hint=hint)
        )


def _check_batch(batch: Any, last: int, owner: str) -> None:
    sizes = check_rates(batch, f"{owner}.batch")
    if len(sizes) < last:
        rule = f"reach the last step, {last} (unit: updates)"
        raise FitError(describe(f"{owner}.batch", rule, len(sizes)))
    sizes = sizes[: max(last, 1)]
    changed = np.flatnonzero(np.diff(sizes))
    if len(changed):
        at = int(changed[0]) + 1
        rule = f"stay the same; at update {at} it changes"
        hint = f"a law holds for one batch: give the points up to step {at} alone"
        got = (float(sizes[at - 1]), float(sizes[at]))
        raise FitError(describe(f"{owner}.batch", rule, got, hint=hint))
