"""The search for a rate: a ramp for the ceiling, then probes below it."""

from __future__ import annotations

import math
from typing import final

import numpy as np

from stepsize.errors import FinderError, describe
from stepsize.finder.arguments import as_rate
from stepsize.finder.climbing import Round, climb, place, rate
from stepsize.finder.curve import Curve, Shape
from stepsize.finder.found import Found, Probe, Status
from stepsize.finder.optimum import Optimum, error_of, optimum
from stepsize.finder.planning import DEFAULT_STEPS, FEWEST_STEPS, Planned, planned
from stepsize.finder.reading import read
from stepsize.finder.rules import suggested
from stepsize.finder.training import Again, Run, Step, Tell, Training, Validate
from stepsize.schedules.durations import whole

# Where the probes begin below the ceiling. Unit: quarter decades. A walk from a bad
# place ends at the same rate, only later.
_BELOW = 3
_BEYOND = 2  # decades above `high` that a walk may reach while the score improves
# Longer trainings want a lower peak: by this power of their length.
_HORIZON_POWER = 0.32
# How much longer than a probe a training is taken to be if nobody says; and how long
# at the least. Unit of the second: updates.
_LONGER, _LEAST_HORIZON = 6, 384
_NOISY = 0.5  # decades of spread between streams
_LEVEL = 5  # losses of the ramp that are its level before it trains
# Deviations of a loss that a fall must exceed to be seen without a test, and standard
# errors in the test: many, since the best of several probes is tested.
_CLEAR = 3.0
# Rates beyond which a ramp, or a probe above it, may not be a float any more; and the
# least ratio of its ends, for rates that rise. Units: lr, lr, 1.
_TINIEST, _LARGEST, _NARROWEST = 1e-100, 1e100, 1.01


def find(
    step: Step,
    again: Again,
    *,
    steps: int = DEFAULT_STEPS,
    fast: bool = False,
    low: float = 1e-7,
    high: float = 10.0,
    horizon: int | None = None,
    validate: Validate | None = None,
    tell: Tell | None = None,
) -> Found:
    """Find the peak rate of a training with a warmup and a decay.

    A ramp from `low` to `high` on the batches of stream 0 ends where the training
    breaks: the ceiling. Below it, probes of a few dozen updates, each from the snapshot
    and under a warmup and a cosine to 0 of its own, all on the same batches, are
    scored by the mean loss of their last quarter. They walk by half decades to the best
    rate, and then, twice as long and on other batches, by quarter decades. The scores
    are averaged over what is not known of the place, and the rate is lowered for the
    training's greater length by (horizon / probe)^-0.32.

    Args:
        step: Makes one update at the rate given and the next batch, and returns that
            batch's training loss from before the update; any float, also NaN.
        again: Puts the training back to its snapshot and begins the batches of the
            stream of that number: same number, same batches.
        steps: Updates it may use. Int >= 1.
        fast: Whether to make one ramp of at most 100, without probes: a tenth of the
            blow-up, or of the ramp's end if nothing broke. It knows no `horizon`.
        low: Lowest rate. Unit: lr; in [1e-100, 1e100].
        high: Highest rate of the ramp; probes go up to 100 times beyond while that
            lowers the loss. Unit: lr; at most 1e100, and 1.01 times `low` or more.
        horizon: Updates of the training to come. Int >= 1; None takes it for 6 times
            as long as a long probe, and for 384 at the least.
        validate: Returns the losses, one or more, of batches that are kept out of
            training, always the same, at the weights as they are. Probes are then
            scored by their mean instead: where few examples are seen often, the rate
            that fits them best is not the best one. A ramp does not ask it.
        tell: Called with a `Progress` after every update.

    Raises:
        FinderError: An argument is outside its range, or `step` or `validate` returns
            no loss.

    Source:
        Bjorck et al. 2024, arXiv:2409.19913, for the power of the horizon.

    Examples:
        The loss (w - 3)^2 by gradient descent:

        >>> w = 0.0
        >>> def step(lr):
        ...     global w
        ...     loss, w = (w - 3.0) ** 2, w - lr * 2.0 * (w - 3.0)
        ...     return loss
        >>> def again(stream):
        ...     global w
        ...     w = 0.0
        >>> found = find(step, again)
        >>> found.status, 0.03 < found.suggestion < 0.9
        ('ok', True)
    """
    plan = planned(steps=steps, fast=fast)
    low, high = as_rate(low, "find.low"), as_rate(high, "find.high")
    horizon = _check(low, high, horizon)
    for name, given in (("step", step), ("again", again)):
        if not callable(given):
            raise FinderError(describe(f"find.{name}", "be callable", given))
    for name, wanted in (("validate", validate), ("tell", tell)):
        if wanted is not None and not callable(wanted):
            raise FinderError(describe(f"find.{name}", "be callable or None", wanted))
    if plan.steps < FEWEST_STEPS:
        reason = f"A search needs {FEWEST_STEPS} updates; it may use {plan.steps}."
        return _without("too_few_steps", reason, None, 0)
    training = Training(step, again, plan.steps, tell, validate)
    curve = training.ramp(low, high, plan.ramp)
    if not math.isfinite(curve.losses[0]):
        reason = f"The first loss, before any update, is {curve.losses[0]}."
        return _without("nonfinite_at_start", reason, curve, training.used)
    if len(set(curve.losses)) == 1:
        reason = (
            f"Every loss of the ramp is {curve.losses[0]:g}: the rate changes nothing."
        )
        return _without("no_descent", reason, curve, training.used)
    if fast:
        return read(curve, training.used, whole=True)
    return _Search(training, plan, curve, (low, high), horizon).found()


