"""The schedules of fastai's `fit_*` and `fine_tune`."""

from __future__ import annotations

from collections.abc import Sequence

from stepsize.dialects._rises import base_rate, count
from stepsize.dialects.fastai.pieces import combined_cos, spread
from stepsize.errors import InvalidScheduleError, describe
from stepsize.schedules.arguments import number
from stepsize.schedules.cycles import repeat
from stepsize.schedules.durations import whole
from stepsize.schedules.joins import join
from stepsize.schedules.phases import cosine
from stepsize.schedules.schedule import Schedule

MOMS = (0.95, 0.85, 0.95)
"""fastai's default momentum: at the start, at the peak of the rate, at the end."""


def fit_one_cycle(
    n_epoch: int,
    lr_max: float | None = None,
    div: float = 25.0,
    div_final: float = 1e5,
    pct_start: float = 0.25,
    *,
    base_lr: float = 1.0,
    n_iter: int | None = None,
) -> Schedule:
    """Rise and fall as half cosines: the rate of one cycle.

        lr_max / div  ->  lr_max (at pct_start)  ->  lr_max / div_final

    Args:
        n_epoch: How many epochs; int >= 1. Unit: epochs.
        lr_max: Peak; finite, > 0; None is base_lr. Unit: lr.
        div: Peak over first rate; finite, > 0.
        div_final: Peak over last rate; finite, > 0 (not divided by div, as torch does).
        pct_start: Share of the rise; in [0, 1].
        base_lr: Rate of the learner; finite, > 0. Unit: lr.
        n_iter: Batches of an epoch; int >= 1; None spans the horizon. Unit: updates.

    Returns:
        The schedule of the rate; `fit_one_cycle_momentum` gives that of the momentum.

    Raises:
        InvalidScheduleError: A value is outside its range.

    Source:
        fastai, callback/schedule.py, `fit_one_cycle`.

    Examples:
        >>> from stepsize import dialects
        >>> s = dialects.fastai.fit_one_cycle(2, 0.1, n_iter=50)
        >>> [round(s(t), 6) for t in (0, 25, 100)]
        [0.004, 0.1, 1e-06]
    """
    owner = "fit_one_cycle"
    peak = _peak(lr_max, base_lr, owner, "lr_max")
    first = number(div, f"{owner}.div", open_low=True)
    last = number(div_final, f"{owner}.div_final", open_low=True)
    share = number(pct_start, f"{owner}.pct_start", high=1.0)
    curve = combined_cos(share, peak / first, peak, peak / last)
    return spread(curve, _steps(n_epoch, n_iter, owner), owner)


def fit_one_cycle_momentum(
    n_epoch: int,
    lr_max: float | None = None,
    div: float = 25.0,
    div_final: float = 1e5,
    pct_start: float = 0.25,
    *,
    moms: Sequence[float] | None = None,
    base_lr: float = 1.0,
    n_iter: int | None = None,
) -> Schedule:
    """Fall and rise as half cosines: the momentum of one cycle.

        moms[0]  ->  moms[1] (at pct_start)  ->  moms[2]

    Args:
        n_epoch: How many epochs; int >= 1. Unit: epochs.
        lr_max: No effect, as the other arguments of the rate.
        div: No effect.
        div_final: No effect.
        pct_start: Share of the first part; in [0, 1].
        moms: Three momenta; finite, >= 0; None is (0.95, 0.85, 0.95).
        base_lr: No effect.
        n_iter: Batches of an epoch; int >= 1; None spans the horizon. Unit: updates.

    Returns:
        The schedule.

    Raises:
        InvalidScheduleError: A value is outside its range.

    Source:
        fastai, callback/schedule.py, `fit_one_cycle`.

    Examples:
        >>> from stepsize import dialects
        >>> s = dialects.fastai.fit_one_cycle_momentum(2, n_iter=50)
        >>> [round(s(t), 6) for t in (0, 25, 100)]
        [0.95, 0.85, 0.95]
    """
    owner = "fit_one_cycle_momentum"
    values = MOMS if moms is None else tuple(moms)
    if len(values) != 3:  # noqa: PLR2004 - start, middle, end
        raise InvalidScheduleError(describe(f"{owner}.moms", "be three numbers", moms))
    share = number(pct_start, f"{owner}.pct_start", high=1.0)
    return spread(combined_cos(share, *values), _steps(n_epoch, n_iter, owner), owner)


