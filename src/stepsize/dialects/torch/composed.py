"""torch's SequentialLR and ChainedScheduler."""
# ruff: noqa: N802 - the names are the peer's

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from stepsize.dialects._parts import count, rate, times
from stepsize.dialects.torch.functions import LAMBDA, MULTIPLICATIVE, RunningProduct
from stepsize.errors import InvalidScheduleError, describe
from stepsize.schedules.cycles import is_elastic
from stepsize.schedules.joins import faithful as marked
from stepsize.schedules.joins import join
from stepsize.schedules.phases import hold
from stepsize.schedules.schedule import Chain, Phase, Scaled, Schedule, scaled


def SequentialLR(
    schedulers: Sequence[Schedule],
    milestones: Sequence[int],
    *,
    base_lr: float = 1.0,
    faithful: bool = False,
) -> Schedule:
    """Let schedulers take over from each other, each from its own step 0.

        lr(t) = schedulers[i](t - milestones[i-1])  milestones[i-1] <= t < milestones[i]

    Children are given without a base rate: `base_lr` multiplies them. It leaves alone
    what has rates of its own: CyclicLR and OneCycleLR (a sum, and knots with lines or
    cosines between them), and `eta_min`. A MultiplicativeLR that takes over multiplies
    the rate it finds, at once by lr_lambda(0), as in the peer.

    The constructors of the peer's OneCycleLR and CyclicLR rewrite the optimizer's
    rates: beside a OneCycleLR the first child runs at max_lr / div_factor times its
    factor, and what follows a CyclicLR takes its base_lr for base rate. Here they do
    not, unless `faithful`.

    Args:
        schedulers: At least one, made by the functions of this module.
        milestones: Steps at which the second and the later ones begin, in order. Unit:
            updates; ints >= 0.
        base_lr: Rate of the optimizer. Unit: lr; finite, >= 0.
        faithful: Whether OneCycleLR and CyclicLR change the base rate of the others.

    Returns:
        The schedule; it ends with its last child.

    Raises:
        InvalidScheduleError: A value is outside its range, or is no schedule.

    Source:
        torch 2.13, torch.optim.lr_scheduler.SequentialLR.

    Examples:
        >>> from stepsize import dialects
        >>> dialects.torch.SequentialLR(
        ...     [
        ...         dialects.torch.LinearLR(start_factor=0.1, total_iters=5),
        ...         dialects.torch.CosineAnnealingLR(T_max=20),
        ...     ],
        ...     milestones=[5],
        ...     base_lr=0.1,
        ... )
        0.1 * join(warmup(5, start=0.1), decay(20, shape="cosine"), at=[5])
    """
    owner = "SequentialLR"
    children = _children(schedulers, owner)
    base = rate(base_lr, f"{owner}.base_lr")
    points = [count(m, f"{owner}.milestones") for m in milestones]
    if len(points) != len(children) - 1 or any(b < a for a, b in pairwise(points)):
        rule = f"be {len(children) - 1} steps in order, one less than schedulers"
        raise InvalidScheduleError(describe(f"{owner}.milestones", rule, milestones))
    if faithful and _kind(children[0]) == "sum":
        base = children[0](0)
    first_base = base
    if faithful and not _overwrites(children[0]):
        cycles = [child for child in children if _kind(child) == "knots"]
        own = [child for child in cycles if _own_rates(child)]
        first_base = own[-1](0) if own else base
    plain = not any(map(_own_rates, children)) and first_base == base
    later = children[1:]
    for child in later:
        if _kind(child) == "table":
            rule = "not be tabulated where it takes over: it multiplies the rate found"
            hint = "leave total_steps of MultiplicativeLR out"
            message = describe(f"{owner}.schedulers", rule, child, hint=hint)
            raise InvalidScheduleError(message)
    if plain and not any(map(_is_multiplicative, later)):
        result = children[0] if not later else join(*children, at=points)
        result = times(base, result) if not _has_own(result) else based(result, base)
    else:
        parts: list[Schedule] = [based(children[0], first_base)]
        for index, (child, point) in enumerate(zip(later, points, strict=True)):
            if _is_multiplicative(child) and point:
                so_far = _joined(parts, points[:index])
                parts.append(_multiplied(child, so_far(point - 1)))
            else:
                parts.append(based(child, base))
        result = _joined(parts, points)
    return marked(result) if faithful else result


