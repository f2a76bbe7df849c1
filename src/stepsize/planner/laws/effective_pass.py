"""The recursions of the effective-rate law: values, derivatives, adjoint; no checks.

All arrays have the blocks first, so that a step of a recursion is a row.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from stepsize.planner.laws.blocks import Blocks
from stepsize.planner.laws.law import Floats

NODES: Floats = np.exp(-9.0 + 0.75 * np.arange(16))
"""Relaxation rates of the noise, in units of `speed`: five decades."""
_TINY = 1e-9
"""Smallest rate in units of the law's, so that logarithms exist."""
SLOTS = (
    "floor",
    "log_progress",
    "log_exponent",
    "log_noise",
    "log_speed",
    "tilt",
    "noise_power",
    "time_power",
    "log_shrinkage",
    "log_growth",
    "norm_power",
    "log_offset",
)
"""The parameters in the order of `values`' vector."""


class Pass(NamedTuple):
    """One evaluation: the parts of the loss at the end of every block.

    Attributes:
        time: Effective time X, shape (blocks, runs).
        noise: The noise N, the same shape.
        d_time: Derivatives of X by (q, shrinkage, growth, norm power), shape (4,
            blocks, runs); None if not asked for.
        d_noise: Derivatives of N by (speed, tilt, p, shrinkage, growth, norm power),
            shape (6, blocks, runs); None likewise.
    """

    time: Floats
    noise: Floats
    d_time: Floats | None = None
    d_noise: Floats | None = None


def weights(tilt: float) -> tuple[Floats, Floats]:
    """Return the share of each node, and its derivative by the tilt."""
    log_nodes = np.log(NODES)
    raw = np.exp(tilt * log_nodes - NODES)
    share = raw / raw.sum()
    return share, share * (log_nodes - share @ log_nodes)


def run(theta: Floats, blocks: Blocks, unit: float, *, derive: bool) -> Pass:
    """Evaluate time and noise, and on demand their derivatives."""
    speed, p, q = np.exp(theta[4]), theta[6], theta[7]
    shrinkage, growth, rho = np.exp(theta[8]), np.exp(theta[9]), theta[10]
    share, d_share = weights(float(theta[5]))
    d = blocks.lengths
    g = np.maximum(blocks.rates / unit, _TINY)
    keep = np.exp(-shrinkage * g * d)
    target = growth * g
    norm = linear((1 - keep) * target, keep, np.ones(d.shape[1:]))
    before = np.concatenate([np.ones((1, *norm.shape[1:])), norm[:-1]])
    half = np.sqrt(keep)
    middle = target + (before - target) * half
    log_norm = np.log(middle)
    log_rate = np.log(g) - rho * log_norm
    rate = np.exp(log_rate)
    pace = rate**q * d
    level = rate**p
    x = (speed * rate * d)[..., None] * NODES
    fade = np.exp(-x)
    nodes = linear(
        level[..., None] * (1 - fade), fade, np.zeros((*d.shape[1:], len(NODES)))
    )
    time, noise = np.cumsum(pace, axis=0), nodes @ share
    if not derive:
        return Pass(time, noise)
    x_norm = shrinkage * g * d
    nothing = np.zeros((1, *norm.shape[1:]))
    shrunk = linear((target - before) * x_norm * keep, keep, nothing[0])
    grown = linear((1 - keep) * target, keep, nothing[0])
    by_shrinkage = (target - before) * x_norm / 2 * half
    by_shrinkage += half * np.concatenate([nothing, shrunk[:-1]])
    by_growth = (1 - half) * target + half * np.concatenate([nothing, grown[:-1]])
    # of the logarithm of the effective rate, by shrinkage, growth, norm power
    slopes = np.stack(
        [-rho * by_shrinkage / middle, -rho * by_growth / middle, -log_norm]
    )
    d_time = np.cumsum(np.stack([pace * log_rate, *(q * pace * slopes)]), axis=1)
    earlier = np.concatenate([np.zeros((1, *nodes.shape[1:])), nodes[:-1]])
    d_fade = -(earlier - level[..., None]) * x * fade  # by the log of the rate
    rise = 1 - fade
    force = np.stack(
        [
            d_fade,
            (level * log_rate)[..., None] * rise,
            *(
                (p * level * one)[..., None] * rise + d_fade * one[..., None]
                for one in slopes
            ),
        ]
    )
    moved = linear(
        np.moveaxis(force, 0, 1), fade[:, None], np.zeros((5, *nodes.shape[1:]))
    )
    along = np.moveaxis(moved @ share, 1, 0)
    d_noise = np.stack([along[0], nodes @ d_share, *along[1:]])
    return Pass(time, noise, d_time, d_noise)


