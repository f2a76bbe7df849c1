"""Megatron-LM's OptimizerParamScheduler: learning rate, and weight decay."""
# ruff: noqa: N802 - the names are the peer's

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from typing import final

from stepsize.dialects._real import ZERO, Build, lay
from stepsize.dialects.megatron.batch_size import Stage, stages
from stepsize.errors import InvalidScheduleError, describe
from stepsize.schedules.arguments import choice, number
from stepsize.schedules.drops import inverse_sqrt
from stepsize.schedules.durations import LONGEST
from stepsize.schedules.joins import join
from stepsize.schedules.layout import exact
from stepsize.schedules.phases import decay, hold, warmup
from stepsize.schedules.pointwise import maximum
from stepsize.schedules.schedule import Schedule, scaled

OWNER = "OptimizerParamScheduler"
STYLES = ("constant", "linear", "cosine", "inverse-square-root", "WSD")
TAILS = {
    "linear": "linear",
    "cosine": "cosine",
    "exponential": "shifted-exponential",
    "minus_sqrt": "1-sqrt",
}
"""What the peer calls the decays of WSD, and their names here."""
GROWTHS = ("constant", "linear", "cosine")


def OptimizerParamScheduler(  # noqa: PLR0917 - the peer's order
    init_lr: float,
    max_lr: float,
    min_lr: float,
    lr_warmup_steps: float,
    lr_decay_steps: float,
    lr_decay_style: str,
    start_wd: float = 0.0,
    end_wd: float = 0.0,
    wd_incr_steps: float = 0,
    wd_incr_style: str = "constant",
    use_checkpoint_opt_param_scheduler: bool = True,
    override_opt_param_scheduler: bool = False,
    wsd_decay_steps: float | None = None,
    lr_wsd_decay_style: str | None = None,
    *,
    increment: int | Schedule = 1,
) -> Schedule:
    """Warm up and decay as Megatron-LM does, which counts samples.

    With n the samples before update t (t * increment), W = lr_warmup_steps,
    D = lr_decay_steps, S = wsd_decay_steps and r = (n - W) / (D - W):

        n <= W              lr = init_lr + (max_lr - init_lr) * n / W       (if W > 0)
        constant            lr = max_lr
        n > D               lr = min_lr
        inverse-square-root lr = max(min_lr, max_lr * sqrt(max(W, 1) / max(n, 1)))
        linear, cosine      lr = min_lr + c * (max_lr - min_lr),
                            c = 1 - r | (1 + cos(pi r)) / 2
        WSD                 the same with c = 1 up to n = D - S, and after it, with
                            q = (n - D + S) / S, by lr_wsd_decay_style, c =
                            linear 1 - q | cosine (1 + cos(pi q)) / 2 |
                            exponential 2 * 0.5^q - 1 | minus_sqrt 1 - sqrt(q)

    An inverse square root jumps to min_lr after D, as in the peer.

    Args:
        init_lr: Rate at n = 0, where there is a warmup. Unit: lr; in [0, max_lr].
        max_lr: Highest rate. Unit: lr; finite, >= 0. Of a group's override: that.
        min_lr: Last rate. Unit: lr; in [0, max_lr].
        lr_warmup_steps: W. Unit: samples; in [0, lr_decay_steps); a float stays one.
        lr_decay_steps: D, warmup included. Unit: samples; > 0.
        lr_decay_style: "constant", "linear", "cosine", "inverse-square-root", "WSD".
        start_wd: Checked as the peer does; see `OptimizerParamScheduler_weight_decay`.
        end_wd: Likewise.
        wd_incr_steps: Likewise.
        wd_incr_style: Likewise.
        use_checkpoint_opt_param_scheduler: Accepted; about loading only.
        override_opt_param_scheduler: Likewise; not together with the former.
        wsd_decay_steps: S, for "WSD". Unit: samples; >= 0.
        lr_wsd_decay_style: Style of S: "linear", "cosine", "exponential", "minus_sqrt".
        increment: Samples in an update, which the peer's training loop hands to
            `step`: an int >= 1 (1 makes a sample an update), or a batch-size schedule
            such as `init_num_microbatches_calculator` returns.

    Returns:
        The learning rate of each update. The four arguments of weight decay have
        defaults here, which the peer's lack.

    Raises:
        InvalidScheduleError: A value is outside its range.

    Source:
        Megatron-LM d98e8a64, core/optimizer_param_scheduler.py.

    Examples:
        >>> from stepsize.dialects import megatron
        >>> megatron.OptimizerParamScheduler(0.0, 0.5, 0.125, 2, 6, "linear")
        0.5 * warmup(2, start=0.0) >> decay(4, to=0.25)
        >>> s = megatron.OptimizerParamScheduler(
        ...     0.0, 1.0, 0.0, 8, 20, "linear", increment=8)
        >>> [round(s(t), 3) for t in range(4)]
        [0.0, 1.0, 0.333, 0.0]
    """
    weight_decay = _WeightDecay(start_wd, end_wd, wd_incr_steps, wd_incr_style)
    rate = _Rate(
        init_lr,
        max_lr,
        min_lr,
        lr_warmup_steps,
        lr_decay_steps,
        lr_decay_style,
        wsd_decay_steps,
        lr_wsd_decay_style,
    )
    _check_loading(use_checkpoint_opt_param_scheduler, override_opt_param_scheduler)
    del weight_decay  # checked: the peer refuses it in the same call
    return _over(increment, rate.from_samples)


