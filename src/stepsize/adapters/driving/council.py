"""The policies of a Driver: measurements go in, their decisions become events.

Nothing here decides anything, and no snapshot of a model is taken: no guard.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, final

from stepsize.adapters.driving.arguments import as_policies
from stepsize.adapters.driving.awaited import Awaited
from stepsize.adapters.driving.viewing import View
from stepsize.control.events import Event
from stepsize.control.policies import Change, Policy, State, Together
from stepsize.control.policies.policy import Rewinds
from stepsize.errors import AdapterError, describe

if TYPE_CHECKING:
    from stepsize.adapters.driving.driver import Driver


@final
class Council:
    """The policies of one Driver, and what they remember.

    Attributes:
        council: All of them, as one.
        state: What they remember.
        patient: Whether they can do without the losses of single updates.
    """

    def __init__(self, policies: list[Policy]) -> None:
        self.council = Together(*policies)
        self.state: State = self.council.start()
        self.patient = all(map(_is_patient, policies))
        self._view = View()
        self._awaited = Awaited(policies)
        self._noticed: set[int] = set()  # sequences of events the policies know of
        self._spent = 0.0  # seconds of earlier processes
        self._began = time.monotonic()

    def ask(self, driver: Driver, metrics: Mapping[str, float]) -> tuple[Event, ...]:
        """Show metrics to the policies.

        Returns:
            The events that came of it, as they were recorded.
        """
        self._awaited.look(metrics)
        update = driver.update
        for event in driver.events:
            if event.sequence not in self._noticed and event.update <= update:
                self._noticed.add(event.sequence)
                self.state = self.council.notice(self.state, event)
        seconds = self._spent + time.monotonic() - self._began
        seen = self._view.observation(driver, update, metrics, seconds)
        self.state, changes = self.council.observe(self.state, seen)
        events = tuple(driver.add_event(_event(update, one)) for one in changes)
        for event in events:
            self._noticed.add(event.sequence)
            self.state = self.council.notice(self.state, event, again=False)
        return events

    def to_dict(self) -> dict[str, Any]:
        """Return what the policies are and remember, JSON-plain."""
        return {
            "council": self.council.to_dict(),
            "state": self.state,
            "noticed": sorted(self._noticed),
            "seconds": self._spent + time.monotonic() - self._began,
        }

    def load(self, plain: Mapping[str, Any]) -> list[str]:
        """Go on with what the policies remembered.

        Returns:
            Names of the policies that start afresh: they are new, or were changed.

        Raises:
            AdapterError: It is no mapping that `to_dict` gave.
        """
        try:
            saved = {one["name"]: one for one in plain["council"]["policies"]}
            states, fresh = {}, []
            for policy in self.council.policies:
                if saved.get(policy.name) == policy.to_dict():
                    states[policy.name] = plain["state"]["states"][policy.name]
                else:
                    states[policy.name] = policy.start()
                    fresh.append(policy.name)
            cooling = bool(plain["state"]["cooling"])
            noticed, spent = set(plain["noticed"]), float(plain["seconds"])
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            rule = "have policies as state_dict writes them"
            hint = f"missing or damaged: {error!r}"
            raise AdapterError(
                describe("Scheduler.load_state_dict", rule, plain, hint=hint)
            ) from error
        self.state = {"cooling": cooling, "states": states}
        self._noticed, self._spent = noticed, spent
        self._began = time.monotonic()
        return fresh


def make_council(policies: Iterable[Policy]) -> Council | None:
    """Check what a Driver was given for its policies; None if it has none.

    Raises:
        AdapterError: One of these is none, or needs snapshots.
        InvalidScheduleError: Two policies have the same name.
    """
    asked = as_policies(policies)
    for policy in asked:
        if isinstance(policy, Rewinds):
            rule = (
                "be other than a guard: this adapter takes no snapshots to go back to"
            )
            hint = "stepsize.adapters.torch has them"
            raise AdapterError(
                describe("Scheduler.policies", rule, policy.name, hint=hint)
            )
    return Council(asked) if asked else None


def _event(update: int, change: Change) -> Event:
    return Event(
        update=update,
        kind=change.kind,
        values=change.values,
        source=change.source,
        reason=change.reason,
        time=time.time(),
        target=change.target,
    )


def _is_patient(policy: Any) -> bool:
    metric = getattr(getattr(policy, "when", policy), "metric", "loss")
    return bool(metric != "loss")
