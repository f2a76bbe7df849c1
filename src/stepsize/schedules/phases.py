"""The three phases most schedules are made of: warm up, hold, decay.

Each is a factor over a duration, relative to the value it is handed. Not here: decays
that never end (drops) and free shapes (knots).
"""

from __future__ import annotations

from stepsize.errors import InvalidScheduleError, describe
from stepsize.schedules.arguments import ending, flag, number, optional
from stepsize.schedules.durations import Length, duration
from stepsize.schedules.schedule import Phase
from stepsize.schedules.shapes import (
    DECAYS,
    GEOMETRIC,
    WARMUPS,
    check_shape,
)

Duration = Length | None


def hold(steps: Duration = None, *, weight: float = 1.0, fixed: bool = False) -> Phase:
    """Keep the value that was handed over.

        value(d) = entry

    Args:
        steps: How long. Unit: updates, or a text with a unit; None takes what is left.
        weight: Share of what is left, among elastic phases; > 0.
        fixed: Whether a stretched cycle leaves this length alone.

    Returns:
        The phase; its exit is its entry.

    Raises:
        InvalidScheduleError, UnitError: A value is outside its range.

    Examples:
        >>> import stepsize as ss
        >>> (1e-3 * ss.hold())(10)
        0.001
    """
    return Phase("hold", (), timing("hold", steps, weight, fixed=fixed))


def warmup(
    steps: Duration = None,
    start: float | None = None,
    shape: str = "linear",
    *,
    weight: float = 1.0,
    fixed: bool = False,
    **parameters: float,
) -> Phase:
    """Rise to the value that was handed over, the peak.

    With n = steps and p = d / n:

        linear       entry * (start + (1 - start) * p)
        cosine       entry * (start + (1 - start) * (1 - cos(pi p)) / 2)
        polynomial   entry * (start + (1 - start) * p^power)
        exponential  entry * start^(1 - p)
        1-sqrt       entry * (start + (1 - start) * (1 - sqrt(1 - p)))
        log          entry * (start + (1 - start) * ln(1 + d) / ln(1 + n))

    Args:
        steps: How long. Unit: updates, or a text with a unit; None takes what is left.
        start: First value as a fraction of the peak, in [0, 1]. None is 1 / (n + 1),
            so that no update is spent at rate zero; 0.0 is the convention of
            transformers and optax.
        shape: One of the names above.
        weight: Share of what is left, among elastic phases; > 0.
        fixed: Whether a stretched cycle leaves this length alone.
        parameters: Of the shape: `power` (default 2, > 0).

    Returns:
        The phase; its exit is its entry.

    Raises:
        InvalidScheduleError, UnitError: A value is outside its range.

    Source:
        Goyal et al. 2017, arXiv:1706.02677, section 2.2 (linear).

    Examples:
        >>> import stepsize as ss
        >>> ss.warmup(4)(range(6))
        [0.2, 0.4, 0.6, 0.8, 1.0, 1.0]
        >>> ss.warmup(4, start=0.0)(range(6))
        [0.0, 0.25, 0.5, 0.75, 1.0, 1.0]
    """
    name, stored = check_shape("warmup", shape, WARMUPS, parameters)
    first = optional(start, "warmup.start", low=0.0, high=1.0)
    if name in GEOMETRIC and first == 0:
        rule = f'be > 0 with shape="{name}"'
        raise InvalidScheduleError(describe("warmup.start", rule, start))
    args = (
        *_length("warmup", steps),
        ("start", first),
        ("shape", name),
        *stored,
        *_share("warmup", weight, fixed=fixed),
    )
    return Phase("warmup", (), args)


