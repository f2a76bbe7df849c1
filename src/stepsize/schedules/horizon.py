"""How long a run is and how its units convert; not what the rate does in it."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from fractions import Fraction
from typing import Any, Literal, final

from stepsize.errors import InvalidScheduleError, UnitError, describe
from stepsize.schedules.durations import LONGEST, Duration, whole

Number = int | float
Remainder = Literal["update", "drop", "carry"]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Horizon:
    """The length of a run in optimizer updates, and what an update is made of.

    With S = `steps`, or `epochs` * `steps_per_epoch` rounded half up, updates run from
    0 to S - 1. A duration of another unit becomes updates by

        epochs * steps_per_epoch, samples / samples_per_step, tokens / tokens_per_step

    Attributes:
        steps: Updates planned in all, warmup included. Unit: updates; int >= 1.
        epochs: Passes over the data. Unit: epochs; > 0.
        steps_per_epoch: Updates in an epoch (micro-batches do not count); > 0.
        tokens_per_step: Tokens in one update, over all ranks and micro-batches; > 0.
        samples_per_step: Samples in one update, likewise (the effective batch); > 0.

    Raises:
        InvalidScheduleError: A value is outside its range, or `steps` contradicts
            `epochs` * `steps_per_epoch`.

    Examples:
        >>> Horizon(epochs=3, steps_per_epoch=100).total_steps
        300
        >>> Horizon.plan(dataset_size=50_000, batch_size=32, accumulation=4,
        ...              world_size=2, epochs=10).total_steps
        1960
    """

    steps: int | None = None
    epochs: Number | None = None
    steps_per_epoch: Number | None = None
    tokens_per_step: Number | None = None
    samples_per_step: Number | None = None

    def __post_init__(self) -> None:
        """Check every value, and that they agree."""
        for field in fields(self):
            value = getattr(self, field.name)
            if value is not None:
                number = _positive(value, f"Horizon.{field.name}")
                object.__setattr__(self, field.name, number)
        steps = self.steps
        if steps is not None and not (isinstance(steps, int) and steps <= LONGEST):
            rule = "be an int >= 1 (unit: updates)"
            raise InvalidScheduleError(describe("Horizon.steps", rule, steps))
        if self.epochs is not None and self.steps_per_epoch is not None:
            product = _half_up(_exact(self.epochs) * _exact(self.steps_per_epoch))
            if product < 1:
                rule = "make at least one update with steps_per_epoch"
                raise InvalidScheduleError(describe("Horizon.epochs", rule, product))
            if steps is not None and steps != product:
                rule = f"equal epochs * steps_per_epoch = {product}"
                hint = "give one of the two"
                raise InvalidScheduleError(
                    describe("Horizon.steps", rule, steps, hint=hint)
                )

    @property
    def total_steps(self) -> int | None:
        """Updates planned in all, or None if neither form was given."""
        if self.steps is not None or self.epochs is None:
            return self.steps
        if self.steps_per_epoch is None:
            return None
        return _half_up(_exact(self.epochs) * _exact(self.steps_per_epoch))

    def updates(self, duration: Duration) -> Fraction:
        """Convert a duration to updates, exactly.

        Raises:
            UnitError: The number that converts its unit is missing.
        """
        if duration.unit == "steps":
            return duration.amount
        if duration.unit == "epochs":
            return duration.amount * self._conversion(duration, "steps_per_epoch")
        if duration.unit == "samples":
            return duration.amount / self._conversion(duration, "samples_per_step")
        if duration.unit == "tokens":
            return duration.amount / self._conversion(duration, "tokens_per_step")
        if self.total_steps is None:
            rule = f'be given to convert "{duration}" to updates'
            raise UnitError(describe("Horizon.steps", rule, None))
        return duration.amount * self.total_steps / 100

    def _conversion(self, duration: Duration, name: str) -> Fraction:
        value: Number | None = getattr(self, name)
        if value is None:
            rule = f'be given to convert "{duration}" to updates'
            hint = f"resolve(horizon=Horizon(steps=..., {name}=...))"
            raise UnitError(describe(f"Horizon.{name}", rule, None, hint=hint))
        return _exact(value)

    def to_dict(self) -> dict[str, Number]:
        """Return the values that were given, JSON-plain."""
        pairs = ((field.name, getattr(self, field.name)) for field in fields(self))
        return {name: value for name, value in pairs if value is not None}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Horizon:
        """Return the horizon that `to_dict` gave these values.

        Raises:
            InvalidScheduleError: A name is unknown or a value is outside its range.
        """
        known = {field.name for field in fields(cls)}
        if not isinstance(values, dict) or not set(values) <= known:
            rule = f"be a mapping with names of {', '.join(sorted(known))}"
            raise InvalidScheduleError(describe("Horizon.from_dict", rule, values))
        return cls(**values)

    @classmethod
    def plan(
        cls,
        *,
        dataset_size: int,
        batch_size: int,
        epochs: Number | None = None,
        steps: int | None = None,
        accumulation: int = 1,
        world_size: int = 1,
        drop_last: bool = False,
        remainder: Remainder = "update",
        tokens_per_sample: Number | None = None,
    ) -> Horizon:
        """Compute the updates of a run from its data, batch, accumulation and ranks.

        With D samples, W ranks, batch b and accumulation a, an epoch has

            micro = ceil(ceil(D / W) / b)      micro-batches on each rank
            (floor both divisions with drop_last)
            updates = ceil(micro / a)          remainder="update": leftovers step too
                    | floor(micro / a)         remainder="drop": leftovers are dropped
                    | micro / a                remainder="carry": they go on counting

        Args:
            dataset_size: Samples in the training set; int >= 1.
            batch_size: Samples in one micro-batch of one rank; int >= 1.
            epochs: Passes over the data; > 0. Give this or `steps`.
            steps: Updates in all; int >= 1.
            accumulation: Micro-batches in one update; int >= 1.
            world_size: Ranks that each take their share of the data; int >= 1.
            drop_last: Whether incomplete micro-batches (and shares) are dropped.
            remainder: What an epoch's leftover micro-batches do (formula above).
            tokens_per_sample: Tokens in a sample, for durations in tokens; > 0.

        Returns:
            A horizon with all conversions. `samples_per_step` is nominal: b * a * W.

        Raises:
            InvalidScheduleError: A value is outside its range, both or neither of
                `epochs` and `steps` are given, or no update fits into an epoch.

        Examples:
            >>> Horizon.plan(dataset_size=1000, batch_size=64, epochs=2)
            Horizon(steps=32, epochs=2, steps_per_epoch=16, samples_per_step=64)
        """
        if (epochs is None) == (steps is None):
            rule = "be given, or steps, but not both"
            raise InvalidScheduleError(describe("Horizon.plan.epochs", rule, epochs))
        counts = {
            "dataset_size": dataset_size,
            "batch_size": batch_size,
            "accumulation": accumulation,
            "world_size": world_size,
        }
        data, batch, accumulate, ranks = (
            _count(value, f"Horizon.plan.{name}") for name, value in counts.items()
        )
        if drop_last:
            micro = data // ranks // batch
        else:
            micro = _ceil(_ceil(data, ranks), batch)
        if remainder == "carry":
            exact = Fraction(micro, accumulate)
        elif remainder == "update":
            exact = Fraction(_ceil(micro, accumulate))
        elif remainder == "drop":
            exact = Fraction(micro // accumulate)
        else:
            rule = 'be "update", "drop" or "carry"'
            raise InvalidScheduleError(
                describe("Horizon.plan.remainder", rule, remainder)
            )
        if exact == 0:
            rule = "leave at least one update in an epoch"
            got = f"{micro} micro-batches of {batch} with accumulation {accumulate}"
            hint = "make batch_size * accumulation * world_size smaller"
            raise InvalidScheduleError(
                describe("Horizon.plan.dataset_size", rule, got, hint=hint)
            )
        integral = exact.denominator == 1
        if epochs is not None:
            passes = _exact(_positive(epochs, "Horizon.plan.epochs"))
            # leftovers that are carried on make an update only when it is complete
            steps = _half_up(passes * exact) if integral else int(passes * exact)
        samples = batch * accumulate * ranks
        tokens = None
        if tokens_per_sample is not None:
            tokens = tokens_per_sample * samples
        return cls(
            steps=steps,
            epochs=epochs if integral else None,
            steps_per_epoch=int(exact) if integral else float(exact),
            samples_per_step=samples,
            tokens_per_step=tokens,
        )

    def __repr__(self) -> str:
        """Return an expression that builds this horizon again."""
        pairs = ", ".join(f"{k}={v!r}" for k, v in self.to_dict().items())
        return f"Horizon({pairs})"


def _positive(value: object, field: str) -> Number:
    number: object = whole(value)
    if number is None:
        number = _float(value)
    if not isinstance(number, (int, float)) or not 0 < number < math.inf:
        raise InvalidScheduleError(describe(field, "be a finite number > 0", value))
    return number


def _float(value: object) -> float | None:
    if isinstance(value, (bool, str)):
        return None
    try:
        return float(value)  # type: ignore[arg-type]  # the except is the check
    except (TypeError, ValueError, OverflowError):
        return None


def _count(value: object, field: str) -> int:
    number = whole(value)
    if number is None or number < 1:
        raise InvalidScheduleError(describe(field, "be an int >= 1", value))
    return number


def _exact(value: Number) -> Fraction:
    """Return the decimal that `value` was written as: 0.1 is 1/10."""
    return Fraction(value) if isinstance(value, int) else Fraction(repr(value))


def _half_up(value: Fraction) -> int:
    return math.floor(value + Fraction(1, 2))


def _ceil(a: int, b: int) -> int:
    return -(-a // b)
