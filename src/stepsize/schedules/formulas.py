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
    from collections.abc import Callable, Iterable, Sequence

    from stepsize.schedules.scalar import Numeric, Ops

HALF_PI = math.pi / 2


def linear(ops: Ops, u: Numeric) -> Numeric:
    """Fall evenly: w = u."""
    return u


def cosine(ops: Ops, u: Numeric) -> Numeric:
    """Fall as half a cosine: w = sin^2(pi u / 2) = (1 + cos(pi d / n)) / 2."""
    root = ops.sin(HALF_PI * u)
    return root * root


def cosine_power(ops: Ops, u: Numeric, power: Numeric, k: Numeric) -> Numeric:
    """Fall as a power of a cosine of p^k: w = cos(pi p^k / 2)^(2 power)."""
    return ops.power(ops.sin(HALF_PI * (1.0 - ops.power(1.0 - u, k))), 2.0 * power)


def polynomial(ops: Ops, u: Numeric, power: Numeric, k: Numeric) -> Numeric:
    """Fall as a power: w = (1 - p^k)^power."""
    return ops.power(1.0 - ops.power(1.0 - u, k), power)


def power_of_rest(ops: Ops, u: Numeric, power: Numeric) -> Numeric:
    """Fall as a power, without cancellation: w = u^power."""
    return ops.power(u, power)


def one_minus_sqrt(ops: Ops, u: Numeric) -> Numeric:
    """Fall as 1 - sqrt(d / n), written w = u / (1 + sqrt(1 - u))."""
    return u / (1.0 + ops.sqrt(1.0 - u))


def one_minus_square(ops: Ops, u: Numeric) -> Numeric:
    """Fall as 1 - (d / n)^2, written w = u (2 - u)."""
    return u * (2.0 - u)


def mirrored_cosine(ops: Ops, u: Numeric) -> Numeric:
    """Fall as a cosine mirrored at the line: w = 2 u - sin^2(pi u / 2)."""
    return 2.0 * u - cosine(ops, u)


def rex(ops: Ops, u: Numeric, beta: Numeric) -> Numeric:
    """Fall late, as a reflected exponential: w = u / (1 - beta + beta u)."""
    return u / (1.0 - beta + beta * u)


def tanh(ops: Ops, u: Numeric, low: Numeric, high: Numeric) -> Numeric:
    """Fall as a hyperbolic tangent: w = 1 / (1 + exp(2 (u low + p high)))."""
    return 1.0 / (1.0 + ops.exp(2.0 * (u * low + (1.0 - u) * high)))


def hyperbolic(ops: Ops, u: Numeric, ratio: Numeric) -> Numeric:
    """Fall as a hyperbola: w = sqrt(u (2 - ratio (2 - u)) / (2 - ratio))."""
    return ops.sqrt(u * (2.0 - ratio * (2.0 - u)) / (2.0 - ratio))


def shifted_exponential(ops: Ops, u: Numeric, ratio: Numeric) -> Numeric:
    """Fall by equal factors, shifted to reach 0: w = (r^p - r) / (1 - r)."""
    return (ops.power(ratio, 1.0 - u) - ratio) / (1.0 - ratio)


def rise_sqrt(ops: Ops, u: Numeric) -> Numeric:
    """Rise as 1 - sqrt(1 - p): w = sqrt(u)."""
    return ops.sqrt(u)


def rise_polynomial(ops: Ops, u: Numeric, power: Numeric) -> Numeric:
    """Rise as a power: w = 1 - (1 - u)^power."""
    return 1.0 - ops.power(1.0 - u, power)


def _between(weight: Callable[..., Numeric]) -> Callable[..., Numeric]:
    def formula(
        ops: Ops, d: Numeric, n: Numeric, a: Numeric, b: Numeric, *extra: Numeric
    ) -> Numeric:
        w = weight(ops, ops.divide(n - d, n), *extra)
        if type(b) is float and b == 0:  # the same bits in fewer passes over an array
            return w * a
        return w * a + (1.0 - w) * b

    formula.__doc__ = weight.__doc__
    return formula