def decay(
    steps: Duration = None,
    to: float = 0.0,
    shape: str = "linear",
    *,
    to_lr: float | None = None,
    weight: float = 1.0,
    fixed: bool = False,
    **parameters: float,
) -> Phase:
    """Fall from the value that was handed over to a fraction of it.

    With n = steps, p = d / n and end = entry * to (or to_lr),

        value(d) = w(p) * entry + (1 - w(p)) * end

        linear           w = 1 - p
        cosine           w = cos(pi p^k / 2)^(2 power)
        polynomial       w = (1 - p^k)^power
        1-sqrt           w = 1 - sqrt(p)
        1-square         w = 1 - p^2
        mirrored-cosine  w = 2 (1 - p) - (1 + cos(pi p)) / 2
        rex              w = (1 - p) / (1 - beta p)
        tanh             w = (1 - tanh((1 - p) low + p high)) / 2
        hyperbolic       w = sqrt((1 - p) (2 - ratio (1 + p)) / (2 - ratio))
        shifted-exponential     w = (ratio^p - ratio) / (1 - ratio)
        exponential             value = entry * (end / entry)^p
        exponential-hyperbolic  value = entry * (end / entry)^(1 - w), w: hyperbolic
        harmonic                1 / value = (1 - p) / entry + p / end

    Args:
        steps: How long. Unit: updates, or a text with a unit; None takes what is left.
        to: Last value as a fraction of the entry; finite, >= 0; default 0. A value
            above 1 rises.
        shape: One of the names above.
        to_lr: Last value, absolute, untouched by any scale. Unit: lr; finite, >= 0.
        weight: Share of what is left, among elastic phases; > 0.
        fixed: Whether a stretched cycle leaves this length alone.
        parameters: Of the shape: `power` (> 0; default 2, of a cosine 1), `k` (> 0;
            default 1), `beta` (in [0, 1); default 0.5), `low` and `high` (default -7
            and 3), `ratio` (in (0, 1]; default 1, of shifted-exponential 0.5).

    Returns:
        The phase; its exit is `end`, reached at d = n (one step after its last).

    Raises:
        InvalidScheduleError, UnitError: A value is outside its range, or an
            exponential decay ends at 0.

    Source:
        Loshchilov & Hutter 2017, arXiv:1608.03983 (cosine); Hägele et al. 2024,
        arXiv:2405.18392 (1-sqrt); Dremov et al. 2025, arXiv:2508.01483
        (mirrored-cosine); Chen et al. 2021, arXiv:2107.04197 (rex); Zhang & Li 2020,
        arXiv:2004.05909 (k); Kim 2024, arXiv:2407.15200 (hyperbolic).

    Examples:
        >>> import stepsize as ss
        >>> (0.1 * ss.decay(4, to=0.5))(range(6))
        [0.1, 0.08750000000000001, 0.07500000000000001, 0.0625, 0.05, 0.05]
    """
    name, stored = check_shape("decay", shape, DECAYS, parameters)
    fraction, absolute = ending(to, to_lr, "decay")
    if name in GEOMETRIC and not (fraction or absolute):
        rule = f'be > 0 with shape="{name}", which never reaches 0'
        raise InvalidScheduleError(describe("decay.to", rule, fraction))
    args = (
        *_length("decay", steps),
        ("to", fraction),
        ("shape", name),
        ("to_lr", absolute),
        *stored,
        *_share("decay", weight, fixed=fixed),
    )
    return Phase("decay", (), args)


def linear(
    steps: Duration = None, to: float = 0.0, *, to_lr: float | None = None
) -> Phase:
    """Fall evenly: short for `decay(steps, to, shape="linear")`.

        value(d) = (1 - d/n) * entry + (d/n) * end

    See `decay` for arguments, units and errors.

    Examples:
        >>> import stepsize as ss
        >>> ss.linear(4)(range(5))
        [1.0, 0.75, 0.5, 0.25, 0.0]
    """
    return decay(steps, to, "linear", to_lr=to_lr)


def cosine(
    steps: Duration = None, to: float = 0.0, *, to_lr: float | None = None
) -> Phase:
    """Fall as half a cosine: short for `decay(steps, to, shape="cosine")`.

        value(d) = end + (entry - end) * (1 + cos(pi d / n)) / 2

    See `decay` for arguments, units and errors.

    Source:
        Loshchilov & Hutter 2017, arXiv:1608.03983, eq. (5), one cycle.

    Examples:
        >>> import stepsize as ss
        >>> [round(v, 3) for v in ss.cosine(4)(range(5))]
        [1.0, 0.854, 0.5, 0.146, 0.0]
    """
    return decay(steps, to, "cosine", to_lr=to_lr)


def polynomial(
    steps: Duration = None,
    to: float = 0.0,
    power: float = 2.0,
    *,
    to_lr: float | None = None,
) -> Phase:
    """Fall as a power: short for `decay(steps, to, shape="polynomial", power=power)`.

        value(d) = end + (entry - end) * (1 - d/n)^power

    See `decay` for arguments, units and errors.

    Examples:
        >>> import stepsize as ss
        >>> ss.polynomial(4)(range(5))
        [1.0, 0.5625, 0.25, 0.0625, 0.0]
    """
    return decay(steps, to, "polynomial", to_lr=to_lr, power=power)


def exponential(
    steps: Duration = None, to: float = 0.0, *, to_lr: float | None = None
) -> Phase:
    """Fall by equal factors: short for `decay(steps, to, shape="exponential")`.

        value(d) = entry * (end / entry)^(d / n)

    `to` (or `to_lr`) must be given and be above 0. `geometric` takes the factor of one
    step instead. See `decay` for arguments, units and errors.

    Examples:
        >>> import stepsize as ss
        >>> [round(v, 6) for v in ss.exponential(2, to=0.01)(range(3))]
        [1.0, 0.1, 0.01]
    """
    return decay(steps, to, "exponential", to_lr=to_lr)


def timing(
    owner: str, steps: object, weight: object, *, fixed: object
) -> tuple[tuple[str, object], ...]:
    """Return the checked arguments of a phase's length, in their order."""
    return (*_length(owner, steps), *_share(owner, weight, fixed=fixed))


def _length(owner: str, steps: object) -> tuple[tuple[str, object], ...]:
    length = None if steps is None else duration(steps, f"{owner}.steps")
    return (("steps", length),)


def _share(
    owner: str, weight: object, *, fixed: object
) -> tuple[tuple[str, object], ...]:
    share = number(weight, f"{owner}.weight", low=0.0, open_low=True)
    return (("weight", share), ("fixed", flag(fixed, f"{owner}.fixed")))