def ChainedScheduler(
    schedulers: Sequence[Schedule], *, base_lr: float = 1.0
) -> Schedule:
    """Apply schedulers one on top of the other.

        lr(t) = base_lr * schedulers[0](t) * schedulers[1](t) * ...

    In the peer this holds for children that multiply the rate they find. LambdaLR,
    CosineAnnealingWarmRestarts, CyclicLR and OneCycleLR overwrite it: one of them in
    the last place makes the others vain, here too (but for the rate at t = 0 of a
    CyclicLR, for which the peer takes base_lr). In another place, or with an `eta_min`
    or a SequentialLR, the peer mixes steps of one with values of the other; that is
    refused. `a * b` is the product of any two schedules.

    Args:
        schedulers: At least one, made by the functions of this module.
        base_lr: Rate of the optimizer. Unit: lr; finite, >= 0.

    Returns:
        The schedule, endless if a child that counts is.

    Raises:
        InvalidScheduleError: A value is outside its range, or children do not chain.

    Source:
        torch 2.13, torch.optim.lr_scheduler.ChainedScheduler.

    Examples:
        >>> from stepsize import dialects
        >>> dialects.torch.ChainedScheduler(
        ...     [dialects.torch.ConstantLR(0.5, 2), dialects.torch.ExponentialLR(0.5)]
        ... )(range(4))
        [0.5, 0.25, 0.25, 0.125]
    """
    owner = "ChainedScheduler"
    children = _children(schedulers, owner)
    base = rate(base_lr, f"{owner}.base_lr")
    if len(children) == 1 or _overwrites(children[-1]):
        return based(children[-1], base)
    for child in children:
        if _overwrites(child) or _kind(child) == "join" or _absolute(child):
            rule = "multiply the rate they find, or the last one overwrite it"
            hint = "multiply the schedules: a * b"
            message = describe(f"{owner}.schedulers", rule, child, hint=hint)
            raise InvalidScheduleError(message)
    if any(map(is_elastic, children)):
        # a product is as long as what has a length: let that go on
        children = [c if is_elastic(c) else c >> hold() for c in children]
    result = children[0]
    for child in children[1:]:
        result = result * child
    return times(base, result)


def based(child: Schedule, base: float) -> Schedule:
    """Return a child with a base rate; its own rates stay."""
    if not _has_own(child):
        return scaled(base, child) if base or _absolute(child) else times(base, child)
    part = _phase(child)
    if part.kind == "faithful":
        return marked(based(part.operands[0], base))
    if part.kind == "join" and not isinstance(child, Scaled):
        return join(*(based(one, base) for one in part.operands), at=part["at"])
    return child


def _children(schedulers: Sequence[Schedule], owner: str) -> list[Schedule]:
    children = list(schedulers)
    if not children or not all(isinstance(child, Schedule) for child in children):
        rule = "be at least one schedule, not resolved yet"
        raise InvalidScheduleError(describe(f"{owner}.schedulers", rule, schedulers))
    return children


def _joined(parts: list[Schedule], points: list[int]) -> Schedule:
    return parts[0] if len(parts) == 1 else join(*parts, at=points)


def _multiplied(child: Schedule, found: float) -> Schedule:
    part = _phase(child)
    product: RunningProduct = part["function"]
    return times(found * float(product.function(0)), part)


def _phase(schedule: Schedule) -> Phase:
    """Return the phase of a schedule, the first of a chain."""
    if isinstance(schedule, Chain):
        return _phase(schedule.parts[0])
    if isinstance(schedule, Scaled):
        return schedule.part
    if not isinstance(schedule, Phase):  # pragma: no cover - three classes only
        raise TypeError(type(schedule).__name__)
    return schedule


def _kind(schedule: Schedule) -> str:
    part = _phase(schedule)
    return _kind(part.operands[0]) if part.kind == "faithful" else part.kind


def _own_rates(schedule: Schedule) -> bool:
    """Whether it is what CyclicLR or OneCycleLR return."""
    part = _phase(schedule)
    if part.kind in ("faithful", "skip"):
        return _own_rates(part.operands[0])
    if part.kind == "join" and not isinstance(schedule, Scaled):
        return all(map(_own_rates, part.operands))
    return part.kind == "sum" or (part.kind == "knots" and part["pieces"] != "step")


def _has_own(schedule: Schedule) -> bool:
    part = _phase(schedule)
    if part.kind in ("faithful", "join"):
        return any(map(_has_own, part.operands))
    return _own_rates(schedule)


def _is_multiplicative(schedule: Schedule) -> bool:
    part = _phase(schedule)
    return part.kind == "opaque" and str(part["name"]).startswith(MULTIPLICATIVE)


def _overwrites(schedule: Schedule) -> bool:
    part = _phase(schedule)
    by_name = part.kind == "opaque" and str(part["name"]).startswith(LAMBDA)
    restarts = part.kind == "repeat"
    return by_name or restarts or _own_rates(schedule)


def _absolute(schedule: Schedule) -> bool:
    """Whether it has an `eta_min` or `swa_lr`."""
    part = _phase(schedule)
    if part.kind in ("faithful", "repeat", "join"):
        return any(map(_absolute, part.operands))
    return any(name == "to_lr" and value is not None for name, value in part.args)
