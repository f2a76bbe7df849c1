"""Phases of real lengths, entered anywhere: peers count samples, tokens, fractions.

`decay(5)` has whole updates. A peer whose decay takes 100 samples at 8 an update needs
12.5 of them; one whose batch grows enters a curve in the middle of an update. Here such
lengths are percentages of one cycle with real boundaries, exact to 28 digits.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from fractions import Fraction

from stepsize.schedules.combinators import skip
from stepsize.schedules.cycles import repeat
from stepsize.schedules.phases import hold
from stepsize.schedules.schedule import Schedule, chain

PLACES = 28
ZERO = Fraction(0)

Build = Callable[[int | str], Schedule]
"""Builds a phase from its length: updates, or a percentage as text."""


def lay(parts: Sequence[tuple[Build, Fraction]], ahead: Fraction = ZERO) -> Schedule:
    """Chain phases of real lengths and enter the chain in its middle.

    Args:
        parts: What builds each phase, and its length. Unit: updates; >= 0. A phase of
            length 0 is left out.
        ahead: Where the chain is entered. Unit: updates; >= 0.

    Returns:
        The schedule; it prints plain lengths where all of them are whole.
    """
    whole = math.ceil(ahead)
    kept = [(hold, whole - ahead), *parts] if whole != ahead else list(parts)
    kept = [(build, length) for build, length in kept if length]
    if not kept:
        return hold()
    if all(length.denominator == 1 for _, length in kept):
        laid = chain(*(build(int(length)) for build, length in kept))
    else:
        laid = _in_one_cycle(kept)
    return skip(laid, whole) if whole else laid


def _in_one_cycle(parts: Sequence[tuple[Build, Fraction]]) -> Schedule:
    """Chain the phases as percentages of a cycle, whole and long, that then holds.

    A whole length lets what comes next begin at an update.
    """
    used = sum((length for _, length in parts), ZERO)
    rest = math.ceil(used)
    whole = [*parts, (hold, rest - used)] if rest != used else parts
    shares = [(build, length / (2 * rest)) for build, length in whole]
    cycle = chain(*(build(_percent(share)) for build, share in shares), hold(rest))
    return repeat(cycle, 1, boundaries="real")


def _percent(share: Fraction) -> str:
    scaled = max(round(share * 100 * 10**PLACES), 1)
    whole, rest = divmod(scaled, 10**PLACES)
    return f"{whole}.{rest:0{PLACES}d}%"