def OptimizerParamScheduler_weight_decay(  # noqa: PLR0917 - the peer's order
    init_lr: float,
    max_lr: float,
    min_lr: float,
    lr_warmup_steps: float,
    lr_decay_steps: float,
    lr_decay_style: str,
    start_wd: float = 0.0,
    end_wd: float = 0.0,
    wd_incr_steps: float = 0,
    wd_incr_style: str = "constant",
    use_checkpoint_opt_param_scheduler: bool = True,
    override_opt_param_scheduler: bool = False,
    wsd_decay_steps: float | None = None,
    lr_wsd_decay_style: str | None = None,
    *,
    increment: int | Schedule = 1,
) -> Schedule:
    """Raise the weight decay as Megatron-LM does; the arguments are those of the rate.

    With n the samples before update t and r = n / wd_incr_steps:

        constant  wd = end_wd                                 (start_wd must equal it)
        linear    wd = start_wd + (end_wd - start_wd) * r
        cosine    wd = start_wd + (end_wd - start_wd) * (1 - cos(pi r)) / 2
        n > wd_incr_steps: wd = end_wd

    Args:
        init_lr: Checked as the peer does; see `OptimizerParamScheduler`.
        max_lr: Likewise.
        min_lr: Likewise.
        lr_warmup_steps: Likewise.
        lr_decay_steps: Likewise.
        lr_decay_style: Likewise.
        start_wd: First weight decay; in [0, end_wd].
        end_wd: Last weight decay; finite, >= 0.
        wd_incr_steps: Length of the rise. Unit: samples; > 0 unless constant.
        wd_incr_style: "constant", "linear" or "cosine".
        use_checkpoint_opt_param_scheduler: Accepted; about loading only.
        override_opt_param_scheduler: Likewise; not together with the former.
        wsd_decay_steps: See `OptimizerParamScheduler`.
        lr_wsd_decay_style: Likewise.
        increment: Samples in an update: an int >= 1 or a batch-size schedule.

    Returns:
        The weight decay of each update; multiply it by a group's `wd_mult`.

    Raises:
        InvalidScheduleError: A value is outside its range.

    Source:
        Megatron-LM d98e8a64, core/optimizer_param_scheduler.py.

    Examples:
        >>> from stepsize.dialects import megatron
        >>> megatron.OptimizerParamScheduler_weight_decay(
        ...     0.0, 1.0, 0.0, 2, 6, "linear", 0.01, 0.1, 6, "cosine")
        0.1 * warmup(6, start=0.09999999999999999, shape="cosine")
    """
    weight_decay = _WeightDecay(start_wd, end_wd, wd_incr_steps, wd_incr_style)
    _Rate(
        init_lr,
        max_lr,
        min_lr,
        lr_warmup_steps,
        lr_decay_steps,
        lr_decay_style,
        wsd_decay_steps,
        lr_wsd_decay_style,
    )
    _check_loading(use_checkpoint_opt_param_scheduler, override_opt_param_scheduler)
    return _over(increment, weight_decay.from_samples)


