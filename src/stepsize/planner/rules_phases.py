"""Rules of the linter on phases in their places: lengths, cycles, warmups."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import NamedTuple

from stepsize.planner.findings import Finding, finding
from stepsize.planner.places import Placed, cycle_length
from stepsize.planner.survey import Survey, count, number, phases
from stepsize.schedules.layout import Span, exact
from stepsize.schedules.schedule import Schedule, leading_scale

SHORT_CYCLE = 10
"""Updates below which a cycle is tiny."""
LONG_RUN = 100
"""Updates from which one update of warmup is too short to be meant."""
FINISHED = 0.1
"""Share of a cycle's peak below which it counts as finished where it is cut."""
MOST_CYCLES = 10_000


def too_long(s: Survey) -> Iterator[Finding]:
    """SS202: a schedule that needs more updates than there are."""
    if s.needed is None or s.total is None:
        return
    last = s.rate(s.total - 1)
    if s.needed <= s.total:
        yield finding(
            "SS202",
            "phases inside a cycle or an operand do not fit into its length and are "
            f"cut: the last update has a rate of {number(last)}",
            "make them shorter, or write their lengths in percent of the cycle",
            span=(s.total - 1, s.total),
        )
        return
    yield finding(
        "SS202",
        f"the phases need {float(s.needed):g} updates and the run has {s.total}: cut "
        f"there, the last update has a rate of {number(last)}",
        "leave the length of a phase out so that it takes what is left, or write "
        'lengths in percent, as in decay("20%")',
        span=(s.total - 1, s.total),
    )


def floors(s: Survey) -> Iterator[Finding]:
    """SS203, SS404: floors that are never reached, or lie above the peak."""
    base = s.base_lr or 1.0
    for p in s.on_the_run():
        if p.phase.kind == "clip" and not p.within:
            yield from _clip(s, p)
        to_lr = dict(p.phase.args).get("to_lr")
        if p.phase.kind == "decay" and to_lr is not None:
            before = float(s.rates[s.steps <= p.begin].max())
            if 0 < before < to_lr * base * (1 - 1e-9):
                yield finding(
                    "SS404",
                    f"the decay at update {p.begin} ends at {number(to_lr * base)}, "
                    f"above the highest rate before it, {number(before)}",
                    "to_lr is a rate, not a fraction: to=0.1 is a tenth of the entry",
                    span=(p.begin, _stop(s, p)),
                )
        if p.phase.kind == "maximum" and not p.within:
            yield from _maximum(s, p)


def _clip(s: Survey, p: Placed) -> Iterator[Finding]:
    base = s.base_lr or 1.0
    scale = leading_scale(p.phase.operands[0]) * p.factor
    if p.index:
        scale = leading_scale(s.schedule)
    low, low_lr = p.phase["low"], p.phase["low_lr"]
    floor = low_lr * base if low_lr is not None else (low or 0.0) * scale * base
    if not floor:
        return
    stop = _stop(s, p)
    inside = s.rates[(s.steps >= p.begin) & (s.steps < stop)]
    if low_lr is not None and low_lr > scale * (1 + 1e-9):
        yield finding(
            "SS404",
            f"the floor of {number(floor)} lies above the peak of "
            f"{number(scale * base)}",
            "low_lr is a rate, not a fraction: low=0.1 is a tenth of the peak",
            span=(p.begin, stop),
        )
    elif s.total is not None and len(inside) and inside.min() > floor * (1 + 1e-9):
        lowest = float(inside.min())
        yield finding(
            "SS203",
            f"the floor of {number(floor)} is never reached: the lowest rate is "
            f"{number(lowest)}",
            "decay faster or further, or leave the floor out",
            span=(p.begin, stop),
        )


def _maximum(s: Survey, p: Placed) -> Iterator[Finding]:
    """Find floors written as `maximum(schedule, lr * hold())`."""
    flat = [one for one in p.phase.operands if _is_flat(one)]
    if len(flat) != 1 or p.index:
        return
    base = p.factor * (s.base_lr or 1.0)
    floor = leading_scale(flat[0]) * base
    top = max(leading_scale(one) for one in p.phase.operands if one != flat[0]) * base
    stop = _stop(s, p)
    inside = s.rates[(s.steps >= p.begin) & (s.steps < stop)]
    if floor > top:
        yield finding(
            "SS404",
            f"the floor of {number(floor)} lies above the rest of maximum, whose peak "
            f"is {number(top)}",
            "lower the floor, or leave it out",
            span=(p.begin, stop),
        )
    elif s.total is not None and len(inside) and inside.min() > floor * (1 + 1e-9):
        yield finding(
            "SS203",
            f"the floor of {number(floor)} is never reached: the lowest rate is "
            f"{number(float(inside.min()))}",
            "decay faster or further, or leave the floor out",
            span=(p.begin, stop),
        )


def _is_flat(schedule: Schedule) -> bool:
    return all(phase.kind == "hold" for phase in phases(schedule))


def empty(s: Survey) -> Iterator[Finding]:
    """SS209: phases that get no update."""
    if s.needed is not None:
        return
    for p in s.placed:
        # what skip passes over lies before update 0, on purpose
        if p.phase.kind != "jump" and p.updates == 0 and p.begin >= 0:
            yield finding(
                "SS209",
                f"{_named(p)} at update {p.begin} gets no update"
                + (f" ({float(p.length):.2g} rounds to 0)" if p.length else ""),
                "give it a length in updates, or leave it out; what it hands on "
                "stays the same",
                span=(p.begin, p.begin),
            )