def fit_flat_cos(
    n_epoch: int,
    lr: float | None = None,
    div_final: float = 1e5,
    pct_start: float = 0.75,
    *,
    base_lr: float = 1.0,
    n_iter: int | None = None,
) -> Schedule:
    """Stay, then fall as half a cosine.

        lr (up to pct_start)  ->  lr / div_final

    Args:
        n_epoch: How many epochs; int >= 1. Unit: epochs.
        lr: Peak; finite, > 0; None is base_lr. Unit: lr.
        div_final: Peak over last rate; finite, > 0.
        pct_start: Share of the flat part; in [0, 1].
        base_lr: Rate of the learner; finite, > 0. Unit: lr.
        n_iter: Batches of an epoch; int >= 1; None spans the horizon. Unit: updates.

    Returns:
        The schedule.

    Raises:
        InvalidScheduleError: A value is outside its range.

    Source:
        fastai, callback/schedule.py, `fit_flat_cos`.

    Examples:
        >>> from stepsize import dialects
        >>> s = dialects.fastai.fit_flat_cos(1, 0.1, n_iter=100)
        >>> [round(s(t), 6) for t in (0, 75, 100)]
        [0.1, 0.1, 1e-06]
    """
    owner = "fit_flat_cos"
    peak = _peak(lr, base_lr, owner, "lr")
    last = number(div_final, f"{owner}.div_final", open_low=True)
    share = number(pct_start, f"{owner}.pct_start", high=1.0)
    curve = combined_cos(share, peak, peak, peak / last)
    return spread(curve, _steps(n_epoch, n_iter, owner), owner)


def fit_sgdr(
    n_cycles: int,
    cycle_len: int,
    lr_max: float | None = None,
    cycle_mult: int = 2,
    *,
    base_lr: float = 1.0,
    n_iter: int | None = None,
) -> Schedule:
    """Fall to 0 as half cosines, in cycles of growing length.

    Cycle i is cycle_len * cycle_mult^i epochs long and falls from lr_max to 0.

    Args:
        n_cycles: How many; int >= 1.
        cycle_len: Length of the first; int >= 1. Unit: epochs.
        lr_max: Peak; finite, > 0; None is base_lr. Unit: lr.
        cycle_mult: Length of a cycle relative to the one before; int >= 2 (fastai
            divides by zero for 1).
        base_lr: Rate of the learner; finite, > 0. Unit: lr.
        n_iter: Batches of an epoch; int >= 1; None spans the horizon. Unit: updates.

    Returns:
        The schedule.

    Raises:
        InvalidScheduleError: A value is outside its range.

    Source:
        fastai, callback/schedule.py, `fit_sgdr`.

    Examples:
        >>> from stepsize import dialects
        >>> s = dialects.fastai.fit_sgdr(2, 1, 0.1, n_iter=4)
        >>> [round(s(t), 6) for t in (0, 2, 4, 8, 12)]
        [0.1, 0.05, 0.1, 0.05, 0.0]
    """
    owner = "fit_sgdr"
    cycles = count(n_cycles, f"{owner}.n_cycles", low=1)
    length = count(cycle_len, f"{owner}.cycle_len", low=1)
    peak = _peak(lr_max, base_lr, owner, "lr_max")
    factor = whole(cycle_mult)
    if factor is None or factor < 2:  # noqa: PLR2004 - see the hint
        rule, hint = "be an int >= 2", "for equal cycles use repeat"
        raise InvalidScheduleError(
            describe(f"{owner}.cycle_mult", rule, cycle_mult, hint=hint)
        )
    curve = peak * repeat(cosine(), cycles, float(factor), boundaries="real")
    epochs = length * (factor**cycles - 1) // (factor - 1)
    return spread(curve, _steps(epochs, n_iter, owner), owner)


