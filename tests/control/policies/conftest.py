"""Feeding a policy a series of metrics, and applying what it asks for."""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import pytest

from stepsize.control.policies import Change, Observation, Policy


@dataclass
class Run:
    """What a policy did to a constant rate."""

    rates: list[float] = field(default_factory=list)
    changes: list[tuple[int, Change]] = field(default_factory=list)
    state: Any = None

    @property
    def at(self) -> list[int]:
        return [index for index, _ in self.changes]


Feed = Callable[..., Run]


@pytest.fixture(scope="session")
def feed() -> Feed:
    def run(
        policy: Policy,
        values: Iterable[float | None],
        *,
        rate: float = 0.1,
        metric: str = "val_loss",
        every: int = 1,
        total_steps: int | None = None,
        warmup: int = 0,
        strict: bool = False,
    ) -> Run:
        done, state, peak = Run(), policy.start(), rate
        for index, value in enumerate(values):
            if strict:
                state = json.loads(json.dumps(state, allow_nan=False))
            before = json.dumps(state) if strict else ""
            seen = Observation(
                update=index * every,
                step=index * every,
                rate=rate,
                peak=peak,
                metrics={} if value is None else {metric: value},
                total_steps=total_steps,
                in_warmup=index < warmup,
            )
            new, changes = policy.observe(state, seen)
            if strict:
                assert json.dumps(state) == before
                assert policy.observe(state, seen) == (new, changes)
            state = new
            for change in changes:
                done.changes.append((index, change))
                if change.kind == "scale":
                    factor = change.values["factor"]
                    assert isinstance(factor, float)
                    rate *= factor
            done.rates.append(rate)
        done.state = state
        return done

    return run
