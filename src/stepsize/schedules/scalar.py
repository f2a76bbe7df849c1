"""What a formula may use, and Python's own numbers doing it; arrays are in ops."""

from __future__ import annotations

import math
from typing import Any, Protocol, final

Numeric = Any
"""A Python number or an array of any framework: the one place that is untyped."""

MASK = 0xFFFFFFFF
MULTIPLIERS = (0x7FEB352D, 0x846CA68B)
"""Of "lowbias32": C. Wellons, "Prospecting for Hash Functions", 2018."""
SEED_STEP = 0x9E3779B1
"""2^32 over the golden ratio, made odd: spreads neighbouring seeds."""


class Ops(Protocol):
    """What a formula may use."""

    def divide(self, a: Numeric, b: Numeric) -> Numeric:
        """Return a / b in the result's dtype, also for integers."""

    def sin(self, x: Numeric) -> Numeric:
        """Return the sine."""

    def exp(self, x: Numeric) -> Numeric:
        """Return the exponential function."""

    def log(self, x: Numeric) -> Numeric:
        """Return the natural logarithm, for x > 0."""

    def sqrt(self, x: Numeric) -> Numeric:
        """Return the square root."""

    def power(self, base: Numeric, exponent: Numeric) -> Numeric:
        """Return base ** exponent, for base >= 0."""

    def floor(self, x: Numeric) -> Numeric:
        """Return the largest integer <= x, as a float."""

    def minimum(self, a: Numeric, b: Numeric) -> Numeric:
        """Return the smaller."""

    def maximum(self, a: Numeric, b: Numeric) -> Numeric:
        """Return the larger."""

    def scatter(self, step: Numeric, high: Numeric, low: Numeric) -> Numeric:
        """Return a hash of step and seed in [-1, 1), the same in every framework.

        The seed comes as two 16-bit halves, which every dtype holds.
        """

    def remainder(self, a: Numeric, b: Numeric) -> Numeric:
        """Return a modulo b, with the sign of b."""


def mixed(step: Numeric, seed: Numeric) -> Numeric:
    """Hash with wrapping 32-bit arithmetic, carried in 64-bit integers."""
    x = (step + seed * SEED_STEP) & MASK
    x = x ^ (x >> 16)
    x = (x * MULTIPLIERS[0]) & MASK
    x = x ^ (x >> 15)
    x = (x * MULTIPLIERS[1]) & MASK
    x = x ^ (x >> 16)
    # 24 bits are exact in float32 too
    return x >> 8


@final
class PythonOps:
    """Python numbers."""

    sin = staticmethod(math.sin)
    log = staticmethod(math.log)
    sqrt = staticmethod(math.sqrt)
    minimum = staticmethod(min)
    maximum = staticmethod(max)

    @staticmethod
    def divide(a: float, b: float) -> float:
        """Return a / b."""
        return a / b

    @staticmethod
    def exp(x: float) -> float:
        """Return e ** x, inf where it leaves the floats."""
        try:
            return math.exp(x)
        except OverflowError:
            return math.inf

    @staticmethod
    def power(base: float, exponent: float) -> float:
        """Return base ** exponent, 0 or inf where it leaves the floats."""
        try:
            return math.pow(base, exponent)
        except OverflowError:
            return math.inf

    @staticmethod
    def floor(x: float) -> float:
        """Return the largest integer <= x."""
        return float(math.floor(x))

    @staticmethod
    def scatter(step: float, high: int, low: int) -> float:
        """Return a hash of step and seed in [-1, 1)."""
        bits: int = mixed(math.floor(step), high * 65536 + low)
        return bits / 2.0**23 - 1.0

    @staticmethod
    def remainder(a: float, b: float) -> float:
        """Return a modulo b."""
        return a % b


PYTHON = PythonOps()
