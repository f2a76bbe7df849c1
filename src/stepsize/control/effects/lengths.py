"""`extend` and `shorten`: another horizon."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, final

from stepsize.control.curves import Placed, Retimed, Tail
from stepsize.control.effects.reading import Values, count, only
from stepsize.control.line import resolved, with_total
from stepsize.errors import InvalidScheduleError, UnresolvedError, describe
from stepsize.schedules.arguments import choice
from stepsize.schedules.durations import duration
from stepsize.schedules.layout import Span, exact
from stepsize.schedules.lowering import measure
from stepsize.schedules.schedule import ResolvedSchedule

if TYPE_CHECKING:
    from stepsize.control.events import Event
    from stepsize.control.line import Line

MODES = ("stretch", "bridge", "adopt", "keep")


@final
class Length:
    """Give the curve another number of steps, from the present step on.

    With t0 the step at the event, v the curve's value there, T and N the old and the
    new number of steps, r the curve so far, r' its schedule resolved for N steps, and
    n = over,

        stretch   lr = r(t0 + (t - t0) * (T - t0) / (N - t0))      no jump
        adopt     lr = r'(t)                                       may jump
        bridge    lr = w * v + (1 - w) * r'(t), w = (n - (t - t0)) / n for t < t0 + n,
                  r'(t) from there on                              no jump
        keep      lr = r(t): only the end of the run moves         no jump

    Scales in force go on to multiply, a hold goes on.

    Values:
        total_steps: N. Unit: steps of the curve in all, past ones included; int >= 1.
            More than there are for `extend`, less for `shorten`.
        mode: One of the four; default "stretch".
        over: n, at least 1, at most N - t0. Unit: updates, or a text with a unit; a
            percentage is of N - t0; default "10%".
    """

    def __init__(self, owner: str) -> None:
        """Take the kind's name."""
        self.owner = owner

    def check(self, values: Mapping[str, object]) -> Values:
        """See `Kind.check`."""
        owner = self.owner
        only(owner, values, ("total_steps", "mode", "over"))
        return {
            "total_steps": count(
                values.get("total_steps"), f"{owner}.total_steps", least=1
            ),
            "mode": choice(values.get("mode", "stretch"), f"{owner}.mode", MODES),
            "over": duration(values.get("over", "10%"), f"{owner}.over"),
        }

    def admit(self, line: Line, event: Event) -> None:
        """See `Kind.admit`."""
        values: Mapping[str, Any] = event.values
        total, mode, old = values["total_steps"], values["mode"], line.total
        field = f"{self.owner}.total_steps"
        if old is None:
            hint = "give the Scheduler total_steps or a horizon"
            rule = "replace a number of steps, and none was given"
            raise UnresolvedError(describe(field, rule, total, hint=hint))
        longer = self.owner == "extend"
        if total == old or (total > old) != longer or total <= line.step:
            bound = f"> {old}" if longer else f"< {old} and > {line.step}"
            hint = f"to go the other way: {'shorten' if longer else 'extend'}"
            rule = f"be {bound} (unit: steps of the curve)"
            raise InvalidScheduleError(describe(field, rule, total, hint=hint))
        if mode == "keep":
            return
        plan = line.tail.plan
        hint = "replace or rewarm gives it another curve"
        if not absorbs(plan) or (mode == "stretch" and line.step >= old):
            rule = (
                'be "keep": nothing of the schedule that is left can change its length'
            )
            raise InvalidScheduleError(
                describe(f"{self.owner}.mode", rule, mode, hint=hint)
            )
        if mode != "stretch":
            horizon = with_total(plan.horizon, total - line.tail.origin)
            resolved(plan.schedule, horizon, plan.overflow)

    def apply(self, line: Line, event: Event) -> None:
        """See `Kind.apply`."""
        values: Mapping[str, Any] = event.values
        total, mode, old, tail = (
            values["total_steps"],
            values["mode"],
            line.total,
            line.tail,
        )
        line.total = total
        start = max(line.step, tail.start)
        if mode == "keep" or old is None or start >= total or not absorbs(tail.plan):
            return
        if mode == "stretch":
            if start < old:
                source = Retimed.of(tail.source, start, old - start, total - start)
                line.tail = Tail(source, tail.plan, start, tail.origin, tail)
            return
        horizon = with_total(tail.plan.horizon, total - tail.origin)
        plan = resolved(tail.plan.schedule, horizon, "truncate")
        over = 0
        if mode == "bridge":
            left = total - start
            over = min(line.updates(values["over"], f"{self.owner}.over", left), left)
        new, value = Placed(plan, tail.origin), tail.source(start)
        line.bend(new, start, value, over)


def absorbs(plan: ResolvedSchedule) -> bool:
    """Whether a schedule's curve depends on how long the run is."""
    total = plan.horizon.total_steps
    span = Span(plan.horizon, None if total is None else exact(total))
    size = measure(plan.schedule, span)
    return bool(size.weight or size.percent)
