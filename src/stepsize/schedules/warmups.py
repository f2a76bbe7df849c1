"""Warmups that need no length: factors that approach 1 by Adam's own time scale.

Each is a phase without end, meant as a factor: `schedule * exponential_warmup(2000)`.
"""

from __future__ import annotations

import math

from stepsize.errors import InvalidScheduleError, describe
from stepsize.schedules.arguments import number
from stepsize.schedules.curve import Leaf, Piece
from stepsize.schedules.drops import formula_to_the_end
from stepsize.schedules.kinds import Kind
from stepsize.schedules.layout import Laid, Place
from stepsize.schedules.phase_curves import measure
from stepsize.schedules.phases import Duration, timing, warmup
from stepsize.schedules.schedule import Phase

SERIES = 0.25
"""Up to this s ln(1 / beta2) five terms of RAdam's series are exact to 1e-13."""


def exponential_warmup(
    timescale: float,
    steps: Duration = None,
    *,
    weight: float = 1.0,
    fixed: bool = False,
) -> Phase:
    """Approach the value that was handed over, exponentially.

        value(d) = entry * (1 - exp(-(d + 1) / timescale))

    Args:
        timescale: Updates after which 63 % are reached; finite, > 0. 1 / (1 - beta2)
            of Adam is the untuned choice of the source.
        steps: How long. Unit: updates, or a text with a unit; None takes what is left.
        weight: Share of what is left, among elastic phases; > 0.
        fixed: Whether a stretched cycle leaves the length alone.

    Returns:
        The phase; its exit is the value at d = steps.

    Raises:
        InvalidScheduleError, UnitError: A value is outside its range.

    Source:
        Ma & Yarats 2021, arXiv:1910.04209, "untuned exponential warmup".

    Examples:
        >>> import stepsize as ss
        >>> round(ss.exponential_warmup(1.0)(0), 3)
        0.632
    """
    tau = number(timescale, "exponential_warmup.timescale", open_low=True)
    timed = timing("exponential_warmup", steps, weight, fixed=fixed)
    return Phase("exponential_warmup", (), (("timescale", tau), *timed))


def radam_warmup(
    beta2: float = 0.999,
    steps: Duration = None,
    *,
    weight: float = 1.0,
    fixed: bool = False,
) -> Phase:
    """Rise as the variance rectification term of RAdam does.

    With f = 2 / (1 - beta2) - 1, r(s) = f - 2 s beta2^s / (1 - beta2^s), and s counted
    from the first step with r(s) > 4 (where the term is defined):

        value(d) = entry * sqrt((r - 4) (r - 2) f / ((f - 4) (f - 2) r))

    Args:
        beta2: Of Adam; in (0.6, 1), where f > 4.
        steps: How long. Unit: updates, or a text with a unit; None takes what is left.
        weight: Share of what is left, among elastic phases; > 0.
        fixed: Whether a stretched cycle leaves the length alone.

    Returns:
        The phase; its exit is the value at d = steps.

    Raises:
        InvalidScheduleError, UnitError: A value is outside its range.

    Source:
        Liu et al. 2020, arXiv:1908.03265, section 4; as a warmup: Ma & Yarats 2021,
        arXiv:1910.04209.

    Examples:
        >>> import stepsize as ss
        >>> [round(ss.radam_warmup(0.99)(d), 3) for d in (0, 50, 500)]
        [0.054, 0.478, 0.983]
    """
    beta = _beta2(beta2, "radam_warmup.beta2")
    if 2 / (1 - beta) - 1 <= 4:  # noqa: PLR2004 - as in the formula
        rule = "be above 0.6, where the term is defined"
        raise InvalidScheduleError(describe("radam_warmup.beta2", rule, beta2))
    timed = timing("radam_warmup", steps, weight, fixed=fixed)
    return Phase("radam_warmup", (), (("beta2", beta), *timed))


def untuned_warmup(beta2: float = 0.999) -> Phase:
    """Warm up linearly over 2 / (1 - beta2) updates: the default when nothing is known.

        value(d) = entry * min(1, (d + 1) * (1 - beta2) / 2)

    Args:
        beta2: Of Adam; in (0, 1).

    Returns:
        A `warmup` of round(2 / (1 - beta2)) - 1 updates, the peak coming next.

    Raises:
        InvalidScheduleError: `beta2` is outside its range.

    Source:
        Ma & Yarats 2021, arXiv:1910.04209, "untuned linear warmup".

    Examples:
        >>> import stepsize as ss
        >>> ss.untuned_warmup(0.95)
        warmup(39)
    """
    steps = round(2 / (1 - _beta2(beta2, "untuned_warmup.beta2")))
    return warmup(max(steps - 1, 1))


def _beta2(value: object, field: str) -> float:
    beta = number(value, field, high=1.0, open_low=True)
    if beta == 1:
        raise InvalidScheduleError(describe(field, "be a finite number < 1", value))
    return beta


def rectified_from(beta2: float) -> int:
    """Return the first step (counted from 1) at which RAdam's term is defined."""
    final = 2 / (1 - beta2) - 1
    s = 1
    while final - 2 * s * beta2**s / (1 - beta2**s) <= 4:  # noqa: PLR2004 - as above
        s += 1
    return s


def _lower_exponential(phase: Phase, place: Place) -> Laid:
    numbers = (place.entry, phase["timescale"])
    return formula_to_the_end(Leaf("exponential_rise", place.begin, numbers), place)


def _lower_radam(phase: Phase, place: Place) -> Laid:
    beta2, entry, begin = phase["beta2"], place.entry, place.begin
    offset, log_rate = rectified_from(beta2), -math.log(beta2)
    final = 2 / (1 - beta2) - 1
    scale = final / ((final - 4) * (final - 2))
    late = Leaf("radam", begin, (entry, offset, final, log_rate, scale))
    laid = formula_to_the_end(late, place)
    switch = begin + max(math.floor(SERIES / log_rate) - offset, 0)
    if not laid.pieces or switch <= begin:
        return laid
    shift = final - 4 - 2 / log_rate
    early = Leaf("radam-start", begin, (entry, offset, shift, log_rate, scale))
    if place.stop is not None and place.stop <= switch:
        return Laid([Piece(begin, early)], early.at(place.stop))
    return Laid([Piece(begin, early), Piece(switch, late)], laid.exit)


KINDS = {
    "exponential_warmup": Kind(
        build=exponential_warmup, measure=measure, lower=_lower_exponential
    ),
    "radam_warmup": Kind(build=radam_warmup, measure=measure, lower=_lower_radam),
}