def _over(increment: object, curve: Callable[[int, int], Schedule]) -> Schedule:
    """Return a curve of samples as one of updates, stage by stage of the batch size."""
    found: list[Stage] = stages(increment, f"{OWNER}.increment")
    parts = [curve(stage.consumed, stage.batch_size) for stage in found]
    if len(parts) == 1:
        return parts[0]
    return join(*parts, at=[stage.update for stage in found[1:]])


def _check_loading(use: object, override: object) -> None:
    if use and override:
        field = f"{OWNER}.override_opt_param_scheduler"
        rule = "be False when use_checkpoint_opt_param_scheduler is True"
        raise InvalidScheduleError(describe(field, rule, override))


def _samples(value: object, name: str, *, positive: bool = False) -> Fraction:
    amount = number(
        value,
        f"{OWNER}.{name}",
        high=float(LONGEST),
        open_low=positive,
        unit="samples",
    )
    return exact(int(amount) if amount == int(amount) else amount)


def _first_after(limit: Fraction, consumed: int, batch_size: int) -> int:
    """Return the first update, from `consumed` samples on, with more than `limit`."""
    return max(math.floor((limit - consumed) / batch_size) + 1, 0)


@final
class _WeightDecay:
    """The checked weight decay."""

    def __init__(
        self, start: object, end: object, steps: object, style: object
    ) -> None:
        self.style = choice(style, f"{OWNER}.wd_incr_style", GROWTHS)
        self.start = number(start, f"{OWNER}.start_wd")
        self.end = number(end, f"{OWNER}.end_wd")
        if self.end < self.start:
            rule = f"be >= start_wd ({self.start:g})"
            raise InvalidScheduleError(describe(f"{OWNER}.end_wd", rule, end))
        if self.style == "constant" and self.start != self.end:
            rule = f'equal start_wd ({self.start:g}) with wd_incr_style "constant"'
            raise InvalidScheduleError(describe(f"{OWNER}.end_wd", rule, end))
        grows = self.style != "constant"
        self.steps = _samples(steps, "wd_incr_steps", positive=grows)

    def from_samples(self, consumed: int, batch_size: int) -> Schedule:
        """Return the curve that begins after some samples, at one batch size."""
        if self.style == "constant" or self.end == self.start:
            return scaled(self.end, hold())
        ratio, style = self.start / self.end, self.style

        def rise(steps: int | str) -> Schedule:
            return warmup(steps, ratio, style)

        ahead = Fraction(consumed, batch_size)
        return scaled(self.end, lay([(rise, self.steps / batch_size)], ahead))


