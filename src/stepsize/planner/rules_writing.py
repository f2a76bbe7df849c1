"""Rules of the linter on what was written: jumps, scales, units, what stays kept."""

from __future__ import annotations

from collections.abc import Iterator

from stepsize.planner.findings import Finding, finding
from stepsize.planner.places import Placed
from stepsize.planner.survey import Survey, count, number, phases
from stepsize.schedules.durations import of as duration_of
from stepsize.schedules.schedule import Scaled, Schedule, leading_scale, parts_of

JUMP = 2.0
"""Factor between neighbouring updates from which a change is a jump."""
WORTH = 0.02
"""Share of the peak below which no change is one."""
RISES = frozenset({"warmup", "exponential_warmup", "radam_warmup", "knots", "table"})
"""Phases whose first value differs from the one they are handed."""
SMALL, LARGE = 0.01, 100.0
"""Scales in the middle of a chain that nobody writes on purpose."""


def jumps(s: Survey) -> Iterator[Finding]:
    """SS401, SS402: jumps between neighbouring updates that no phase declares."""
    worst: dict[str, tuple[float, int, float, float]] = {}
    for step in _suspects(s):
        before, after = s.rate(step - 1), s.rate(step)
        if abs(after - before) <= WORTH * s.peak:
            continue
        low, high = min(before, after), max(before, after)
        size = high / low if low else float("inf")
        code = "SS401" if after > before else "SS402"
        if size > JUMP and size > worst.get(code, (0.0,))[0]:
            worst[code] = (size, step, before, after)
    for code, (_, step, before, after) in sorted(worst.items()):
        word = "rises" if code == "SS401" else "drops"
        yield finding(
            code,
            f"the rate {word} from {number(before)} to {number(after)} between updates "
            f"{step - 1} and {step}",
            "`a >> b` hands a's last value to b; join starts b anew. If it is meant, "
            "say so with jump(to=...) or jump(to_lr=...)",
            span=(step, step + 1),
        )


def _suspects(s: Survey) -> Iterator[int]:
    """Give the updates where a jump would not have been declared."""
    last = int(s.steps[-1])
    previous: dict[tuple[str, ...], Placed] = {}
    for p in s.on_the_run():
        before = previous.get(p.within) if p.index else None
        previous[p.within] = p
        begin, stop = p.begin, min(last + 1, p.stop if p.stop is not None else last + 1)
        if p.phase.kind == "opaque":
            yield from range(max(begin, 1), min(stop, begin + 100_000))
        elif p.phase.kind == "join":
            for point in p.phase["at"]:
                step = begin + round(s.horizon.updates(duration_of(point)))
                if 0 < step <= last and not _restarts(s, step):
                    yield step
        elif (
            p.phase.kind in RISES
            and p.factor == 1
            and 0 < begin <= last
            and (before is not None and before.phase.kind != "jump")
        ):
            yield begin


def _restarts(s: Survey, step: int) -> bool:
    """Whether a rise goes back to a rate that was there before: a restart."""
    earlier = s.rates[s.steps < step]
    return bool(s.rate(step) > s.rate(step - 1)) and bool(
        earlier.max() >= s.rate(step) * (1 - 1e-9)
    )


def scales(s: Survey) -> Iterator[Finding]:
    """SS403: a scale that is applied twice."""
    for inner in _chains(s.schedule):
        parts = parts_of(inner)
        first = leading_scale(inner)
        for part in parts[1:]:
            if not isinstance(part, Scaled):
                continue
            again = part.factor == first and first < 1
            if again or not SMALL <= part.factor <= LARGE:
                yield _twice(
                    f"{part} is handed a rate and multiplies it again by "
                    f"{number(part.factor)}",
                    "write the scale once, in front",
                )
    for phase in phases(s.schedule):
        if phase.kind == "product":
            a, b = map(leading_scale, phase.operands)
            if a == b and a < 1:
                yield _twice(
                    f"both sides of the product are scaled by {number(a)}: the peak is "
                    f"{number(a * b)}",
                    "write the scale on one side",
                )
    if s.base_lr is not None and s.base_lr != 1:
        own = s.peak / s.base_lr
        if abs(own - s.base_lr) <= 1e-9 * s.base_lr:
            yield _twice(
                f"the schedule's own peak is {number(own)} and it multiplies a base_lr "
                f"of {number(s.base_lr)}",
                "leave base_lr out for a schedule of absolute rates",
            )


