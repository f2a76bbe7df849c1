"""torchtitan's one schedule: warm up, stay, decay."""
# ruff: noqa: N802 - the names are the peer's

from __future__ import annotations

import math
from fractions import Fraction
from typing import final

from stepsize.dialects._real import lay
from stepsize.errors import InvalidScheduleError, describe
from stepsize.schedules.arguments import choice, number
from stepsize.schedules.cycles import repeat
from stepsize.schedules.durations import whole
from stepsize.schedules.joins import faithful as marked
from stepsize.schedules.layout import exact
from stepsize.schedules.phases import decay, hold, warmup
from stepsize.schedules.schedule import Schedule, chain, scaled
from stepsize.schedules.waves import wave

__all__ = ["LRSchedulersContainer"]

FAR = 2**10
"""Decay lengths after which a formula that goes on may stop: longer costs digits."""
SHAPES = {"linear": "linear", "sqrt": "1-sqrt", "cosine": "cosine"}


@final
class _LRSchedulersContainer:
    """Callable as `LRSchedulersContainer(...)` and `LRSchedulersContainer.Config(...)`.

    See `Config`.
    """

    __slots__ = ()

    def __call__(
        self,
        warmup_steps: int = 200,
        total_steps: int | None = None,
        decay_ratio: float | None = None,
        decay_type: str = "linear",
        min_lr_factor: float = 0.0,
        *,
        training_steps: int | None = None,
        base_lr: float = 1.0,
        faithful: bool = False,
    ) -> Schedule:
        """Return what `Config` returns for the same arguments."""
        return self.Config(
            warmup_steps,
            total_steps,
            decay_ratio,
            decay_type,
            min_lr_factor,
            training_steps=training_steps,
            base_lr=base_lr,
            faithful=faithful,
        )

    @staticmethod
    def Config(
        warmup_steps: int = 200,
        total_steps: int | None = None,
        decay_ratio: float | None = None,
        decay_type: str = "linear",
        min_lr_factor: float = 0.0,
        *,
        training_steps: int | None = None,
        base_lr: float = 1.0,
        faithful: bool = False,
    ) -> Schedule:
        """Warm up, stay and decay as torchtitan does.

        With N = total_steps (or training_steps), W = min(warmup_steps, N),
        D = round(N * decay_ratio), at most N - W (N - W without a ratio) and
        m = min_lr_factor:

            t < W       lr = base_lr * (t + 1) / W
            t <= N - D  lr = base_lr
            after it    lr = base_lr * (m + (1 - m) * c),   p = (t - N + D) / D,
                        c = linear 1 - p | sqrt 1 - sqrt(p) | cosine (1 + cos(pi p)) / 2

        The floor is the value at t = N, which is after the last update, N - 1: the
        peer adds "a virtual last step". From N on the peer goes on with its formula, so
        a linear decay and a sqrt fall below the floor and a cosine rises; here the
        floor holds.

        Args:
            warmup_steps: W. Unit: updates; int >= 0.
            total_steps: N. Unit: updates; int >= 1; None takes `training_steps`.
            decay_ratio: D as a share of N; finite, >= 0; None decays after the warmup.
            decay_type: "linear", "sqrt" or "cosine".
            min_lr_factor: Floor as a fraction of base_lr; finite, >= 0.
            training_steps: Length of the run, which the peer hands to `build`.
                Unit: updates; int >= 1.
            base_lr: Rate of the optimizer. Unit: lr; finite, >= 0.
            faithful: Whether to go on with the formula after N. A rate is never
                negative: where the peer's would be, it is 0.

        Returns:
            The schedule, N updates long.

        Raises:
            InvalidScheduleError: A value is outside its range, or both lengths miss.

        Source:
            torchtitan b5bcd76c, components/lr_scheduler.py.

        Examples:
            >>> from stepsize import dialects
            >>> dialects.torchtitan.LRSchedulersContainer(
            ...     2, 10, 0.4, "sqrt", 0.1, base_lr=0.5)
            0.5 * warmup(1, start=0.5) >> hold(5) >> decay(4, to=0.1, shape="1-sqrt")
        """
        owner = "LRSchedulersContainer"
        steps = _steps(owner, total_steps, training_steps)
        warm = whole(warmup_steps)
        if warm is None or warm < 0:
            rule = "be an int >= 0 (unit: updates)"
            message = describe(f"{owner}.warmup_steps", rule, warmup_steps)
            raise InvalidScheduleError(message)
        warm = min(warm, steps)
        fall = steps - warm
        if decay_ratio is not None:
            ratio = number(decay_ratio, f"{owner}.decay_ratio")
            fall = min(fall, round(steps * ratio))
        shape = SHAPES[choice(decay_type, f"{owner}.decay_type", tuple(SHAPES))]
        low = number(min_lr_factor, f"{owner}.min_lr_factor")
        rate = number(base_lr, f"{owner}.base_lr", unit="lr")
        if rate == 0:
            return scaled(0.0, hold())
        parts: list[Schedule] = []
        rise = max(warm - 1, 0)
        if rise:
            parts.append(warmup(rise, 1 / warm))
        if steps - fall > rise:
            parts.append(hold(steps - fall - rise))
        if faithful and fall:
            parts.append(_unclamped(shape, fall, low))
            return scaled(rate, marked(chain(*parts)))
        if fall:
            parts.append(decay(fall, low, shape))
        return scaled(rate, chain(*parts))


LRSchedulersContainer = _LRSchedulersContainer()
"""torchtitan's schedule: `LRSchedulersContainer(...)`, or its `Config(...)`."""


def _steps(owner: str, total_steps: object, training_steps: object) -> int:
    name, given = "total_steps", total_steps
    if total_steps is None:
        name, given = "training_steps", training_steps
    steps = whole(given)
    if steps is None or steps < 1:
        hint = "" if given is not None else "give total_steps or training_steps"
        rule = "be an int >= 1 (unit: updates)"
        raise InvalidScheduleError(describe(f"{owner}.{name}", rule, given, hint=hint))
    return steps


def _unclamped(shape: str, steps: int, low: float) -> Schedule:
    """Return the decay that goes on after its end with the same formula."""
    if low == 1:
        return hold()
    if shape == "cosine":
        return repeat(wave(2 * steps, low))
    if low > 1:
        rule = 'be <= 1 with faithful=True and decay_type "linear" or "sqrt"'
        message = describe("LRSchedulersContainer.min_lr_factor", rule, low)
        raise InvalidScheduleError(message)
    # 1 - (1 - low) * p (of the square root: sqrt(p)) is 0 at p = 1 / (1 - low)
    most = FAR if shape == "linear" else math.isqrt(FAR)
    reach = min(1 / (1 - exact(low)), Fraction(most))
    end = float(1 - (1 - exact(low)) * reach)

    def fall(length: int | str) -> Schedule:
        return decay(length, end, shape)

    return lay([(fall, steps * (reach if shape == "linear" else reach**2))])