def fine_tune(  # noqa: PLR0917 - fastai's order
    epochs: int,
    base_lr: float = 2e-3,
    freeze_epochs: int = 1,
    lr_mult: float = 100,
    pct_start: float = 0.3,
    div: float = 5.0,
    div_final: float = 1e5,
    *,
    n_iter: int,
    group: int = -1,
    n_groups: int = 1,
) -> Schedule:
    """Train the head for some epochs, then all: one cycle after another.

        frozen:    fit_one_cycle(freeze_epochs, r, pct_start=0.99),  r = base_lr for the
                   last param group and base_lr / 10 for the others
        unfrozen:  fit_one_cycle(epochs, r, pct_start=pct_start, div=div),  r in equal
                   factors from base_lr / 2 / lr_mult (first) to base_lr / 2 (last)

    Args:
        epochs: After unfreezing; int >= 1. Unit: epochs.
        base_lr: Peak of the last group while frozen; finite, > 0. Unit: lr.
        freeze_epochs: Frozen; int >= 0. Unit: epochs.
        lr_mult: Last over first group's rate when unfrozen; finite, > 0.
        pct_start: Share of the rise when unfrozen; in [0, 1].
        div: Peak over first rate when unfrozen; finite, > 0.
        div_final: Peak over last rate of both fits; finite, > 0.
        n_iter: Batches of an epoch; int >= 1. Unit: updates.
        group: Which param group; int in [-n_groups, n_groups).
        n_groups: How many param groups there are; int >= 1.

    Returns:
        The schedule of that group; `fine_tune_momentum` gives that of the momentum.

    Raises:
        InvalidScheduleError: A value is outside its range.

    Source:
        fastai, callback/schedule.py, `fine_tune`.

    Examples:
        >>> from stepsize import dialects
        >>> s = dialects.fastai.fine_tune(2, n_iter=100)
        >>> [round(s(t), 6) for t in (0, 99, 100, 160)]
        [8e-05, 0.002, 0.0002, 0.001]
    """
    owner = "fine_tune"
    peak = base_rate(base_lr, owner)
    ratio = number(lr_mult, f"{owner}.lr_mult", open_low=True)
    groups = count(n_groups, f"{owner}.n_groups", low=1)
    index = whole(group)
    if index is None or not -groups <= index < groups:
        rule = f"be an int in [{-groups}, {groups})"
        raise InvalidScheduleError(describe(f"{owner}.group", rule, group))
    index %= groups
    last = index == groups - 1
    depth = 1.0 if last else index / (groups - 1)
    frozen = count(freeze_epochs, f"{owner}.freeze_epochs")
    later = fit_one_cycle(
        epochs,
        peak / 2 * ratio ** (depth - 1),
        div,
        div_final,
        pct_start,
        n_iter=n_iter,
    )
    if not frozen:
        return later
    top = peak if last else peak / 10
    first = fit_one_cycle(
        frozen, top, div_final=div_final, pct_start=0.99, n_iter=n_iter
    )
    return join(first, later, at=[frozen * n_iter])


def fine_tune_momentum(  # noqa: PLR0917 - fastai's order
    epochs: int,
    base_lr: float = 2e-3,
    freeze_epochs: int = 1,
    lr_mult: float = 100,
    pct_start: float = 0.3,
    div: float = 5.0,
    div_final: float = 1e5,
    *,
    n_iter: int,
    moms: Sequence[float] | None = None,
) -> Schedule:
    """Fall and rise twice: the momentum that goes with `fine_tune`.

    Args:
        epochs: After unfreezing; int >= 1. Unit: epochs.
        base_lr: No effect, as the other arguments of the rate.
        freeze_epochs: Frozen; int >= 0. Unit: epochs.
        lr_mult: No effect.
        pct_start: Share of the first part when unfrozen; in [0, 1].
        div: No effect.
        div_final: No effect.
        n_iter: Batches of an epoch; int >= 1. Unit: updates.
        moms: Three momenta; finite, >= 0; None is (0.95, 0.85, 0.95).

    Returns:
        The schedule.

    Raises:
        InvalidScheduleError: A value is outside its range.

    Source:
        fastai, callback/schedule.py, `fine_tune`.

    Examples:
        >>> from stepsize import dialects
        >>> s = dialects.fastai.fine_tune_momentum(2, n_iter=100)
        >>> [round(s(t), 6) for t in (0, 99, 100, 160)]
        [0.95, 0.85, 0.95, 0.85]
    """
    frozen = count(freeze_epochs, "fine_tune_momentum.freeze_epochs")
    later = fit_one_cycle_momentum(
        epochs, pct_start=pct_start, moms=moms, n_iter=n_iter
    )
    if not frozen:
        return later
    first = fit_one_cycle_momentum(frozen, pct_start=0.99, moms=moms, n_iter=n_iter)
    return join(first, later, at=[frozen * n_iter])


def _peak(rate: float | None, base_lr: float, owner: str, name: str) -> float:
    if rate is None:
        return base_rate(base_lr, owner)
    return number(rate, f"{owner}.{name}", open_low=True, unit="lr")


def _steps(n_epoch: int, n_iter: int | None, owner: str) -> int | None:
    epochs = count(n_epoch, f"{owner}.n_epoch", low=1)
    if n_iter is None:
        return None
    return epochs * count(n_iter, f"{owner}.n_iter", low=1)
