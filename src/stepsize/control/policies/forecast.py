"""The effective-rate law in plain Python, carried along with a run; no decision.

The same recursions as `stepsize.planner.laws.EffectiveRate`, whose docstring has the
formula, on numbers instead of arrays: control needs the standard library only.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cached_property, lru_cache
from typing import Any, final

from stepsize.control.policies.policy import State
from stepsize.errors import InvalidScheduleError, describe
from stepsize.schedules.arguments import number
from stepsize.schedules.phases import decay

NODES = tuple(math.exp(-9.0 + 0.75 * m) for m in range(16))
"""Relaxation rates of the noise: those of the law."""
_TINY = 1e-9
_PIECES = 40
"""Blocks that a cooldown is forecast in."""


@final
@dataclass(frozen=True)
class Forecast:
    """A fitted law, ready to be carried along.

    Attributes:
        floor: See `EffectiveRate`, as are the other parameters.
        progress: See there.
        exponent: See there.
        noise: See there.
        speed: See there.
        tilt: See there.
        noise_power: See there.
        time_power: See there.
        shrinkage: See there.
        growth: See there.
        norm_power: See there.
        offset: See there.
        unit: See there.
        reference: See there.
        scale: See there.
        lowest: Lowest rate after a warmup that the fit has seen, as a share of the
            peak; in [0, 1].
        first: Update from which on the law holds: before, no reading says how far the
            run is from it. >= 0.

    Raises:
        InvalidScheduleError: A value is outside its range.
    """

    floor: float
    progress: float
    exponent: float
    noise: float
    speed: float
    tilt: float
    noise_power: float
    time_power: float
    shrinkage: float
    growth: float
    norm_power: float
    offset: float
    unit: float
    reference: float
    scale: float
    lowest: float = 0.0
    first: float = 0.0

    def __post_init__(self) -> None:
        """Check every field."""
        positive = {"progress", "exponent", "noise", "speed", "growth", "offset"}
        positive |= {"unit", "reference", "scale"}
        for one in fields(self):
            value = number(
                getattr(self, one.name),
                f"Forecast.{one.name}",
                low=0.0 if one.name in {*positive, "shrinkage"} else -math.inf,
                open_low=one.name in positive,
            )
            object.__setattr__(self, one.name, value)

    @cached_property
    def weights(self) -> tuple[float, ...]:
        """The share of each node of the noise."""
        raw = [u**self.tilt * math.exp(-u) for u in NODES]
        total = sum(raw)
        return tuple(one / total for one in raw)

    def start(self) -> State:
        """Return the state before the first update."""
        return {"norm": 1.0, "time": 0.0, "nodes": [0.0] * len(NODES)}

    def after(self, state: State, rate: float, updates: float) -> State:
        """Return the state after updates at one rate."""
        g = max(rate / self.unit, _TINY)
        half = math.exp(-self.shrinkage * g * updates / 2)
        far = state["norm"] - self.growth * g
        norm = self.growth * g + far * half * half
        effective = g * (self.growth * g + far * half) ** -self.norm_power
        level = effective**self.noise_power
        x = -self.speed * effective * updates
        nodes = [
            level + (node - level) * math.exp(x * u)
            for node, u in zip(state["nodes"], NODES, strict=True)
        ]
        time = state["time"] + effective**self.time_power * updates
        return {"norm": norm, "time": time, "nodes": nodes}

    def loss(self, state: State) -> float:
        """Return the loss that the law says a run in this state has."""
        time = (state["time"] + self.offset) / self.reference
        noise = sum(w * n for w, n in zip(self.weights, state["nodes"], strict=True))
        progress = self.progress * time**-self.exponent
        return float(self.scale * (self.floor + progress + self.noise * noise))

    def final(
        self, state: State, rate: float, updates: int, to: float, shape: str
    ) -> float:
        """Return the loss at the end of a cooldown from this state.

        Args:
            state: Where it begins.
            rate: Rate that it begins from. Unit: lr.
            updates: Its length.
            to: Its end, as a fraction of `rate`.
            shape: As in `stepsize.decay`.
        """
        shares = _shares(shape, to)
        for share in shares:
            state = self.after(state, rate * share, updates / len(shares))
        return self.loss(state)

    def to_dict(self) -> dict[str, Any]:
        """Return it JSON-plain."""
        return {one.name: getattr(self, one.name) for one in fields(self)}

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Forecast:
        """Return the forecast that `to_dict` gave this mapping.

        Raises:
            InvalidScheduleError: It is no such mapping.
        """
        try:
            return cls(**plain)
        except TypeError as error:
            rule = "have the fields that to_dict writes"
            raise InvalidScheduleError(
                describe("Forecast.from_dict", rule, plain, hint=str(error))
            ) from error


@lru_cache(maxsize=64)
def _shares(shape: str, to: float) -> tuple[float, ...]:
    """Return the mean of a shape in each of many blocks, from 1 down to `to`."""
    fine = 10
    curve = decay(_PIECES * fine, to=to, shape=shape).resolve()
    return tuple(
        sum(curve.block(piece * fine, (piece + 1) * fine)) / fine
        for piece in range(_PIECES)
    )
