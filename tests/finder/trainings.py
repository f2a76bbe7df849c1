"""Small trainings with a known answer, for the tests of the finder."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass
class Quadratic:
    """Gradient descent on curvature * (w - 1)^2 / 2 with noisy batches.

    The critical rate is 2 / curvature.
    """

    curvature: float = 2.0
    noise: float = 0.0
    scale: float = 1.0
    shift: float = 0.0
    clip: float = math.inf
    first: float = 0.0
    broken: Callable[[int, float], float | None] = lambda count, lr: None
    rates: list[float] = field(default_factory=list)
    streams: list[int] = field(default_factory=list)
    w: float = 0.0
    count: int = 0

    def again(self, stream: int) -> None:
        self.w, self.count = self.first, 0
        self.streams.append(stream)
        self.random = random.Random(stream)

    def step(self, lr: float) -> float:
        self.rates.append(lr)
        self.count += 1
        gap = self.w - 1.0
        noise = self.noise * self.random.gauss(0.0, 1.0)
        slope = self.curvature * gap + noise
        slope = max(-self.clip, min(self.clip, slope))
        loss = 0.5 * self.curvature * gap * gap + noise * gap
        self.w -= lr * slope
        if abs(self.w) > 1e100:
            self.w = math.nan
        forced = self.broken(self.count, lr)
        return self.scale * loss + self.shift if forced is None else forced
