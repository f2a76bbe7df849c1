"""A run without a model: a guard is shown losses, and what it asks for is applied."""

import json
import math
import random
from collections.abc import Callable, Iterable
from typing import Any

from stepsize.control import Change, Guard, Observation

Losses = list[float]


class Watched:
    """Shows a guard one update after the other, as an adapter does.

    Snapshots are taken and let go as the guard asks; the rate is `peak` times what its
    scales have led to (eased ones at once).
    """

    def __init__(self, guard: Guard | None = None, *, peak: float = 0.1) -> None:
        self.guard = Guard() if guard is None else guard
        self.peak = peak
        self.factor = 1.0
        self.update = 0
        self.held = {0}
        self.state = self.guard.without(self.guard.start(), self.held)
        self.changes: list[tuple[int, Change]] = []
        self.seen: list[Observation] = []

    def see(
        self,
        losses: Iterable[float | None],
        *,
        times: float = 1.0,
        until: Callable[["Watched"], bool] | None = None,
        strict: bool = False,
        **metrics: float | dict[int, float],
    ) -> "Watched":
        """Show losses; stop at the first change if `until` says so.

        A metric that is a mapping is measured at these updates only; `times` is what
        the schedule's rate is multiplied by.
        """
        for loss in losses:
            self.update += 1
            measured: dict[str, float] = {} if loss is None else {"loss": float(loss)}
            for name, value in metrics.items():
                if not isinstance(value, dict):
                    measured[name] = value
                elif self.update in value:
                    measured[name] = value[self.update]
            seen = Observation(
                update=self.update,
                step=self.update,
                rate=self.peak * times * self.factor,
                peak=self.peak * max(times, 1.0),
                metrics=measured,
            )
            self.observe(seen, strict=strict)
            if until is not None and until(self):
                break
        return self

    def observe(self, seen: Observation, *, strict: bool = False) -> None:
        before = json.dumps(self.state, allow_nan=False) if strict else ""
        state, changes = self.guard.observe(self.state, seen)
        if strict:
            assert json.dumps(self.state, allow_nan=False) == before
            saved = json.loads(json.dumps(self.state, allow_nan=False))
            assert self.guard.observe(saved, seen) == (state, changes)
        self.state = state
        self.seen.append(seen)
        for change in changes:
            self.changes.append((self.update, change))
            if change.kind == "rewind":
                label = change.values["snapshot"]
                assert label in self.held, f"{label} is not among {self.held}"
            elif change.kind == "scale":
                self.factor *= number(change, "factor")
        wanted = set(self.guard.snapshots(self.state))
        missing = wanted - self.held
        assert missing <= {self.update}, f"{missing} asked for too late"
        self.held = wanted

    def told(self) -> list[tuple[int, str, Any]]:
        """Return the updates and kinds of changes, each with what matters of it."""
        matter = {"rewind": "snapshot", "scale": "factor", "note": ""}
        return [
            (update, change.kind, change.values.get(matter[change.kind]))
            for update, change in self.changes
        ]

    @property
    def rewinds(self) -> list[Any]:
        return [what for _, kind, what in self.told() if kind == "rewind"]

    @property
    def scales(self) -> list[Any]:
        return [what for _, kind, what in self.told() if kind == "scale"]

    @property
    def notes(self) -> list[str]:
        return [one.reason for _, one in self.changes if one.kind == "note"]


def number(change: Change, name: str) -> float:
    value = change.values[name]
    assert isinstance(value, (int, float))
    return float(value)


def acted(run: Watched) -> bool:
    return bool(run.changes)


def falling(
    count: int,
    *,
    begin: float = 2.3,
    end: float = 0.5,
    over: float = 40.0,
    noise: float = 0.05,
    seed: int = 0,
    first: int = 0,
) -> Losses:
    """Return losses that fall from `begin` towards `end`, with noise on them."""
    draw = random.Random(seed)
    return [
        end + (begin - end) * math.exp(-(first + index) / over) + draw.gauss(0, noise)
        for index in range(count)
    ]


def level(count: int, value: float, *, noise: float = 0.05, seed: int = 1) -> Losses:
    """Return losses around a value."""
    draw = random.Random(seed)
    return [value + draw.gauss(0, noise) for _ in range(count)]