@final
class _Search:
    """The part of a search after its ramp."""

    def __init__(
        self,
        training: Training,
        plan: Planned,
        curve: Curve,
        ends: tuple[float, float],
        horizon: int | None,
    ) -> None:
        self.training, self.plan, self.curve = training, plan, curve
        self.shape = curve.shape()
        self.horizon = horizon or max(_LONGER * plan.long, _LEAST_HORIZON)
        bounds = place(ends[0]), place(ends[1]) + _BEYOND * 4
        lengths = [min(n, max(8, self.horizon)) for n in (plan.short, plan.long)]
        self.untrained = training.untrained()
        # one more probe may be needed, to test whether the loss falls
        kept = lengths[0] if plan.long > plan.short and self.untrained is None else 0
        self.rounds = [
            Round(training, lengths[0], 0, bounds, kept=kept),
            Round(training, lengths[1], 1, bounds),
        ]
        self.reasons: list[str] = []
        self.clear = math.inf  # standard errors by which the loss falls

    def found(self) -> Found:
        """Probe, and say what was found."""
        first, second = self.rounds
        start = max(place(self._ceiling()) - _BELOW, first.bounds[0])
        climb(first, start, 2)
        best = first.best()
        if best is None:
            return self._nothing("no_descent", "Every probe broke.")
        sound = [run.score for run in first.runs.values() if run.tail is not None]
        if len(sound) > 1 and len(set(sound)) == 1:
            reason = f"Every probe comes to {sound[0]:.4g}: the rate changes nothing."
            return self._nothing("no_descent", reason)
        self._test(first.runs[best])
        if not self.clear > 0.0:
            return self._nothing("no_descent", "No probe lowered the loss.")
        if self.plan.long > self.plan.short:
            climb(second, best, 1)
        main = self._place(self._main())
        if main is None:
            reason = "The rate that did best in short probes breaks longer ones."
            return self._nothing("noisy", reason)
        places = [self._place(each) for each in self.rounds]
        both = [each.log_lr for each in places if each is not None]
        spread = float(np.std(both)) if len(both) > 1 else None
        status = self._status(spread)
        self.reasons.append(self._why())
        return Found(
            suggestion=10.0**main.log_lr,
            low=10.0**main.low,
            high=10.0**main.high,
            status=status,
            steps=self.training.used,
            spread=spread,
            blowup=None if self.shape is None else self.shape.blowup,
            curve=self.curve,
            probes=self._probes(),
            rules=suggested(self.curve),
            reasons=tuple(self.reasons),
        )

    def _ceiling(self) -> float:
        if self.shape is not None and self.shape.blowup is not None:
            return self.shape.blowup
        return self.curve.lrs[-1]

    def _test(self, best: Run) -> None:
        """Set by how many standard errors the best probe lowers the loss.

        Where noise could hide it, it is compared on its own batches with a probe at a
        rate too low to change anything; with validation always, with no training.
        """
        if self.untrained is not None:
            self._compare(best, self.untrained)
            return
        noise = 0.0 if self.shape is None else self.shape.noise
        level = math.fsum(self.curve.losses[:_LEVEL]) / _LEVEL
        with np.errstate(over="ignore"):  # losses may be as large as floats are
            deviation = max(noise, float(np.std(best.tail or (math.inf,))))
        if math.isfinite(level) and level - best.score > _CLEAR * deviation:
            return
        if self.training.left < best.length:
            return
        still = self.training.probe(self.curve.lrs[0], best.length, best.stream)
        self._compare(best, still)

    def _compare(self, best: Run, still: Run) -> None:
        gap, error = still.score - best.score, error_of(best, still)
        if error > 0.0:
            self.clear = gap / error
        else:
            self.clear = math.inf if gap > 0.0 else 0.0
        if self.clear < _CLEAR:
            pair = (
                f"Probes at {best.lr:.3g} and at {still.lr:.3g}, on the same batches,"
            )
            if self.untrained is not None:
                pair = f"A probe at {best.lr:.3g} and no training, in validation,"
            self.reasons.append(
                f"{pair} come to {best.score:.4g} and {still.score:.4g}, "
                f"{self.clear:.1f} standard errors apart: that the loss falls is not "
                "certain. The model may be trained already, or learn too slowly for "
                f"{best.length} updates to show it."
            )

    def _status(self, spread: float | None) -> Status:
        """Return what stands against the suggestion, and say why in the reasons."""
        if self.clear < _CLEAR:
            return "no_descent" if self.clear < 1.0 else "noisy"
        tried = [*self.rounds[0].runs, *self.rounds[1].runs]
        best = self._main().best()
        top = max(tried)
        if best == top and (self._unbroken() or top >= self._main().bounds[1]):
            self.reasons.append(
                f"No rate up to {rate(top):.3g} was worse: there may be a better one "
                "above it."
            )
            return "no_blowup"
        bounds = self._main().bounds
        if best == top or (best == min(tried) and best > bounds[0]):
            side = "above" if best == top else "below"
            self.reasons.append(
                f"The updates ran out before a rate {side} {rate(best):.3g} was tried. "
                f"hint: more than {self.plan.steps} steps."
            )
            return "too_few_steps"
        if spread is not None and spread > _NOISY:
            self.reasons.append(
                "The two streams of batches put the best rate "
                f"{2 * spread:.1f} decades apart. hint: larger batches, or more steps."
            )
            return "noisy"
        if self._unbroken():
            self.reasons.append(
                f"The ramp did not break the training up to {self.curve.lrs[-1]:.3g}; "
                "probes show that higher rates are worse."
            )
        return "ok"

    def _unbroken(self) -> bool:
        return self.shape is not None and self.shape.blowup is None

    def _main(self) -> Round:
        """Return the round that settles the rate."""
        return self.rounds[1 if len(self.rounds[1].runs) > 1 else 0]

    def _why(self) -> str:
        main = self._main()
        best = main.best()
        at = "none" if best is None else f"{rate(best):.3g}"
        where = "" if self.untrained is None else " in validation"
        return (
            f"Of {len(main.runs)} probes of {main.length} updates the one at {at} came "
            f"lowest{where}; the rate is lowered for a training of {self.horizon} "
            "updates, and of rates alike the lowest is taken."
        )

    def _place(self, probes: Round) -> Optimum | None:
        """Return the best rate of a round for the horizon."""
        if not probes.runs:
            return None
        start = next(iter(probes.runs.values())).losses[0]
        if self.untrained is not None:
            start = self.untrained.score
        at = optimum(probes.runs, start)
        if at is None:
            return None
        longer = max(1.0, self.horizon / probes.length)
        shift = _HORIZON_POWER * math.log10(longer)
        return Optimum(at.log_lr - shift, at.low - shift, at.high - shift)

    def _probes(self) -> tuple[Probe, ...]:
        probes: list[Probe] = []
        for each in self.rounds:
            best = each.best()
            for run in each.runs.values():
                error = None if best is None else error_of(run, each.runs[best])
                probes.append(_probe(run, error))
        return tuple(probes)

    def _nothing(self, status: Status, reason: str) -> Found:
        return _without(
            status,
            reason,
            self.curve,
            self.training.used,
            probes=self._probes(),
            shape=self.shape,
        )