def many_between(
    shape: str, ops: Ops, steps: range, origin: float, numbers: Sequence[float]
) -> list[float]:
    """Return a weighted shape's values at many steps: its formula without the calls."""
    weight = WEIGHTS[shape]
    n, a, b, *extra = numbers
    us: Iterable[float]
    if type(n) is int and type(origin) is int:  # exact, so the same as n - (t - origin)
        first = n + origin - steps.start
        us = [rest / n for rest in range(first, first - len(steps), -1)]
    else:
        us = [(n - (t - origin)) / n for t in steps]
    if weight is cosine:  # most schedules: no call of ours at all
        sin = math.sin
        ws = [(root := sin(HALF_PI * u)) * root for u in us]
    elif extra:
        ws = [weight(ops, u, *extra) for u in us]
    else:
        ws = [weight(ops, u) for u in us]
    return [w * a for w in ws] if b == 0 else [w * a + (1.0 - w) * b for w in ws]


def constant(ops: Ops, d: Numeric, a: Numeric) -> Numeric:
    """Stay: value = a."""
    return a


def exponential(ops: Ops, d: Numeric, n: Numeric, a: Numeric, b: Numeric) -> Numeric:
    """Change by equal factors: value = a (b / a)^(d / n), for a > 0 and b > 0."""
    return a * ops.power(b / a, ops.divide(d, n))


def exponential_hyperbolic(
    ops: Ops, d: Numeric, n: Numeric, a: Numeric, b: Numeric, *ratio: Numeric
) -> Numeric:
    """Change by factors along a hyperbola: value = a (b / a)^(1 - w)."""
    w = hyperbolic(ops, ops.divide(n - d, n), *ratio)
    return a * ops.power(b / a, 1.0 - w)


def harmonic(ops: Ops, d: Numeric, n: Numeric, a: Numeric, b: Numeric) -> Numeric:
    """Change the inverse evenly: value = a b / (p a + (1 - p) b)."""
    u = ops.divide(n - d, n)
    return a * b / ((1.0 - u) * a + u * b)


def rise_log(ops: Ops, d: Numeric, n: Numeric, a: Numeric, b: Numeric) -> Numeric:
    """Rise as a logarithm: value = a + (b - a) ln(1 + d) / ln(1 + n)."""
    rise = ops.log(ops.divide(d + 1, 1)) / ops.log(ops.divide(n + 1, 1))
    return rise * b + (1.0 - rise) * a


def staircase(ops: Ops, d: Numeric, a: Numeric, factor: Numeric, n: Numeric) -> Numeric:
    """Multiply every n steps: value = a factor^floor(d / n)."""
    return a * ops.power(factor, ops.floor(ops.divide(d, n)))


def geometric(ops: Ops, d: Numeric, a: Numeric, factor: Numeric, n: Numeric) -> Numeric:
    """Multiply every n steps, smoothly: value = a factor^(d / n)."""
    return a * ops.power(factor, ops.divide(d, n))


def inverse_sqrt(ops: Ops, d: Numeric, a: Numeric, tau: Numeric) -> Numeric:
    """Fall as an inverse square root: value = a sqrt(tau / (d + tau))."""
    return a * ops.sqrt(ops.divide(tau, d + tau))


def power_law(
    ops: Ops, d: Numeric, a: Numeric, tau: Numeric, exponent: Numeric
) -> Numeric:
    """Fall as a power of time: value = a (tau / (d + tau))^exponent."""
    return a * ops.power(ops.divide(tau, d + tau), exponent)


def inverse_time(
    ops: Ops, d: Numeric, a: Numeric, rate: Numeric, n: Numeric
) -> Numeric:
    """Fall as the inverse of time: value = a / (1 + rate d / n)."""
    return a / (1.0 + rate * ops.divide(d, n))


def inverse_stairs(
    ops: Ops, d: Numeric, a: Numeric, rate: Numeric, n: Numeric
) -> Numeric:
    """Fall as the inverse of time, in stairs: value = a / (1 + rate floor(d / n))."""
    return a / (1.0 + rate * ops.floor(ops.divide(d, n)))


def wave(
    ops: Ops, d: Numeric, n: Numeric, a: Numeric, b: Numeric, *cycles: Numeric
) -> Numeric:
    """Swing between two values: w = cos^2(pi x), x = cycles d / n."""
    (count,) = cycles
    # divided last, and as the sine of what is left of half a turn: exactly 0 at the
    # lowest points
    x = ops.remainder(ops.divide(count * d, n), 1.0)
    root = ops.sin(math.pi * (0.5 - x))
    w = root * root
    return w * a + (1.0 - w) * b