def warmups(s: Survey) -> Iterator[Finding]:
    """SS301 to SS303: warmups that are too long, or hardly there."""
    for p in s.on_the_run():
        if p.phase.kind != "warmup" or p.updates is None:
            continue
        n, span = p.updates, (p.begin, _stop(s, p))
        if s.total is not None and n >= s.total:
            yield finding(
                "SS301",
                f"the warmup takes {count(n)} and the run has {s.total}: the peak is "
                f"never reached, the highest rate is {number(s.peak)}",
                'write it as a share, as in warmup("5%"), or give the run more updates',
                span=span,
            )
        elif s.total is not None and 2 * n > s.total:
            yield finding(
                "SS302",
                f"the warmup takes {count(n)} of {s.total}, more than half of the run",
                'a few per cent are usual, as in warmup("5%")',
                span=span,
            )
        if n == 1 and (s.total is None or s.total >= LONG_RUN):
            yield finding(
                "SS303",
                "the warmup lasts a single update",
                "give it a few hundred updates, or leave it out; in epochs it is "
                'warmup("1 epoch")',
                span=span,
            )


class _Cycles(NamedTuple):
    first: Fraction
    stretch: Fraction
    n: int | None


def cycles(s: Survey) -> Iterator[Finding]:
    """SS206 to SS208: cycles cut off, longer than the run, or tiny."""
    for p in s.on_the_run():
        found = _cycles(s, p)
        if found is None or not found.first:
            continue
        stop = _stop(s, p)
        starts, ends = _bounds(p.start, found, stop)
        sizes = [end - start for start, end in zip(starts, ends, strict=True)]
        if s.total is not None and ends[0] > s.total:
            yield finding(
                "SS207",
                f"one cycle takes {float(found.first):g} updates and the run leaves "
                f"{stop - p.begin} for it: there is no restart",
                "make the cycle shorter, or let n cycles fill the run: leave the "
                "lengths in the cycle out and give n",
                span=(p.begin, stop),
            )
        elif s.total is not None and ends[-1] > stop + 1:
            yield from _cut(s, starts[-1], ends[-1], stop, len(starts))
        if len(sizes) > 1 and min(sizes) < SHORT_CYCLE:
            tiny = next(i for i, size in enumerate(sizes) if size < SHORT_CYCLE)
            yield finding(
                "SS208",
                f"a cycle takes {float(sizes[tiny]):g} updates: the rate restarts "
                "before anything could settle",
                'cycles are counted in updates; in epochs write "10 epochs"',
                span=(int(starts[tiny]), int(ends[tiny])),
            )


def _cut(
    s: Survey, start: Fraction, end: Fraction, stop: int, index: int
) -> Iterator[Finding]:
    begin = int(start)
    inside = s.rates[(s.steps >= begin) & (s.steps < stop)]
    if not len(inside):
        return
    last, top = float(inside[-1]), float(inside.max())
    done = float((stop - start) / (end - start))
    if stop - begin > 1 and last > FINISHED * top:
        yield finding(
            "SS206",
            f"cycle {index} is cut off at update {stop}, after {done:.0%} of it, at a "
            f"rate of {number(last)}",
            "let whole cycles fill the run: leave the lengths in the cycle out and "
            "give n",
            span=(begin, stop),
        )
    elif stop - begin <= 1 and start < stop:
        yield finding(
            "SS206",
            f"cycle {index} begins with the last update, which jumps to {number(last)}",
            "let whole cycles fill the run: leave the lengths in the cycle out and "
            "give n",
            span=(begin, stop),
        )


def _cycles(s: Survey, p: Placed) -> _Cycles | None:
    phase, total = p.phase, s.horizon.total_steps
    span = Span(s.horizon, None if total is None else Fraction(total), truncate=True)
    if phase.kind == "repeat":
        first = cycle_length(p, span)
        if first is None:
            return None
        return _Cycles(first, exact(phase["stretch"]), phase["n"])
    if phase.kind == "polynomial_cycles":
        return _Cycles(span.updates(phase["every"]), Fraction(1), None)
    if phase.kind == "wave" and p.length is not None and phase["cycles"] > 1:
        return _Cycles(p.length / exact(phase["cycles"]), Fraction(1), None)
    return None


def _bounds(
    start: Fraction, found: _Cycles, stop: int
) -> tuple[list[Fraction], list[Fraction]]:
    starts, ends, length = [], [], found.first
    while True:
        starts.append(start)
        start += length
        ends.append(start)
        length *= found.stretch
        many = len(starts) >= (found.n or MOST_CYCLES)
        if start >= stop or many or length < Fraction(1, 2):
            return starts, ends


def _stop(s: Survey, p: Placed) -> int:
    """Return where a phase ends in the run."""
    ends = [end for end in (p.stop, s.total) if end is not None]
    return min(ends) if ends else int(s.steps[-1]) + 1


def _named(p: Placed) -> str:
    return f"{p.phase}" if not p.phase.operands else p.phase.kind