def _twice(sentence: str, hint: str) -> Finding:
    return finding("SS403", sentence, hint)


def _chains(schedule: Schedule) -> Iterator[Schedule]:
    yield schedule
    for phase in phases(schedule):
        yield from phase.operands


def units(s: Survey) -> Iterator[Finding]:
    """SS501, SS502: epochs that were written where updates are meant."""
    total, each = s.total, s.horizon.steps_per_epoch
    if total is None or each is None:
        return
    if total < each:
        if total <= FEW:
            yield finding(
                "SS502",
                f"the run has {count(total)}, less than one epoch of "
                f"{count(float(each))}",
                f"if {total} are epochs: Horizon(epochs={total}, "
                f"steps_per_epoch={each:g})",
                span=(0, total),
            )
        return
    epochs = s.horizon.epochs or total / each
    reach, kind = _reach(s.schedule)
    if not reach or reach > each or epochs < 2:  # noqa: PLR2004 - nothing to mistake
        return
    whole = epochs / 4 <= reach <= 1.1 * epochs and kind != "warmup"
    short_warmup = (
        kind == "warmup" and 2 <= reach <= min(20, epochs / 2) and each >= 100  # noqa: PLR2004 - as described on the page
    )
    if whole or short_warmup:
        yield finding(
            "SS501",
            f"the lengths written as updates reach to update {reach:g}, inside the "
            f"first epoch of {each:g}, in a run of {epochs:g} epochs: were epochs "
            "meant?",
            f'an int is updates; write "{reach:g} epochs"',
            span=(0, int(reach)),
        )


FEW = 1000
"""Updates up to which a number may be one of epochs."""


def _reach(schedule: Schedule) -> tuple[float, str]:
    """Return how far plain numbers of updates reach, and whether only as a warmup."""
    fixed, furthest, kinds = 0.0, 0.0, set()
    for phase in phases(schedule):
        for name, value in phase.args:
            if name in {"steps", "every", "timescale"} and isinstance(value, int):
                kinds.add(phase.kind)
                if name == "steps":
                    fixed += value
                else:
                    furthest = max(furthest, value)
            elif name in {"milestones", "at"}:
                plain = [point for point in value if isinstance(point, int)]
                if plain:
                    kinds.add(phase.kind)
                    furthest = max(furthest, *plain, 0)
            elif name == "points":
                plain = [x for x, _ in value if not isinstance(x, str)]
                if plain:
                    kinds.add(phase.kind)
                    furthest = max(furthest, *plain, 0)
    only_warmup = kinds == {"warmup"}
    return max(fixed, furthest), "warmup" if only_warmup else "any"


def keeping(schedule: Schedule) -> Iterator[Finding]:
    """SS701, SS702: schedules that break laws, or cannot be read back."""
    if not schedule.lawful:
        yield finding(
            "SS701",
            "it reproduces a known defect of another library (faithful): it may rise "
            "after its end, or reach values that no rate can have",
            "leave faithful=True out, unless an old run is to be repeated",
        )
    names = sorted(
        {str(phase["name"]) for phase in phases(schedule) if phase.kind == "opaque"}
    )
    if names:
        yield finding(
            "SS702",
            f"it calls a function of yours ({', '.join(names)}): text, checkpoint and "
            "settings hold the name only",
            "reading it back needs parse(text, functions={name: function}); knots or "
            "table hold the values instead",
        )