def polynomial_cycles(
    ops: Ops, d: Numeric, a: Numeric, b: Numeric, n: Numeric, *power: Numeric
) -> Numeric:
    """Fall as a power over n, 2n, ... steps: w = (1 - d / (n ceil(d / n)))^power."""
    (exponent,) = power
    cycle = ops.maximum(-ops.floor(-ops.divide(d, n)), 0.0 * d + 1.0)
    w = ops.power(ops.maximum(1.0 - ops.divide(d, n) / cycle, 0.0 * d), exponent)
    return w * a + (1.0 - w) * b


def exponential_rise(ops: Ops, d: Numeric, a: Numeric, tau: Numeric) -> Numeric:
    """Approach a: value = a (1 - exp(-(d + 1) / tau))."""
    return a * (1.0 - ops.exp(-ops.divide(d + 1, tau)))


def radam(ops: Ops, d: Numeric, a: Numeric, *numbers: Numeric) -> Numeric:
    """Rise as the variance rectification of RAdam.

    With s = d + offset, f = 2 / (1 - beta2) - 1 and r = f - 2 s b^s / (1 - b^s):

        value = a sqrt((r - 4) (r - 2) f / ((f - 4) (f - 2) r))
    """
    offset, final, log_rate, scale = numbers
    s = ops.divide(d + offset, 1)
    decayed = ops.exp(-s * log_rate)
    q = final - 2.0 * s * decayed / (1.0 - decayed) - 4.0
    return a * ops.sqrt(q * (q + 2.0) * scale / (q + 4.0))


def radam_start(ops: Ops, d: Numeric, a: Numeric, *numbers: Numeric) -> Numeric:
    """Do as `radam` for small s, by the series of r - 4 in x = -s ln(beta2).

    There r is a small difference of large numbers, which float32 does not have:

        r - 4 = shift + s (1 - x/6 + x^3/360 - x^5/15120 + x^7/604800 - ...)
    """
    offset, shift, log_rate, scale = numbers
    s = ops.divide(d + offset, 1)
    x = s * log_rate
    y = x * x
    tail = 1.0 / 604800.0 - y / 23950080.0
    series = 1.0 - x * (1.0 / 6.0 - y * (1.0 / 360.0 - y * (1.0 / 15120.0 - y * tail)))
    q = shift + s * series
    return a * ops.sqrt(q * (q + 2.0) * scale / (q + 4.0))


def noise(ops: Ops, d: Numeric, a: Numeric, *seeded: Numeric) -> Numeric:
    """Scatter evenly: value = a (1 + amplitude z), z(d) in [-1, 1) from a hash.

    `seeded` is the amplitude and the two halves of the seed, 16 bits each.
    """
    amplitude, high, low = seeded
    return a * (1.0 + amplitude * ops.scatter(d, high, low))


WEIGHTS: dict[str, Callable[..., Numeric]] = {
    "linear": linear,
    "half-cosine": cosine,
    "cosine": cosine_power,
    "polynomial": polynomial,
    "power": power_of_rest,
    "1-sqrt": one_minus_sqrt,
    "1-square": one_minus_square,
    "mirrored-cosine": mirrored_cosine,
    "rex": rex,
    "tanh": tanh,
    "hyperbolic": hyperbolic,
    "shifted-exponential": shifted_exponential,
    "rise-polynomial": rise_polynomial,
    "rise-sqrt": rise_sqrt,
}

FORMULAS: dict[str, Callable[..., Numeric]] = {
    "constant": constant,
    "exponential": exponential,
    "exponential-hyperbolic": exponential_hyperbolic,
    "harmonic": harmonic,
    "rise-log": rise_log,
    "staircase": staircase,
    "geometric": geometric,
    "inverse_sqrt": inverse_sqrt,
    "noise": noise,
    "power_law": power_law,
    "inverse_time": inverse_time,
    "inverse_stairs": inverse_stairs,
    "wave": wave,
    "polynomial_cycles": polynomial_cycles,
    "exponential_rise": exponential_rise,
    "radam": radam,
    "radam-start": radam_start,
    **{name: _between(weight) for name, weight in WEIGHTS.items()},
}
