"""The rate at which a single update stops helping; no training is made."""

from __future__ import annotations

import math

from stepsize.errors import FinderError, describe
from stepsize.finder.arguments import as_float, as_rate
from stepsize.finder.training import LOSS, Again, Step
from stepsize.schedules.durations import whole

_GROWTH = 10.0


def critical_rate(
    step: Step,
    again: Again,
    *,
    start: float = 1e-6,
    high: float = 100.0,
    bisections: int = 4,
    stream: int = 0,
) -> float | None:
    """Return the largest rate at which one update lowers the loss.

    A trial makes one update at the rate and looks at the loss of the next batch; it is
    compared with that of the same batch without an update. The rate grows tenfold
    until the loss is higher, and is then bisected in log lr. It is about 2 / sharpness
    for SGD: a cheap lower bound on the peak, and where a warmup may begin.

    Args:
        step: As for `find`; it must take a rate of 0.
        again: As for `find`.
        start: First rate tried. Unit: lr; finite, > 0.
        high: Growth ends above this rate. Unit: lr; finite, > `start`.
        bisections: Halvings of the last decade; 4 leave a sixteenth. Int >= 0.
        stream: Of the batches.

    Returns:
        The rate; None where no rate up to `high` raises the loss, or the first rate
        does already. Costs 2 updates a trial.

    Raises:
        FinderError: `start` or `high` is not finite and > 0, `high` is not above
            `start`, `bisections` is no int >= 0, or `step` returned no loss.

    Source:
        Kalra & Barkeshli 2024, arXiv:2406.09405, section on the critical rate.

    Examples:
        >>> w = 0.0
        >>> def step(lr):
        ...     global w
        ...     loss, w = (w - 3.0) ** 2, w - lr * 2.0 * (w - 3.0)
        ...     return loss
        >>> def again(stream):
        ...     global w
        ...     w = 0.0
        >>> 0.8 < critical_rate(step, again) <= 1.0
        True
    """
    start = as_rate(start, "critical_rate.start")
    high = as_rate(high, "critical_rate.high")
    halvings = whole(bisections)
    if not start < high:
        rule = f"be greater than `start`, {start:g} (unit: lr)"
        raise FinderError(describe("critical_rate.high", rule, high))
    if halvings is None or halvings < 0:
        rule = "be an int >= 0"
        raise FinderError(describe("critical_rate.bisections", rule, bisections))

    def after(lr: float) -> float:
        again(stream)
        step(lr)
        return as_float(step(0.0), "step", LOSS)

    still = after(0.0)
    if not after(start) <= still:
        return None
    helps, harms = start, start * _GROWTH
    while after(harms) <= still:
        helps, harms = harms, harms * _GROWTH
        if helps > high:
            return None
    for _ in range(halvings):
        middle = math.sqrt(helps * harms)
        if after(middle) <= still:
            helps = middle
        else:
            harms = middle
    return helps