def _probe(run: Run, error: float | None) -> Probe:
    sound = [loss for loss in run.losses if math.isfinite(loss)]
    quarters = [part for part in np.array_split(sound, 4) if len(part)]
    broken = run.tail is None
    return Probe(
        lr=run.lr,
        stream=run.stream,
        steps=len(run.losses),
        losses=tuple(float((part / len(part)).sum()) for part in quarters),
        score=None if broken else run.score,
        error=None if broken or error is None or math.isinf(error) else error,
    )


def _without(
    status: Status,
    reason: str,
    curve: Curve | None,
    steps: int,
    *,
    probes: tuple[Probe, ...] = (),
    shape: Shape | None = None,
) -> Found:
    """Return a result without a rate."""
    return Found(
        suggestion=None,
        low=None,
        high=None,
        status=status,
        steps=steps,
        spread=None,
        blowup=None if shape is None else shape.blowup,
        curve=curve,
        probes=probes,
        rules={} if curve is None else suggested(curve),
        reasons=(reason,),
    )


def _check(low: float, high: float, horizon: object) -> int | None:
    """Check the ends of the ramp; return the horizon as a built-in int."""
    for name, lr in (("low", low), ("high", high)):
        if not _TINIEST <= lr <= _LARGEST:
            rule = f"lie between {_TINIEST:g} and {_LARGEST:g} (unit: lr)"
            raise FinderError(describe(f"find.{name}", rule, lr))
    if not low * _NARROWEST <= high:
        rule = f"be greater than `low`, {low:g}, by 1 % at least (unit: lr)"
        raise FinderError(describe("find.high", rule, high))
    if horizon is None:
        return None
    count = whole(horizon)
    if count is None or count < 1:
        rule = "be an int >= 1 (unit: updates), or None"
        raise FinderError(describe("find.horizon", rule, horizon))
    return count
