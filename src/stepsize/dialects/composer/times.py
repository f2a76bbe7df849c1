"""Composer's units of time and how a run converts them; no schedule.

A time is a text: "10ep" epochs, "100ba" batches (updates), "1000sp" samples, "1e9tok"
tokens, "0.5dur" share of the run. Composer truncates what it converts to whole units.
"""

from __future__ import annotations

import re
from fractions import Fraction
from typing import NamedTuple, TypedDict, final

from stepsize.errors import InvalidScheduleError, describe
from stepsize.schedules.arguments import number
from stepsize.schedules.durations import whole

UNITS = ("ep", "ba", "sp", "tok", "dur")
_TEXT = re.compile(r"\s*(.+?)\s*(ep|ba|sp|tok|dur)\s*", re.IGNORECASE)


class Run(TypedDict, total=False):
    """What a scheduler's times need to know of the run; all of it may be left out.

    Attributes:
        max_duration: Of the Trainer, before scale_schedule_ratio: a time, or an int
            (epochs). Needed by "dur", and so by every default t_max.
        dataloader_len: Batches in an epoch; int >= 1. Needed by "ep".
        samples_per_batch: Samples in an update; int >= 1. Needed by "sp".
        tokens_per_batch: Tokens in an update; int >= 1. Needed by "tok".
        scale_schedule_ratio: Of the Trainer; finite, > 0; default 1.
        base_lr: Rate of the optimizer. Unit: lr; finite, >= 0; default 1.
    """

    max_duration: str | int | None
    dataloader_len: int | None
    samples_per_batch: int | None
    tokens_per_batch: int | None
    scale_schedule_ratio: float
    base_lr: float


class Time(NamedTuple):
    """A converted time: whole batches, samples or tokens."""

    value: int
    unit: str


@final
class Clock:
    """The checked run of one scheduler.

    Attributes:
        owner: Name of the scheduler, for errors.
        ratio: scale_schedule_ratio.
        base_lr: Rate of the optimizer.
        longest: max_duration after the ratio, as (value, unit), or None.
    """

    def __init__(self, owner: str, run: Run) -> None:
        """Check a run.

        Raises:
            InvalidScheduleError: A value is outside its range, or unknown.
        """
        unknown = set(run) - set(Run.__annotations__)
        if unknown:
            rule = f"have names of {', '.join(Run.__annotations__)}"
            raise InvalidScheduleError(describe(owner, rule, sorted(unknown)))
        self.owner = owner
        self._lengths = {
            "ba": 1,
            "ep": self._count(run, "dataloader_len"),
            "sp": self._count(run, "samples_per_batch"),
            "tok": self._count(run, "tokens_per_batch"),
        }
        ratio = run.get("scale_schedule_ratio", 1.0)
        self.ratio = number(ratio, f"{owner}.scale_schedule_ratio", open_low=True)
        self.base_lr = number(run.get("base_lr", 1.0), f"{owner}.base_lr", unit="lr")
        self.longest: Time | None = None
        given = run.get("max_duration")
        if given is not None:
            text = f"{given}ep" if whole(given) is not None else given
            value, unit = self._read(text, "max_duration")
            scaled = int(value * self.ratio)
            if unit == "dur" or scaled < 1:
                rule = "be a time in ep, ba, sp or tok, at least 1 after the ratio"
                message = describe(f"{owner}.max_duration", rule, given)
                raise InvalidScheduleError(message)
            self.longest = Time(scaled, unit)

    def convert(self, time: object, field: str, *, scale: bool = True) -> Time:
        """Return a time in batches, samples or tokens, truncated as the peer does.

        Args:
            time: The time.
            field: Name of the argument, for errors.
            scale: Whether scale_schedule_ratio applies (never to "dur").

        Raises:
            InvalidScheduleError: It is no time, or the run lacks what it needs.
        """
        value, unit = self._read(time, field)
        if unit == "dur":
            if self.longest is None:
                raise self._missing("max_duration", time)
            most, unit = self.longest
            if unit == "ep":
                return Time(int(value * self._length("ep", time) * most), "ba")
            return Time(int(value * most), unit)
        if unit == "ep":
            value, unit = value * self._length("ep", time), "ba"
        return Time(int(value * self.ratio) if scale else int(value), unit)

    def updates(self, time: Time) -> Fraction:
        """Return a converted time in updates."""
        return Fraction(time.value, self._length(time.unit, f"{time.value}{time.unit}"))

    def length(self, time: object, field: str) -> Fraction:
        """Return a time in updates, which must not be 0.

        Raises:
            InvalidScheduleError: It is 0 (the peer divides by it), or no time.
        """
        updates = self.updates(self.convert(time, field))
        if not updates:
            rule = "be at least one whole unit after scaling: the peer divides by it"
            raise InvalidScheduleError(describe(f"{self.owner}.{field}", rule, time))
        return updates

    def end(self) -> Fraction | None:
        """Return the length of the run in updates, if it is known."""
        if self.longest is None:
            return None
        value, unit = self.longest
        if unit == "ep":
            length = self._lengths["ep"]
            return None if length is None else Fraction(value * length)
        return None if self._lengths[unit] is None else self.updates(self.longest)

    def check_covers(self, time: Time, given: object) -> None:
        """Refuse a t_max that is shorter than the run, where the peer can tell.

        Raises:
            InvalidScheduleError: It is.
        """
        if self.longest is None:
            return
        value, unit = self.longest
        length = self._lengths["ep"]
        if unit == "ep" and length is not None:
            value, unit = value * length, "ba"
        if unit == time.unit and time.value < value:
            rule = f"cover max_duration ({value}{unit})"
            raise InvalidScheduleError(describe(f"{self.owner}.t_max", rule, given))

    def _read(self, time: object, field: str) -> tuple[float, str]:
        text = time.to_timestring() if hasattr(time, "to_timestring") else time
        match = _TEXT.fullmatch(text) if isinstance(text, str) else None
        try:
            value = float(match[1]) if match else -1.0
        except ValueError:
            value = -1.0
        unit = match[2].lower() if match else ""
        if not 0 <= value < float("inf") or (unit != "dur" and value != int(value)):
            rule = (
                f"be a text of a number and a unit of {', '.join(UNITS)} (whole, >= 0)"
            )
            hint = 'write "10ep", "100ba", "1e9tok" or "0.5dur"'
            message = describe(f"{self.owner}.{field}", rule, time, hint=hint)
            raise InvalidScheduleError(message)
        return (value if unit == "dur" else int(value)), unit

    def _count(self, run: Run, name: str) -> int | None:
        given = run.get(name)
        if given is None:
            return None
        count = whole(given)
        if count is None or count < 1:
            field = f"{self.owner}.{name}"
            raise InvalidScheduleError(describe(field, "be an int >= 1", given))
        return count

    def _length(self, unit: str, time: object) -> int:
        length = self._lengths[unit]
        if length is None:
            names = {"ep": "dataloader_len", "sp": "samples_per_batch"}
            raise self._missing(names.get(unit, "tokens_per_batch"), time)
        return length

    def _missing(self, name: str, time: object) -> InvalidScheduleError:
        rule = f"be given to convert {time!r} to updates"
        return InvalidScheduleError(describe(f"{self.owner}.{name}", rule, None))
