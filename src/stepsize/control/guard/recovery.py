"""What a guard does about harm: how far back, and how much lower the rate.

Every function takes what the guard remembers and returns a new one, with the changes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from stepsize.control.guard.statistics import doubt, level, noise
from stepsize.control.guard.watching import LONG, SHORT
from stepsize.control.policies.policy import Change, Decision, Observation

if TYPE_CHECKING:
    from stepsize.control.guard.guard import Guard

SOURCE = "guard"
LATELY = 1000
"""Updates over which rollbacks are counted as recent."""

_STILL = 0.35
"""How far, in norms of the weights, 20 updates at a usable rate move them: measured
runs at their best rates moved by 0.15 to 0.9."""

_LEAST_FIRST, _LEAST_NEXT, _MOST_NEXT = 0.01, 0.1, 0.3
_RAISED = 2.0  # a rate so many times the proven one has been raised since
_ESTABLISHED = 2  # snapshots proven good since the rate was last changed
_SETTLED = 15  # updates after a rewind in which harm done by a raised rate would recur
_GIVEN = 100  # updates after a cut is given back in which harm makes it final

_AFRESH: Mapping[str, Any] = {
    "recent": [],
    "calm": [],
    "best": {},
    "level": None,
    "top": None,
    "suspect": 0,
    "age": 0,
    "moved": 0.0,
    "soon": None,
    "pending": [],
    "check": None,
}
"""What a guard remembers of a branch of the run; a rewind begins another one."""


def afresh() -> dict[str, Any]:
    """Return what is remembered of a branch before its first loss."""
    return {
        key: value.copy() if isinstance(value, (list, dict)) else value
        for key, value in _AFRESH.items()
    }


def recover(
    guard: Guard, memory: dict[str, Any], seen: Observation, *, kind: str, why: str
) -> Decision:
    """Go back to a snapshot, at a lower rate if that is to blame; or give up.

    Args:
        guard: The limits.
        memory: What it remembers; a copy.
        seen: The observation.
        kind: "nonfinite", "harm" or "start".
        why: The reason, in words.
    """
    update = seen.update
    recently = [time for time in memory["times"] if time > update - LATELY]
    target = _target(guard, memory, seen, kind)
    if guard.mode == "observe":
        return _only_note(memory, seen, kind, why)
    if (
        target is None
        or memory["rollbacks"] >= guard.most
        or len(recently) >= guard.most_lately
    ):
        return _give_up(memory, target, guard.clock, why)
    cut = _cut(guard, memory, seen, kind=kind, target=target)
    changes = [rewind(target, guard.clock, why)]
    if cut < 1:
        changes.append(scale(cut, why))
    new = _after(memory, seen, kind=kind, target=target, cut=cut)
    new["times"] = [*recently, update]
    if new["back"] is not None:
        wait = guard.give_back_after
        if _raised(memory, seen):
            wait = min(wait, _SETTLED)  # it is given back when the rate is lower again
        new["back"] = {**new["back"], "after": update + wait}
    return new, tuple(changes)


def _target(
    guard: Guard, memory: dict[str, Any], seen: Observation, kind: str
) -> int | None:
    """Return the snapshot to go back to."""
    good, first = list(memory["good"]), memory["first"]
    if first is not None and (kind == "start" or not good or _bad_from_start(memory)):
        return int(first)
    if not good:
        return None
    again = seen.update - memory["last"] < 2 * guard.snapshot_every
    if again and memory["base"] == good[-1] and len(good) > 1:
        return int(good[-2])
    return int(good[-1])


def _bad_from_start(memory: Mapping[str, Any]) -> bool:
    """Whether the one snapshot that passed for good is of a run that overshot."""
    if memory["proven_count"] >= _ESTABLISHED or memory["base"] != memory["first"]:
        return False
    if memory["soon"] is not None and memory["soon"] > 12 * _STILL:
        return True
    best = memory["best"].get(str(SHORT))
    if best is None or memory["top"] is None:
        return False
    begin = memory["begin"]
    return bool(memory["top"] - begin > 2 * max(begin - best, 0.0))


def _cut(
    guard: Guard,
    memory: Mapping[str, Any],
    seen: Observation,
    *,
    kind: str,
    target: int,
) -> float:
    """Return the factor on the rate; 1.0: the rate is not to blame."""
    untouched = memory["factor"] == 1
    raised = _raised(memory, seen)
    again = seen.update - memory["last"] < 2 * guard.snapshot_every
    cut = guard.factor
    sudden = kind == "nonfinite" and memory["stable"] and _sudden(memory["recent"])
    if sudden and not raised and not again:
        return 1.0
    if target == memory["first"] and memory["soon"]:
        wanted = _STILL / memory["soon"]
        low = min(_LEAST_FIRST if untouched else _LEAST_NEXT, guard.factor)
        high = guard.factor if untouched else max(_MOST_NEXT, guard.factor)
        cut = min(max(wanted, low), high)
    if raised:
        cut = min(cut, memory["proven"] / seen.rate)
    return float(cut)


def _raised(memory: Mapping[str, Any], seen: Observation) -> bool:
    """Whether the rate was raised, by the schedule or a person, since it was proven."""
    proven = memory["proven"]
    return bool(proven > 0 and seen.rate > _RAISED * proven)


def _sudden(recent: list[float]) -> bool:
    """Whether the last losses before a step that broke were like those before them."""
    if len(recent) <= SHORT:
        return False
    before = recent[-SHORT:-2]
    return max(recent[-2:]) <= max(before) + 3 * noise(before)


def _established(memory: Mapping[str, Any]) -> bool:
    return bool(memory["stable"] >= _ESTABLISHED)


def _after(
    memory: dict[str, Any], seen: Observation, *, kind: str, target: int, cut: float
) -> dict[str, Any]:
    """Return what is remembered after a rewind."""
    update, recent = seen.update, memory["recent"]
    now = memory["marks"].get(str(target))
    new = {**memory, **afresh(), "base": target, "since": update, "last": update}
    new["rollbacks"] = memory["rollbacks"] + 1
    new["factor"] = memory["factor"] * cut
    new["good"] = [label for label in memory["good"] if label <= target]
    if now is not None:
        new["best"], new["calm"] = {str(SHORT): now}, memory["calm"]
    if target == memory["first"]:
        new["proven_count"] = 0
    if kind == "harm" and now is not None and recent:
        harmed = level(recent[-SHORT:])
        new["check"] = {"before": now, "harmed": harmed, "cut": cut, "seen": []}
        new["check"]["stable"] = memory["stable"]
    new["trial"] = None
    if kind == "start" and memory["factor"] == 1 and memory["trial"] is None:
        new["trial"] = {
            "label": update,
            "age": memory["age"],
            "level": level(recent[-SHORT:]),
            "error": doubt(recent[-LONG:], SHORT),
            "cut": cut,
        }
    if cut < 1:
        new["stable"] = 0
        sudden = kind == "nonfinite" and memory["stable"] > 0
        to = None
        if (_established(memory) or sudden) and update - memory["given"] > _GIVEN:
            to = memory["factor"]
        elif memory["back"] is not None:
            to = memory["back"]["to"]
        new["back"] = None if to is None else {"after": update, "to": to}
    return new


def check_data(memory: dict[str, Any], loss: float) -> tuple[Change, ...]:
    """Look at the first losses after a rewind: as bad, then the data are to blame.

    The weights are those that were good. If four losses in a row, at the lower rate,
    are nearer to the harm than to what the snapshot had, the rate is given back, and
    the present level is the new normal.
    """
    check = memory["check"]
    losses = [*check["seen"], loss]
    middle = (check["before"] + check["harmed"]) / 2
    if check["harmed"] <= check["before"] or loss <= middle:
        memory["check"] = None
        return ()
    if len(losses) < 4:  # noqa: PLR2004 - one may be chance
        memory["check"] = {**check, "seen": losses}
        return ()
    shift = check["harmed"] - check["before"]
    memory |= {"check": None, "best": {}, "calm": [], "suspect": 0, "back": None}
    memory["begin"] += shift
    why = (
        f"good weights have a loss of {level(losses):.4g} too: the data have changed, "
        "or the objective; the rate is not to blame"
    )
    if check["cut"] == 1:
        return (note(why),)
    memory |= {"factor": memory["factor"] / check["cut"], "stable": check["stable"]}
    return (scale(1 / check["cut"], why),)


def end_trial(
    guard: Guard, memory: dict[str, Any], seen: Observation
) -> Decision | None:
    """Compare a new start with the one it replaced, after as many updates.

    Returns:
        If it is clearly worse, the way back to the first one; else None.
    """
    trial = memory["trial"]
    recent = memory["recent"]
    if memory["age"] < trial["age"] or len(recent) < SHORT:
        return None
    now, error = level(recent[-SHORT:]), doubt(recent[-LONG:], SHORT)
    memory["trial"] = None
    if now - trial["level"] <= 3 * (error + trial["error"]):
        return None
    why = f"the lower rate is at {now:.4g} where the other was at {trial['level']:.4g}"
    new = {**memory, **afresh(), "base": trial["label"], "since": seen.update}
    new["tried"] = True
    new["factor"] = memory["factor"] / trial["cut"]
    return new, (
        rewind(trial["label"], guard.clock, why),
        scale(1 / trial["cut"], why),
    )


def give_back(
    guard: Guard, memory: dict[str, Any], seen: Observation
) -> tuple[Change, ...]:
    """Give a cut back once the run has been clean for a while at a proven rate."""
    back = memory["back"]
    if back is None or seen.update < back["after"] or memory["suspect"]:
        return ()
    factor = back["to"] / memory["factor"]
    if seen.rate * factor > 1.5 * memory["proven"]:
        return ()
    memory |= {"back": None, "factor": back["to"], "given": seen.update}
    why = f"clean for {seen.update - memory['last']} updates since the rewind"
    return (scale(factor, why, guard.over),)


def _only_note(
    memory: dict[str, Any], seen: Observation, kind: str, why: str
) -> Decision:
    """Say what would have been done, and be quiet until there is a new normal."""
    broken = None
    if kind == "nonfinite":
        broken = "weights" if seen.metrics.get("nonfinite") else "loss"
        if memory["broken"]:
            return memory, ()
    new = {**memory, **afresh(), "good": memory["good"], "noted": memory["noted"] + 1}
    new["begin"] = None
    new["broken"] = broken
    return new, (note(f"would go back to a snapshot: {why}"),)


def _give_up(
    memory: dict[str, Any], target: int | None, clock: str, why: str
) -> Decision:
    count = memory["rollbacks"]
    if target is None:
        text = f"no snapshot to go back to ({why})"
    elif memory["factor"] < _LEAST_FIRST:
        text = (
            f"{count} rollbacks and {memory['factor']:.3g} times the rate did not help "
            f"({why}): it is not the rate. Look at the data of these updates, at "
            "precision (overflow, loss scale) and hardware; structural cures are QK "
            "norm, z-loss, a warmup of the new layers, or a larger epsilon"
        )
    else:
        text = (
            f"{count} rollbacks did not help ({why}). Start again with a peak rate of "
            f"at most {memory['factor']:.3g} times this one, or a longer warmup; if "
            "that fails too, look at the data, precision and hardware"
        )
    changes = [note(f"gives up: {text}")]
    if target is not None:
        changes.insert(0, rewind(target, clock, why))
    return {**memory, **afresh(), "gave_up": text}, tuple(changes)


def rewind(label: int, clock: str, why: str) -> Change:
    """Ask to go back to a snapshot."""
    values: dict[str, float | str | None] = {
        "to": label,
        "snapshot": label,
        "clock": clock,
    }
    return Change(kind="rewind", values=values, reason=why, source=SOURCE)


def scale(factor: float, why: str, over: int = 0) -> Change:
    """Ask for another rate."""
    values: dict[str, float | str | None] = {"factor": factor, "over": over}
    return Change(kind="scale", values=values, reason=why, source=SOURCE)


def note(why: str) -> Change:
    """Say something without effect."""
    return Change(kind="note", values={}, reason=why, source=SOURCE)
