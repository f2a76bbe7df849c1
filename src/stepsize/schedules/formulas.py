"""The shapes, each written once over an `ops` namespace; nothing of lengths or chains.

Every formula takes `(ops, d, *numbers)`, with d = steps since the phase began, and is
total. Between two values a (at d = 0) and b (at d = n) it is

    value(d) = w * a + (1 - w) * b,   w = weight(u),   u = (n - d) / n

which is exact at both ends. Weights are written in u, without cancellation: the usual
(1 + cos(pi d / n)) / 2 is wrong in every digit near the end of 1e5 float32 steps.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from stepsize.schedules.scalar import Numeric, Ops

HALF_PI = math.pi / 2


def linear(ops: Ops, u: Numeric) -> Numeric:
    """Fall evenly: w = u."""
    return u


def cosine(ops: Ops, u: Numeric) -> Numeric:
    """Fall as half a cosine: w = sin^2(pi u / 2) = (1 + cos(pi d / n)) / 2."""
    root = ops.sin(HALF_PI * u)
    return root * root


def polynomial(ops: Ops, u: Numeric, power: Numeric) -> Numeric:
    """Fall as a power: w = u^power."""
    return ops.power(u, power)


def one_minus_sqrt(ops: Ops, u: Numeric) -> Numeric:
    """Fall as 1 - sqrt(d / n), written w = u / (1 + sqrt(1 - u))."""
    return u / (1.0 + ops.sqrt(1.0 - u))


def one_minus_square(ops: Ops, u: Numeric) -> Numeric:
    """Fall as 1 - (d / n)^2, written w = u (2 - u)."""
    return u * (2.0 - u)


def rise_polynomial(ops: Ops, u: Numeric, power: Numeric) -> Numeric:
    """Rise as a power: w = 1 - (1 - u)^power."""
    return 1.0 - ops.power(1.0 - u, power)


def _between(weight: Callable[..., Numeric]) -> Callable[..., Numeric]:
    def formula(
        ops: Ops, d: Numeric, n: Numeric, a: Numeric, b: Numeric, *extra: Numeric
    ) -> Numeric:
        w = weight(ops, ops.divide(n - d, n), *extra)
        return w * a + (1.0 - w) * b

    formula.__doc__ = weight.__doc__
    return formula


def constant(ops: Ops, d: Numeric, a: Numeric) -> Numeric:
    """Stay: value = a."""
    return a


def exponential(ops: Ops, d: Numeric, n: Numeric, a: Numeric, b: Numeric) -> Numeric:
    """Change by equal factors: value = a (b / a)^(d / n), for a > 0 and b > 0."""
    return a * ops.power(b / a, ops.divide(d, n))


def staircase(ops: Ops, d: Numeric, a: Numeric, factor: Numeric, n: Numeric) -> Numeric:
    """Multiply every n steps: value = a factor^floor(d / n)."""
    return a * ops.power(factor, ops.floor(ops.divide(d, n)))


def geometric(ops: Ops, d: Numeric, a: Numeric, factor: Numeric, n: Numeric) -> Numeric:
    """Multiply every n steps, smoothly: value = a factor^(d / n)."""
    return a * ops.power(factor, ops.divide(d, n))


def inverse_sqrt(ops: Ops, d: Numeric, a: Numeric, tau: Numeric) -> Numeric:
    """Fall as an inverse square root: value = a sqrt(tau / (d + tau))."""
    return a * ops.sqrt(ops.divide(tau, d + tau))


def noise(ops: Ops, d: Numeric, a: Numeric, *seeded: Numeric) -> Numeric:
    """Scatter evenly: value = a (1 + amplitude z), z(d) in [-1, 1) from a hash.

    `seeded` is the amplitude and the two halves of the seed, 16 bits each.
    """
    amplitude, high, low = seeded
    return a * (1.0 + amplitude * ops.scatter(d, high, low))


WEIGHTS: dict[str, Callable[..., Numeric]] = {
    "linear": linear,
    "cosine": cosine,
    "polynomial": polynomial,
    "1-sqrt": one_minus_sqrt,
    "1-square": one_minus_square,
    "rise-polynomial": rise_polynomial,
}

FORMULAS: dict[str, Callable[..., Numeric]] = {
    "constant": constant,
    "exponential": exponential,
    "staircase": staircase,
    "geometric": geometric,
    "inverse_sqrt": inverse_sqrt,
    "noise": noise,
    **{name: _between(weight) for name, weight in WEIGHTS.items()},
}
