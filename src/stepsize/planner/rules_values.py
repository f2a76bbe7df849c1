"""Rules of the linter on the values of a run: zeros, what vanishes, what stays high."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from stepsize.planner.findings import Finding, finding
from stepsize.planner.survey import Survey, count, number, phases
from stepsize.planner.usual_rates import usual

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

NOTHING = 1e-7
"""Share of the peak below which float32 weights hardly move (its epsilon is 1.2e-7)."""
TAIL = 0.05
"""Share of a run that may be spent below it without a word."""
FLOAT32 = 1.1754943508222875e-38
"""Smallest normal float32."""
FALLEN = 0.9
"""A rate that never falls below this share of its peak does not decay."""
NEARLY = 99.95
"""Per cent from which a share is said in words."""
FEW = 5
"""Updates below which a run has no shape."""
AT_ONCE = 0.1
"""Share of a run after which a decay that is over ended early, whatever its lengths."""
DEAD = 0.01
"""Share of a run at rate zero from which its end is an error, not a warning."""


def zeros(s: Survey) -> Iterator[Finding]:
    """SS101 to SS104: updates at rate zero."""
    import numpy as np

    zero = s.rates == 0
    if not zero.any():
        return
    if zero.all():
        yield finding(
            "SS104",
            "every update has a rate of 0",
            "a scale of 0, or a phase after one that ends at 0: give the peak rate",
        )
        return
    edges = np.flatnonzero(np.diff(np.concatenate(([0], zero.view(np.int8), [0]))))
    runs = [(int(a), int(b)) for a, b in edges.reshape(-1, 2)]
    if runs[0][0] == 0:
        first = runs.pop(0)
        after = int(s.steps[first[1]])
        yield finding(
            "SS101",
            f"the first {_updates(after)} a rate of 0, so nothing is learned there",
            "start above 0: warmup(n) alone starts at 1/(n+1) of the peak; start=0.0 "
            "asks for the zero",
            span=(0, after),
        )
    if runs and runs[-1][1] == len(zero) and s.total is not None:
        begin = int(s.steps[runs.pop()[0]])
        dead = s.total - begin
        yield finding(
            "SS103",
            f"the last {_updates(dead)} a rate of 0 ({_share(dead, s.total)})",
            "let the decay end with the run: leave its length out, or give it to the "
            "phases before; or end it above 0 with to=",
            span=(begin, s.total),
            severity="error" if dead > max(1, DEAD * s.total) else "warning",
        )
    if runs and (s.total is not None or runs[-1][1] < len(zero)):
        a, b = runs[0]
        where = f"update {s.steps[a]}"
        if len(runs) > 1:
            where += f" and at {len(runs) - 1} other places"
        yield finding(
            "SS102",
            f"the rate is 0 in the middle of the run: at {where}",
            "let cycles end above 0 (to=, or start= of their warmup)",
            span=(int(s.steps[a]), int(s.steps[b - 1]) + 1),
        )


def vanishing(s: Survey) -> Iterator[Finding]:
    """SS105, SS106: rates that do nothing though they are not zero."""
    import numpy as np

    if s.peak == 0:
        return
    tiny = np.flatnonzero((s.rates > 0) & (s.rates < FLOAT32))
    if len(tiny):
        step = int(s.steps[tiny[0]])
        yield finding(
            "SS106",
            f"from update {step} on there are rates below {FLOAT32:.3g}, which float32 "
            "rounds or flushes to 0",
            "end the decay earlier, or keep a floor: clip(schedule, low=0.01)",
            span=(step, int(s.steps[tiny[-1]]) + 1),
        )
    if s.total is None:
        return
    alive = np.flatnonzero(s.rates >= NOTHING * s.peak)
    begin = int(s.steps[alive[-1]]) + 1
    tail = (s.steps >= begin) & (s.rates > 0)
    if not tail.any():
        return
    end = int(s.steps[np.flatnonzero(tail)[-1]]) + 1
    if end - begin > TAIL * s.total:
        yield finding(
            "SS105",
            f"from update {begin} on the rate is below {NOTHING:g} of its peak: "
            f"{_share(end - begin, s.total)} hardly moves a weight",
            "decay more slowly, or keep a floor: clip(schedule, low=0.01)",
            span=(begin, end),
        )


def staying(s: Survey) -> Iterator[Finding]:
    """SS204, SS205, SS604: runs that never decay, and those that should not."""
    if s.total is None or s.total < FEW or s.peak == 0:
        return
    known = usual(s.optimizer) if s.optimizer is not None else None
    schedule_free = known is not None and known.name.startswith("schedule-free")
    lowest = _lowest_after_peak(s.rates)
    if schedule_free:
        if s.rates[-1] < s.peak / 2:
            yield finding(
                "SS604",
                f"the rate falls to {number(float(s.rates[-1]))}, but a schedule-free "
                "optimizer averages instead of decaying",
                "warm up, then hold: warmup(n) >> hold()",
                span=(s.peak_step, s.total),
            )
        return
    if all(phase.kind == "hold" for phase in phases(s.schedule)):
        yield finding(
            "SS205",
            f"the rate is {number(s.peak)} throughout: a baseline, not a schedule",
            'any decay usually beats it: warmup, then cosine() or decay("20%") at '
            "the end",
        )
    elif lowest > FALLEN * s.peak and s.needed is None and not _all_warmup(s):
        yield finding(
            "SS204",
            f"the rate never falls below {number(lowest)} after its peak of "
            f"{number(s.peak)}",
            'end with a decay: >> decay("20%", shape="1-sqrt"), or cosine()',
            span=(s.peak_step, s.total),
        )


def early_end(s: Survey) -> Iterator[Finding]:
    """SS201: a decay that ends before the run does, above zero."""
    import numpy as np

    total, end = s.total, s.resolved.end
    if total is None or end is None:
        return
    last = float(s.rates[-1])
    if not 0 < last < FALLEN * s.peak:
        return
    if end >= total - 1:  # it lasts, but perhaps does nothing any more
        if s.placed[-1].phase.kind == "hold":
            return
        differs = np.flatnonzero(s.rates != last)
        end = int(s.steps[differs[-1]]) + 1 if len(differs) else 0
        if end > AT_ONCE * total or total - end < FEW:
            return
    yield finding(
        "SS201",
        f"the schedule ends at update {end:g} of {total} and holds {number(last)} for "
        f"the {count(total - int(end))} left",
        "leave the length of its last decay out, so that it ends with the run; or say "
        ">> hold() if it shall stay there",
        span=(int(end), total),
    )


def peaks(s: Survey) -> Iterator[Finding]:
    """SS601 to SS603: a peak far outside the optimizer's usual range."""
    from stepsize.planner.usual_rates import name_of

    if s.optimizer is None or s.peak == 0:
        return
    known = usual(s.optimizer)
    if known is None:
        yield finding(
            "SS603",
            f"no usual range of rates is known for {name_of(s.optimizer)!r}",
            "the page of this code lists the optimizers that are known",
        )
        return
    low, high = known.low, known.high
    if low <= s.peak <= high:
        return
    code, side = ("SS601", "above") if s.peak > high else ("SS602", "below")
    hint = f"{known.name} starts at about {known.start:g}. Source: {known.source}"
    if s.peak == 1 and s.base_lr is None:
        hint = (
            "it looks like a factor with peak 1: multiply it by the peak rate, or give "
            f"base_lr. {hint}"
        )
    yield finding(
        code,
        f"the peak of {number(s.peak)} is {side} what {known.name} is usually given: "
        f"{low:g} to {high:g}",
        hint,
        span=(s.peak_step, s.peak_step + 1),
    )


