"""What a guard makes of the losses: is the run hurt, was it ever any good?

Two questions, each answered with a reason or with None. Nothing is done about it here.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from stepsize.control.guard.statistics import above, doubt, level, noise

SHORT, LONG = 12, 32
"""Losses in a level, a median; the short one sees what is gross, the long one what is
slight but stays."""

RECENT, CALM = 64, 48
"""Losses that are remembered; those of before, while nothing was suspicious."""

LEAST_CALM = 12
WAIT, FALLING = 8, 24
"""Updates that a level is suspicious before it is judged; and those in which a loss
that falls again by itself is left alone."""

CLEAR = {SHORT: 4.0, LONG: 5.0}
"""Standard deviations by which the losses must lie above the calm ones."""

YOUNG = 160
"""Updates in which a run may be found never to have been any good."""

_EARLY = 40  # updates: what the weights moved after more of them is less telling
_FAR, _VERY_FAR = 2.0, 8.0  # times `moved`


def harm_of(memory: dict[str, Any], harm: float) -> str | None:
    """Take the levels after a loss, and tell whether the run is hurt.

    With b the best level, l the present one, s the loss at the start: it is suspicious
    if l - b > harm * (s - b) for the level of 12 losses, or 0.4 times that for the
    level of 32. It is hurt if that has lasted for 8 updates, the loss does not fall
    again (for at most 24), and the losses of the level stand out from those before it
    all began by the rank-sum test.

    Args:
        memory: Of the guard; its levels and calm losses are replaced.
        harm: Share of what was gained so far.

    Returns:
        The reason, None if it is not hurt.
    """
    recent = memory["recent"]
    if len(recent) < SHORT:
        return None
    best = dict(memory["best"])
    last = sorted(recent[-4:])[1]
    why, suspicious = None, False
    for count, share in ((SHORT, harm), (LONG, 0.4 * harm)):
        if len(recent) < count:
            break
        name = str(count)
        now = level(recent[-count:])
        if count == SHORT:
            memory["level"] = now
        lowest = best.get(name)
        if lowest is None or now < lowest:
            best[name] = now
            continue
        gained = memory["begin"] - lowest
        if gained <= 0 or now - lowest <= share * gained:
            continue
        suspicious = True
        back = memory["level"] < lowest + 0.5 * (now - lowest)  # the long one lags
        if back:
            continue
        falls = last < lowest + 0.7 * (now - lowest) and memory["suspect"] < FALLING
        if falls or memory["suspect"] < WAIT or not _stands_out(memory, count):
            continue
        why = (
            f"the loss is at {now:.4g} (median of {count}), was at {lowest:.4g}, "
            f"and {memory['begin']:.4g} at the start"
        )
    memory["best"] = best
    memory["suspect"] = memory["suspect"] + 1 if suspicious else 0
    if not suspicious and len(recent) > SHORT:
        memory["calm"] = [*memory["calm"][1 - CALM :], recent[-1 - SHORT]]
    return why


def _stands_out(memory: Mapping[str, Any], count: int) -> bool:
    calm = sorted(memory["calm"])
    if len(calm) < LEAST_CALM:
        return False
    clear = CLEAR[count] * math.sqrt(len(calm) / CALM)
    return above(memory["recent"][-count:], calm) > clear


def never_good(memory: Mapping[str, Any], moved: float) -> str | None:
    """Tell whether a run has moved far and gained nothing since its start.

    Healthy runs that start slowly have moved little; those that overshoot at first fall
    again. D is how far the weights are from those at the start, in units of their norm.

    Args:
        memory: Of the guard.
        moved: D from which on nothing gained is a failure.

    Returns:
        The reason, None if it may still become good.
    """
    recent, begin, far = memory["recent"], memory["begin"], memory["moved"]
    age = memory["age"]
    if age > YOUNG or len(recent) < 16:  # noqa: PLR2004 - a level and some more
        return None
    now = level(recent[-SHORT:])
    before = level(recent[-2 * SHORT : -SHORT]) if len(recent) >= 2 * SHORT else None
    error = doubt(recent[-LONG:], SHORT)
    higher = min(recent[-SHORT:]) > begin
    falls = before is not None and _falls(now, before, begin, error)
    gain, excursion = begin - now, memory["top"] - begin
    old = age >= 3 * SHORT and before is not None and not falls
    late = max(1.0, age / _EARLY)  # weights of healthy runs move on and on
    # up and away, and back in part
    blown = age >= 3 * SHORT and excursion > (4 if falls else 2) * gain
    lost = -gain > max(8 * error, 3 * noise(recent[-LONG:])) and now >= (before or now)
    if (
        (far >= _VERY_FAR * moved and higher)
        or (far >= _FAR * moved and higher and not falls)
        or (far >= moved * late and gain < 3 * error and old)
        or (far >= 0.9 * moved * late and blown)
        or (far >= 0.4 * moved * late and lost and old)
    ):
        return (
            f"the weights have moved by {far:.3g} times their norm, the loss is at "
            f"{now:.4g} and was at {begin:.4g} at the start"
        )
    return None


def has_gained(memory: Mapping[str, Any]) -> bool:
    """Tell whether a run was good once: what hurts it came later.

    That is: two snapshots were proven since the start, and the best level lies below
    the first loss by more than its doubt.
    """
    best = memory["best"].get(str(SHORT))
    if memory["proven_count"] < 2 or best is None:  # noqa: PLR2004 - one may be chance
        return False
    return bool(memory["begin"] - best > 3 * doubt(memory["recent"], SHORT))


def _falls(now: float, before: float, begin: float, error: float) -> bool:
    if before > begin and now - begin < 0.6 * (before - begin):
        return True
    return now < begin and before - now > 3 * error


def clean(memory: Mapping[str, Any]) -> bool:
    """Tell whether the level is where it was at best, within a tenth of the gain."""
    now, best = memory["level"], memory["best"].get(str(SHORT))
    if now is None or best is None:
        return False
    gained = memory["begin"] - best
    return bool(now - best <= max(0.1 * gained, 4 * doubt(memory["recent"], SHORT)))
