"""The linter: what is wrong with a schedule, said before the run starts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from stepsize.errors import (
    InvalidScheduleError,
    StepsizeError,
    UnitError,
    UnresolvedError,
    describe,
)
from stepsize.planner import rules_phases, rules_values, rules_writing
from stepsize.planner.findings import (
    SEVERITIES,
    Finding,
    checked_codes,
    finding,
)
from stepsize.planner.survey import Survey, survey
from stepsize.schedules.arguments import number
from stepsize.schedules.horizon import Horizon
from stepsize.schedules.schedule import ResolvedSchedule, Schedule

Rule = Callable[[Survey], Iterator[Finding]]

RULES: tuple[Rule, ...] = (
    rules_values.zeros,
    rules_values.vanishing,
    rules_values.early_end,
    rules_phases.too_long,
    rules_phases.floors,
    rules_values.staying,
    rules_phases.cycles,
    rules_phases.empty,
    rules_phases.warmups,
    rules_values.batch,
    rules_writing.jumps,
    rules_writing.scales,
    rules_writing.units,
    rules_values.peaks,
)


def check(
    schedule: Schedule | ResolvedSchedule,
    horizon: Horizon | int | None = None,
    *,
    total_steps: int | None = None,
    optimizer: object = None,
    batch_scale: float | None = None,
    base_lr: float | None = None,
    ignore: Iterable[str] = (),
) -> tuple[Finding, ...]:
    """Find what is probably wrong with a schedule, before the run starts.

    Args:
        schedule: The schedule; a resolved one brings its horizon along.
        horizon: The run. Unit of an int: updates. None: an open run, of which only
            what needs no end is checked.
        total_steps: Updates in all, short for `Horizon(steps=total_steps)`.
        optimizer: Its name, class or object; its usual range of peak rates is known
            for the common ones (`planner.usual_rates`). None leaves that out.
        batch_scale: How many times larger the batch is than the one the peak rate was
            chosen for; finite, > 0. None leaves that out.
        base_lr: What the schedule multiplies, where it is a factor. Unit: lr; > 0.
        ignore: Codes to leave out, as in ["SS205"].

    Returns:
        The findings, errors first, then by update. Empty if there is nothing to say.
        A schedule that cannot be laid out or evaluated is a finding, not an exception.

    Raises:
        InvalidScheduleError: An argument is outside its range.

    Examples:
        >>> import stepsize as ss
        >>> s = 3e-4 * ss.warmup(500, start=0.0) >> ss.cosine()
        >>> for found in check(s, total_steps=10_000, optimizer="AdamW"):
        ...     print(found.code, found.sentence)
        SS101 the first update has a rate of 0, so nothing is learned there
        >>> check(3e-4 * ss.warmup(500) >> ss.cosine(), total_steps=10_000)
        ()
    """
    schedule, run = _run(schedule, horizon, total_steps)
    if batch_scale is not None:
        batch_scale = number(batch_scale, "check.batch_scale", open_low=True)
    if base_lr is not None:
        base_lr = number(base_lr, "check.base_lr", open_low=True, unit="lr")
    left_out = checked_codes(
        ignore if isinstance(ignore, str) else tuple(ignore), "check.ignore"
    )
    found = list(rules_writing.keeping(schedule))
    try:
        s = survey(
            schedule,
            run,
            optimizer=optimizer,
            batch_scale=batch_scale,
            base_lr=base_lr,
        )
    except StepsizeError as error:
        found.append(_not_laid_out(error))
    except Exception as error:
        if not any(one.code == "SS702" for one in found):
            raise  # no function of the user's was called, so the fault is ours
        found.append(_failed_function(error))
    else:
        for rule in RULES:
            found += rule(s)
    total = run.total_steps
    kept = [_within(one, total) for one in found if one.code not in left_out]
    return tuple(sorted(kept, key=_order))


def _run(
    schedule: Schedule | ResolvedSchedule,
    horizon: Horizon | int | None,
    total_steps: int | None,
) -> tuple[Schedule, Horizon]:
    if horizon is not None and total_steps is not None:
        rule = "be left out when horizon is given"
        raise InvalidScheduleError(describe("check.total_steps", rule, total_steps))
    given = horizon if horizon is not None else total_steps
    if isinstance(schedule, ResolvedSchedule):
        own = schedule.horizon
        schedule, given = schedule.schedule, own if given is None else given
    if not isinstance(schedule, Schedule):
        rule = "be a schedule"
        hint = "parse(text) makes one of a text"
        raise InvalidScheduleError(
            describe("check.schedule", rule, schedule, hint=hint)
        )
    if given is None:
        return schedule, Horizon()
    return schedule, given if isinstance(given, Horizon) else Horizon(steps=given)


def _not_laid_out(error: StepsizeError) -> Finding:
    message, _, hint = str(error).partition(" hint: ")
    if isinstance(error, UnresolvedError):
        hint = "give total_steps=..., or a horizon"
        return finding(
            "SS210", f"the number of updates is missing: {message.rstrip('.')}", hint
        )
    if isinstance(error, UnitError):
        code, default = "SS211", "give the number that converts it in the horizon"
    else:
        code, default = "SS212", "the message says which value to change"
    return finding(code, message.rstrip("."), hint.rstrip(".") or default)


def _failed_function(error: Exception) -> Finding:
    return finding(
        "SS212",
        f"a function in it fails: {type(error).__name__}: {error}",
        "it is called with the step as a number, from 0 to its length",
    )


def _within(one: Finding, total: int | None) -> Finding:
    """Cut what a finding concerns at the run's end: an operand may lie beyond it."""
    if one.span is None or total is None or one.span[1] <= total:
        return one
    return replace(one, span=(min(one.span[0], total), total))


def _order(one: Finding) -> tuple[int, int, str]:
    return SEVERITIES.index(one.severity), one.step or 0, one.code