def batch(s: Survey) -> Iterator[Finding]:
    """SS304: a scaled batch without warmup."""
    scale = s.batch_scale
    if scale is None or scale < 2 or s.peak == 0:  # noqa: PLR2004 - twice the batch
        return
    if s.rates[0] > s.peak / 2:
        yield finding(
            "SS304",
            f"the batch is {number(scale)} times larger, but the first update already "
            f"has {number(float(s.rates[0]))} of a peak of {number(s.peak)}",
            "a rate that was scaled with the batch needs a warmup, as in "
            'warmup("5%") >> ... (Goyal et al. 2017, arXiv:1706.02677)',
            span=(0, 1),
        )


def _lowest_after_peak(rates: NDArray[np.float64]) -> float:
    return float(rates[int(rates.argmax()) :].min())


def _all_warmup(s: Survey) -> bool:
    """Whether a warmup takes the whole run, which is a finding of its own."""
    total = s.total or 0
    return any(
        p.phase.kind == "warmup" and (p.updates or 0) >= total for p in s.on_the_run()
    )


def _updates(n: int) -> str:
    return "update has" if n == 1 else f"{n} updates have"


def _share(n: int, total: int) -> str:
    share = 100 * n / total
    return f"{share:.3g} % of the run" if share < NEARLY else "nearly the whole run"
