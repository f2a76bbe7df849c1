"""Calls that change the schedule of a running scheduler: each is a recorded event."""

from __future__ import annotations

import time
from typing import Any, Literal

from stepsize.control.events import Event, Target
from stepsize.errors import AdapterError, describe
from stepsize.schedules.schedule import Schedule

ALL = Target()


class Steering:
    """The calls; what each does to the curve is told by its kind of event.

    Every call takes effect at the next update and takes

        reason: A sentence that says why.
        source: Who decides; "operator:NAME" for a person.
        target: The hyperparameter and the groups; default: lr, all groups.

    and returns the event as it was recorded. It raises, and changes nothing, if the
    event makes no sense now (InvalidScheduleError), lacks a horizon or a conversion
    (UnresolvedError, UnitError), targets nothing (AdapterError) or cannot be logged
    (LedgerError).
    """

    _update: int

    def add_event(self, event: Event) -> Event:
        """Record a change, from an update that is still to come on."""
        raise NotImplementedError

    def _covers(self, target: Target) -> bool:
        """Whether a target names something that is driven."""
        raise NotImplementedError

    def _is_relative(self) -> bool:
        """Whether the schedule of the rate is a factor on the groups' own."""
        raise NotImplementedError

    def scale(
        self,
        factor: float,
        over: int = 0,
        *,
        reason: str = "",
        source: str = "operator",
        target: Target = ALL,
    ) -> Event:
        """Multiply every value to come; `over` updates ease it in.

        See `stepsize.control.effects.scale.Scale`.
        """
        values = {"factor": factor, "over": over}
        return self._steer("scale", values, reason, source, target)

    def cooldown(
        self,
        steps: int | str,
        to: float = 0.0,
        shape: str = "1-sqrt",
        *,
        to_lr: float | None = None,
        reason: str = "",
        source: str = "operator",
        target: Target = ALL,
        **parameters: float,
    ) -> Event:
        """Decay from now over `steps` updates (or "10%" of those left), then be done.

        See `stepsize.control.effects.cooldown.Cooldown`.
        """
        values = {"steps": steps, "to": to, "to_lr": to_lr, "shape": shape}
        return self._steer("cooldown", values | parameters, reason, source, target)

    def extend(
        self,
        total_steps: int,
        mode: Literal["stretch", "bridge", "adopt", "keep"] = "stretch",
        *,
        over: int | str = "10%",
        reason: str = "",
        source: str = "operator",
        target: Target = ALL,
    ) -> Event:
        """Make the run longer: `total_steps` in all.

        See `stepsize.control.effects.lengths.Length`.
        """
        values = {"total_steps": total_steps, "mode": mode, "over": over}
        return self._steer("extend", values, reason, source, target)

    def shorten(
        self,
        total_steps: int,
        mode: Literal["stretch", "bridge", "adopt", "keep"] = "stretch",
        *,
        over: int | str = "10%",
        reason: str = "",
        source: str = "operator",
        target: Target = ALL,
    ) -> Event:
        """Make the run shorter: `total_steps` in all.

        See `stepsize.control.effects.lengths.Length`.
        """
        values = {"total_steps": total_steps, "mode": mode, "over": over}
        return self._steer("shorten", values, reason, source, target)

    def rewarm(
        self,
        steps: int | str,
        to: float = 1.0,
        shape: str = "cosine",
        *,
        to_lr: float | None = None,
        end: float = 0.0,
        total_steps: int | None = None,
        reason: str = "",
        source: str = "operator",
        target: Target = ALL,
        **parameters: float,
    ) -> Event:
        """Rise over `steps` updates to `to` times the peak, then decay to the end.

        See `stepsize.control.effects.rewarm.Rewarm`.
        """
        values: dict[str, Any] = {"steps": steps, "to": to, "to_lr": to_lr}
        values |= {"shape": shape, "end": end, "total_steps": total_steps}
        return self._steer("rewarm", values | parameters, reason, source, target)

    def replace(
        self,
        schedule: Schedule | str,
        *,
        total_steps: int | None = None,
        at: Literal["now", "step"] = "now",
        over: int | str | None = None,
        scales: Literal["drop", "keep"] = "drop",
        reason: str = "",
        source: str = "operator",
        target: Target = ALL,
    ) -> Event:
        """Follow another schedule from now on.

        See `stepsize.control.effects.replacement.Replace`.
        """
        values: dict[str, Any] = {"schedule": schedule, "total_steps": total_steps}
        values |= {"at": at, "over": over, "scales": scales}
        return self._steer("replace", values, reason, source, target)

    def hold(
        self,
        *,
        reason: str = "",
        source: str = "operator",
        target: Target = ALL,
    ) -> Event:
        """Stay at the present point of the curve until `release`.

        See `stepsize.control.effects.clocks.Hold`.
        """
        return self._steer("hold", {}, reason, source, target)

    def release(
        self,
        resume: Literal["clock", "catch-up"] = "clock",
        *,
        reason: str = "",
        source: str = "operator",
        target: Target = ALL,
    ) -> Event:
        """End a hold: go on from there, or where the run would be without it.

        See `stepsize.control.effects.clocks.Release`.
        """
        return self._steer("release", {"resume": resume}, reason, source, target)

    def _steer(
        self, kind: str, values: dict[str, Any], reason: str, source: str, to: Target
    ) -> Event:
        event = Event(
            update=self._update,
            kind=kind,
            values=values,
            source=source,
            reason=reason,
            time=time.time(),
            target=to,
        )
        if not self._covers(to):
            rule = "cover a hyperparameter that is driven, in a group there is"
            raise AdapterError(describe("Target", rule, to))
        relative = self._is_relative() and to.hyperparameter == "lr"
        absolute = values.get("to_lr") is not None
        if relative and absolute:
            rule = "be left out with lr_factor: the groups' rates differ"
            hint = 'use "to", a fraction'
            raise AdapterError(
                describe(f"{kind}.to_lr", rule, values["to_lr"], hint=hint)
            )
        return self.add_event(event)
