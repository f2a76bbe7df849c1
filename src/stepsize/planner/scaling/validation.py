"""`validate`: a short stability check of a recipe, before a long run trusts it.

It looks for rates at which training does not hold. Whether another rate would end
lower is for a comparison, or for the finder.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, final

from stepsize.control.guard.statistics import above, level, noise
from stepsize.errors import InvalidScheduleError, UnresolvedError, describe
from stepsize.planner.recipe_file import Recipe
from stepsize.planner.scaling.choice import short, wrapped
from stepsize.schedules.durations import whole
from stepsize.schedules.schedule import ResolvedSchedule

Measured = float | Mapping[str, float]
LEAST = 20
"""Updates below which the losses say nothing; a convention."""
FIRST, LAST = 0.1, 0.2
"""Shares of the check that are compared; conventions."""
CLEARLY = 3.0
"""z of the rank-sum test from which the last losses count as above the first."""
SPIKE, RUN_OF = 6.0, 5
"""A rise counts if the median of 5 losses in a row is 6 deviations up; conventions."""
HALVINGS = 4
"""Lower rates that are tried, each half of the one before; a convention."""
LARGE_RATIO = 0.1
"""Norm of an update over that of the weights from which it is remarked: the weights are
overwritten within ten updates. A convention: about 1e-3 is customary."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """The recipe's rates times a factor, and what became of them.

    Attributes:
        lr_factor: What the rates were multiplied by.
        rates: The rate of every update made.
        losses: Its loss, before the update.
        fault: Why it did not hold; "" where it did.
    """

    lr_factor: float
    rates: tuple[float, ...]
    losses: tuple[float, ...]
    fault: str

    def to_dict(self) -> dict[str, Any]:
        """Return it as a JSON-plain mapping; a loss that is not finite is None."""
        return {
            "lr_factor": self.lr_factor,
            "rates": list(self.rates),
            "losses": [one if math.isfinite(one) else None for one in self.losses],
            "fault": self.fault or None,
        }


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Validation:
    """What `validate` found.

    Attributes:
        passed: Whether training held at the recipe's own rates.
        changes: What to change where it did not; empty where it passed.
        lr_factor: Largest factor of the rates that was seen to hold: 1.0, a half, a
            quarter, ...; None where none was.
        remarks: What to know besides, as of the noise and the size of updates.
        trials: What was run, the recipe's own rates first.
    """

    passed: bool
    changes: tuple[str, ...]
    lr_factor: float | None
    remarks: tuple[str, ...]
    trials: tuple[Trial, ...]

    @property
    def updates(self) -> int:
        """How many updates were made in all."""
        return sum(len(trial.losses) for trial in self.trials)

    def to_dict(self) -> dict[str, Any]:
        """Return it as a JSON-plain mapping."""
        return {
            "passed": self.passed,
            "changes": list(self.changes),
            "lr_factor": self.lr_factor,
            "remarks": list(self.remarks),
            "trials": [trial.to_dict() for trial in self.trials],
        }

    def __str__(self) -> str:
        """Return it in lines of at most 80 columns."""
        head = "pass" if self.passed else "change"
        lines = [f"{head} ({self.updates} updates)"]
        lines += [wrapped(f"change: {text}", 0) for text in self.changes]
        lines += [wrapped(f"remark: {text}", 0) for text in self.remarks]
        return "\n".join(lines)


def validate(
    recipe: Recipe,
    train: Callable[[float], Measured],
    again: Callable[[int], object] | None = None,
    *,
    updates: int = 100,
) -> Validation:
    """Train for a few updates at a recipe's rates; say pass, or what to change.

    It begins as the recipe does. Where the peak comes later than half of the check, the
    rise is compressed into that half: a harder test than the run itself, and said.
    Training does not hold where a loss is not finite, where the last fifth of the
    losses lies clearly above the first tenth, or where the loss rises far above its
    start on the way. With `again`, lower rates are then tried from the same start.

    Args:
        recipe: Its peak, schedule, horizon and batch are checked.
        train: Makes one update at a rate, with the next batch, and returns the loss of
            that batch before the update. Or a mapping with "loss" and what else is
            known: "update_ratio" (norm of the update over norm of the weights) and
            "noise_scale" (in samples, as from `NoiseWatch`); None is not known.
        again: Puts training back to where it was at the first call, the batches of
            the numbered stream ahead, as for the finder; it is called before every
            trial but the first, and at the end. None: one trial, and training stays
            where it ends.
        updates: Length of a trial; int >= 20. A shorter run is made whole.

    Returns:
        The result.

    Raises:
        InvalidScheduleError: A value is outside its range, `train` returns no loss, or
            a rate or length of the recipe is not known.

    Examples:
        >>> import stepsize as ss
        >>> recipe = ss.Recipe(lr=3.0 * ss.cosine(), horizon=ss.Horizon(steps=1000))
        >>> w = [1.0]
        >>> def train(lr):  # loss w^2 / 2: holds below a rate of 2
        ...     loss = w[0] ** 2 / 2
        ...     w[0] -= lr * w[0]
        ...     return loss
        >>> def again(stream):
        ...     w[0] = 1.0
        >>> found = validate(recipe, train, again)
        >>> found.passed, found.lr_factor
        (False, 0.5)
        >>> print(found.changes[0])
        multiply the rate by 0.5 (peak 1.5): training held there for 100 updates
    """
    if not isinstance(recipe, Recipe):
        hint = "of advice or of a scaled recipe, give its .recipe"
        raise InvalidScheduleError(
            describe("validate.recipe", "be a Recipe", recipe, hint=hint)
        )
    length = whole(updates)
    if length is None or length < LEAST:
        rule = f"be an int >= {LEAST} (unit: updates)"
        raise InvalidScheduleError(describe("validate.updates", rule, updates))
    if not callable(train):
        raise InvalidScheduleError(describe("validate.train", "be callable", train))
    if again is not None and not callable(again):
        rule = "be callable, or None"
        raise InvalidScheduleError(describe("validate.again", rule, again))
    rates, compressed = _rates(recipe, length)
    seen: list[Mapping[str, float]] = []
    trials = [_trial(train, rates, 1.0, seen)]
    hopeless = not math.isfinite(trials[0].losses[0])  # before any update
    while (
        again is not None
        and not hopeless
        and trials[-1].fault
        and len(trials) <= HALVINGS
    ):
        again(0)
        trials.append(_trial(train, rates, trials[-1].lr_factor / 2, []))
    if again is not None:
        again(0)
    held = next((one.lr_factor for one in trials if not one.fault), None)
    return Validation(
        passed=not trials[0].fault,
        changes=_changes(trials, held, max(rates)) if trials[0].fault else (),
        lr_factor=held,
        remarks=(
            *_compressed(compressed, length),
            *_short(len(rates)),
            *_remarks(recipe, seen),
        ),
        trials=tuple(trials),
    )


def _rates(recipe: Recipe, updates: int) -> tuple[list[float], bool]:
    """Return the rates to try, and whether the rise to the peak was compressed."""
    schedule = recipe.lr
    if schedule is None:
        if recipe.base_lr is None or recipe.lr_factor is None:
            rule = "have lr, or base_lr with lr_factor: the rates are not known"
            raise InvalidScheduleError(describe("validate.recipe", rule, recipe))
        schedule = recipe.base_lr * recipe.lr_factor
    try:
        resolved = schedule.resolve(horizon=recipe.horizon)
    except UnresolvedError as error:
        rule = "have the length of the run, as in Horizon(steps=...)"
        raise InvalidScheduleError(
            describe("validate.recipe.horizon", rule, recipe.horizon)
        ) from error
    total = resolved.total_steps
    count = updates if total is None else min(updates, total)
    top = _first_peak(resolved, updates)
    half = count // 2
    if top <= half:
        return [float(resolved(step)) for step in range(count)], False
    rise = [float(resolved(round(top * step / half))) for step in range(half)]
    return rise + [float(resolved(top))] * (count - half), True


def _first_peak(resolved: ResolvedSchedule, updates: int) -> int:
    total = resolved.total_steps
    if total is None:
        ends = [end for end in resolved.boundaries() if math.isfinite(end)]
        total = math.ceil(max([updates, *ends])) + 1
    every = max(1, total // 10_000)
    steps = range(0, total, every)
    return max(steps, key=lambda step: float(resolved(step)))  # the first of equals


def _trial(
    train: Callable[[float], Measured],
    rates: list[float],
    factor: float,
    seen: list[Mapping[str, float]],
) -> Trial:
    losses: list[float] = []
    made = [rate * factor for rate in rates]
    for lr in made:
        measured = train(lr)
        values = measured if isinstance(measured, Mapping) else {"loss": measured}
        if values.get("loss") is None:
            rule = 'return a loss, or a mapping with "loss"'
            raise InvalidScheduleError(describe("validate.train", rule, measured))
        seen.append(
            {
                name: _number(values[name], name)
                for name in ("loss", "update_ratio", "noise_scale")
                if values.get(name) is not None
            }
        )
        losses.append(seen[-1]["loss"])
        if not math.isfinite(losses[-1]):
            break
    done = made[: len(losses)]
    return Trial(
        lr_factor=factor,
        rates=tuple(done),
        losses=tuple(losses),
        fault=_fault(losses, done),
    )


def _number(value: object, name: str) -> float:
    try:
        return float(value)  # type: ignore[arg-type]  # whatever was returned
    except (TypeError, ValueError, RuntimeError) as error:  # the last is a tensor's
        rule = f'return numbers; "{name}" is no number'
        raise InvalidScheduleError(describe("validate.train", rule, value)) from error


def _fault(losses: list[float], rates: list[float]) -> str:
    """Return why training did not hold; "" where it did."""
    if not math.isfinite(losses[-1]):
        at = len(losses) - 1
        return f"the loss of update {at} is not finite, after {_reached(rates[:-1])}"
    count = len(losses)
    if count < RUN_OF:
        return ""
    first = losses[: max(RUN_OF, round(FIRST * count))]
    last = losses[-max(RUN_OF, round(LAST * count)) :]
    if above(last, sorted(first)) > CLEARLY and level(last) > level(first):
        begin = min(losses[0], level(first))  # it may have risen within the first
        return (
            f"the loss rose from {short(begin)} to {short(level(last))}, at "
            f"{_reached(rates)}"
        )
    windows = [losses[i : i + RUN_OF] for i in range(count - RUN_OF + 1)]
    highs = [level(one) for one in windows]
    start, top = highs[0], max(highs)
    if top > start + SPIKE * max(noise(losses), noise(first)):
        at = highs.index(top)
        return (
            f"the loss rose from {short(start)} to {short(top)} at update {at}, and "
            f"fell again, at {_reached(rates[: at + RUN_OF])}"
        )
    return ""


def _reached(rates: list[float]) -> str:
    return f"rates up to {short(max(rates))}" if rates else "no update"


def _changes(trials: list[Trial], held: float | None, peak: float) -> tuple[str, ...]:
    told = [trials[0].fault]
    if held is not None:
        text = (
            f"multiply the rate by {short(held)} (peak {short(held * peak)}): training "
            f"held there for {len(trials[-1].losses)} updates"
        )
        return (text, *told)
    rates = trials[0].rates
    if not math.isfinite(trials[0].losses[0]):
        text = (
            "not the rate: no update was made before that loss; look at the data, the "
            "loss and the precision"
        )
    elif len(trials) > 1:
        tried = short(trials[-1].lr_factor)
        text = (
            f"not the rate alone: it did not hold at {tried} of it either; look at the "
            "data, the loss and the precision"
        )
    elif rates[0] > peak / 2:
        text = 'begin with a warmup, as in warmup("5%"), or halve the rate; then again'
    else:
        text = "halve the rate, then again; with again= lower rates are tried here"
    return (text, *told)


def _compressed(compressed: bool, updates: int) -> tuple[str, ...]:
    if not compressed:
        return ()
    return (
        f"the rise to the peak was compressed into {updates // 2} updates, which is "
        "harder than the run itself",
    )


def _short(updates: int) -> tuple[str, ...]:
    if updates >= LEAST:
        return ()
    return (f"the run has {updates} updates, which hardly show whether a rate holds",)


def _remarks(recipe: Recipe, seen: list[Mapping[str, float]]) -> tuple[str, ...]:
    late = seen[len(seen) // 2 :]
    told = []
    ratios = [one["update_ratio"] for one in late if _known(one, "update_ratio")]
    if ratios and level(ratios) > LARGE_RATIO:
        told.append(
            f"an update is {short(level(ratios))} of the weights' norm: they are "
            "overwritten within ten updates, while about 1e-3 is customary (convention)"
        )
    scales = [one["noise_scale"] for one in late if _known(one, "noise_scale")]
    batch = recipe.horizon.samples_per_step if recipe.horizon else None
    if scales and batch is not None:
        scale = level(scales)
        where = "beyond" if batch > scale else "within"
        told.append(
            f"the batch of {short(batch)} is {where} the noise scale of {short(scale)} "
            "seen so far, which grows during training"
            + (
                f": scale(recipe, ..., noise_scale={scale:.3g}) gives the rate"
                if batch > scale
                else ""
            )
        )
    return tuple(told)


def _known(measured: Mapping[str, float], name: str) -> bool:
    return name in measured and 0 < measured[name] < math.inf