@final
class _Rate:
    """The checked learning rate."""

    def __init__(  # noqa: PLR0917 - in the order of the peer
        self,
        init: object,
        peak: object,
        low: object,
        warm: object,
        end: object,
        style: object,
        tail: object,
        tail_style: object,
    ) -> None:
        self.peak = number(peak, f"{OWNER}.max_lr", unit="lr")
        self.init = number(init, f"{OWNER}.init_lr", high=self.peak, unit="lr")
        self.low = number(low, f"{OWNER}.min_lr", high=self.peak, unit="lr")
        self.end = _samples(end, "lr_decay_steps", positive=True)
        self.warm = _samples(warm, "lr_warmup_steps")
        if self.warm >= self.end:
            rule = f"be < lr_decay_steps ({float(self.end):g}) (unit: samples)"
            raise InvalidScheduleError(describe(f"{OWNER}.lr_warmup_steps", rule, warm))
        self.style = choice(style, f"{OWNER}.lr_decay_style", STYLES)
        self.tail, self.shape = ZERO, self.style
        if self.style == "WSD":
            if tail is None:
                rule = 'be given with lr_decay_style "WSD" (unit: samples)'
                message = describe(f"{OWNER}.wsd_decay_steps", rule, tail)
                raise InvalidScheduleError(message)
            self.tail = _samples(tail, "wsd_decay_steps")
            field = f"{OWNER}.lr_wsd_decay_style"
            self.shape = TAILS[choice(tail_style, field, tuple(TAILS))]

    def from_samples(self, consumed: int, batch_size: int) -> Schedule:
        """Return the curve that begins after some samples, at one batch size."""
        if self.peak == 0:
            return scaled(0.0, hold())
        if self.style == "inverse-square-root":
            curve = self._inverse_sqrt(consumed, batch_size)
        elif self.style == "WSD" and not 0 < self.tail <= self.end - self.warm:
            curve = self._cut_tail(consumed, batch_size)
        else:
            curve = lay(
                [(build, n / batch_size) for build, n in self._parts()],
                Fraction(consumed, batch_size),
            )
        return scaled(self.peak, curve)

    def _parts(self) -> list[tuple[Build, Fraction]]:
        if self.style == "constant":
            return [(self._rise, self.warm)]
        tail = self.tail or self.end - self.warm
        flat = self.end - self.warm - tail
        return [(self._rise, self.warm), (hold, flat), (self._fall, tail)]

    def _rise(self, steps: int | str) -> Schedule:
        return warmup(steps, self.init / self.peak)

    def _fall(self, steps: int | str) -> Schedule:
        return decay(steps, self.low / self.peak, self.shape)

    def _head(self, consumed: int, batch_size: int) -> Schedule:
        """Return the warmup alone; it stays at the peak."""
        ahead = Fraction(consumed, batch_size)
        return lay([(self._rise, self.warm / batch_size)], ahead)

    def _floor(self) -> Schedule:
        return scaled(self.low / self.peak, hold())

    def _cut_tail(self, consumed: int, batch_size: int) -> Schedule:
        """Return WSD whose tail is empty, or begins before the warmup has ended."""
        head = self._head(consumed, batch_size)
        last = _first_after(self.end, consumed, batch_size)
        if not self.tail:
            return join(head, self._floor(), at=[last])
        first = 0
        if self.warm:
            first = _first_after(self.warm, consumed, batch_size)
        into = consumed + first * batch_size - (self.end - self.tail)
        fall = lay([(self._fall, self.tail / batch_size)], into / batch_size)
        return join(head, fall, at=[first])

    def _inverse_sqrt(self, consumed: int, batch_size: int) -> Schedule:
        """Return the fall from the first update after the warmup up to D, then min."""
        warm = max(self.warm, Fraction(1))
        first = _first_after(self.warm, consumed, batch_size) if self.warm else 0
        last = _first_after(self.end, consumed, batch_size)
        parts, at = [self._head(consumed, batch_size)], []
        low = self.low / self.peak
        while consumed + first * batch_size < batch_size:
            # less than an update's samples: the formula below begins with the next
            n = max(consumed + first * batch_size, 1)
            parts.append(scaled(max(float(warm / n) ** 0.5, low), hold()))
            at.append(first)
            first += 1
        n = consumed + first * batch_size
        fall: Schedule
        if consumed:
            # sqrt(1 / (d + 1)) with d + 1 = n / batch_size
            ahead = Fraction(n - batch_size, batch_size)
            length = self.end / batch_size + 1
            fall = lay([(lambda steps: inverse_sqrt(1, steps), length)], ahead)
            fall = scaled(float(warm / batch_size) ** 0.5, fall)
        else:
            fall = scaled(float(warm / n) ** 0.5, inverse_sqrt(first))
        if self.low:
            fall = maximum(fall, self._floor())
        bounds = [min(update, last) for update in (*at, first)]
        return join(*parts, fall, self._floor(), at=[*bounds, last])