def values(
    theta: Floats, blocks: Blocks, unit: float, reference: float, *, derive: bool
) -> tuple[Floats, Floats | None]:
    """Return losses in units of the law's scale at the points, and the Jacobian.

    Returns:
        Shape (runs, points), and (runs, points, parameters) or None.
    """
    made = run(theta, blocks, unit, derive=derive)
    row = blocks.points
    column = np.arange(row.shape[0])[:, None]
    time, noise = made.time[row, column], made.noise[row, column]
    offset = np.exp(theta[11])
    alpha, b = np.exp(theta[2]), np.exp(theta[3])
    log_time = np.log((time + offset) / reference)
    progress = np.exp(theta[1] - alpha * log_time)
    loss = theta[0] + progress + b * noise
    if made.d_time is None or made.d_noise is None:
        return loss, None
    by_time = -alpha * progress / (time + offset)
    d_time = by_time * made.d_time[:, row, column]
    d_noise = b * made.d_noise[:, row, column]
    columns = [
        np.ones_like(loss),
        progress,
        -alpha * log_time * progress,
        b * noise,
        d_noise[0],
        d_noise[1],
        d_noise[2],
        d_time[0],
        d_time[1] + d_noise[3],
        d_time[2] + d_noise[4],
        d_time[3] + d_noise[5],
        by_time * offset,
    ]
    return loss, np.stack(columns, axis=-1)


def adjoint(
    theta: Floats, lengths: Floats, rates: Floats, unit: float, reference: float
) -> tuple[float, Floats]:
    """Return the last loss of one run, and its derivative by the rate of each block.

    Args:
        theta: The parameters.
        lengths: Updates in each block, shape (blocks,).
        rates: Rate of each block, shape (blocks,). Unit: lr.
        unit: The law's unit of rates.
        reference: The law's unit of time.
    """
    speed, p, q = float(np.exp(theta[4])), float(theta[6]), float(theta[7])
    shrinkage, growth = float(np.exp(theta[8])), float(np.exp(theta[9]))
    rho, alpha, b = float(theta[10]), float(np.exp(theta[2])), float(np.exp(theta[3]))
    share, _ = weights(float(theta[5]))
    d, g = lengths, np.maximum(rates / unit, _TINY)
    keep = np.exp(-shrinkage * g * d)
    target = growth * g
    norm = linear((1 - keep) * target, keep, np.ones(()))
    before = np.concatenate([[1.0], norm[:-1]])
    half = np.sqrt(keep)
    middle = target + (before - target) * half
    log_rate = np.log(g) - rho * np.log(middle)
    rate = np.exp(log_rate)
    pace, level = rate**q * d, rate**p
    x = (speed * rate * d)[:, None] * NODES
    fade = np.exp(-x)
    nodes = linear(level[:, None] * (1 - fade), fade, np.zeros(len(NODES)))
    time = float(pace.sum()) + float(np.exp(theta[11]))
    progress = float(np.exp(theta[1] - alpha * np.log(time / reference)))
    loss = float(theta[0]) + progress + b * float(nodes[-1] @ share)
    # what the noise at the end keeps of each block's nodes, from the end backwards
    left = np.concatenate(
        [np.cumsum(x[:0:-1], axis=0)[::-1], np.zeros((1, len(NODES)))]
    )
    kept = b * share * np.exp(-left)
    earlier = np.concatenate([np.zeros((1, len(NODES))), nodes[:-1]])
    by_log = -alpha * progress / time * q * pace
    by_log += p * level * ((1 - fade) * kept).sum(axis=1)
    by_log -= (kept * (earlier - level[:, None]) * x * fade).sum(axis=1)
    by_middle = -rho * by_log / middle
    # of the loss by the norm after each block, from the end backwards
    pull = np.zeros(len(d))
    pull[:-1] = linear((half * by_middle)[:0:-1], keep[:0:-1], np.zeros(()))[::-1]
    over = (before - target) * shrinkage * d
    by_norm = by_middle * (growth * (1 - half) - over / 2 * half)
    by_norm += pull * (growth * (1 - keep) - over * keep)
    return loss, (by_log / g + by_norm) / unit


def linear(force: Floats, keep: Floats, start: Floats) -> Floats:
    """Return x with x[j] = keep[j] * x[j - 1] + force[j], and x[-1] = start."""
    out = np.empty(np.broadcast_shapes(force.shape, keep.shape))
    if out.size == len(out):  # one number a row: Python's own are faster
        last, made = start.item(), []
        for pull, kept in zip(
            force.ravel().tolist(), keep.ravel().tolist(), strict=True
        ):
            last = kept * last + pull
            made.append(last)
        return np.array(made).reshape(out.shape)
    row = start
    for below, pull, kept in zip(out, force, keep, strict=True):
        np.multiply(kept, row, out=below)
        np.add(below, pull, out=below)
        row = below
    return out
