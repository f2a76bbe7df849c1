"""Random torch schedulers, nested ones too, over optimizers of one to three groups."""

import warnings
from collections.abc import Callable
from typing import Any

import torch
from hypothesis import strategies as st
from torch.optim import lr_scheduler as peer
from torch.optim.swa_utils import SWALR

Build = Callable[[torch.optim.Optimizer], Any]
RATES = st.sampled_from((1e-4, 3e-3, 0.05, 0.1, 0.7, 1.0))
LENGTHS = st.integers(1, 30) | st.sampled_from((1, 2))


class Halving:
    """A factor with a state of its own, as users write them."""

    def __init__(self, every: int) -> None:
        self.every = every
        self.calls = 0

    def __call__(self, step: int) -> float:
        self.calls += 1
        return float(0.5 ** (step // self.every))


@st.composite
def optimizers(draw: st.DrawFn) -> torch.optim.Optimizer:
    rates = draw(st.lists(RATES, min_size=1, max_size=3))
    groups = [{"params": [torch.ones(1)], "lr": rate} for rate in rates]
    if draw(st.booleans()):
        return torch.optim.AdamW(groups)
    return torch.optim.SGD(groups, lr=0.1, momentum=0.9)


@st.composite
def simple(draw: st.DrawFn) -> Build:
    n, gamma = draw(LENGTHS), draw(st.sampled_from((0.1, 0.5, 0.97)))
    low = draw(st.sampled_from((0.0, 0.0, 1e-5, 0.02)))
    start, end = draw(st.floats(0.01, 1)), draw(st.floats(0.01, 1))
    every = Halving(n)
    milestones = draw(st.lists(st.integers(0, 40), max_size=4))
    makers: list[Build] = [
        lambda o: peer.StepLR(o, n, gamma),
        lambda o: peer.MultiStepLR(o, milestones, gamma),
        lambda o: peer.ConstantLR(o, start, n),
        lambda o: peer.LinearLR(o, start, end, n),
        lambda o: peer.ExponentialLR(o, gamma),
        lambda o: peer.PolynomialLR(o, n, 1.0 + start),
        lambda o: peer.CosineAnnealingLR(o, n + 1, low),
        lambda o: peer.CosineAnnealingWarmRestarts(o, n, 1 + n % 3, low),
        lambda o: peer.LambdaLR(o, every),
        lambda o: peer.MultiplicativeLR(o, lambda step: 0.9),
    ]
    return draw(st.sampled_from(makers))


@st.composite
def cyclic(draw: st.DrawFn) -> Build:
    up, down = draw(LENGTHS), draw(LENGTHS)
    mode: Any = draw(st.sampled_from(("triangular", "triangular2", "exp_range")))
    total = draw(st.integers(10, 90))
    share, cosine = draw(st.floats(0.15, 0.45)), draw(st.booleans())
    three, moves = draw(st.booleans()), draw(st.booleans())
    makers: list[Build] = [
        lambda o: peer.CyclicLR(
            o, 0.01, 0.3, up, down, mode, 0.98, cycle_momentum=moves
        ),
        lambda o: peer.OneCycleLR(
            o,
            0.5,
            total,
            pct_start=share,
            anneal_strategy="cos" if cosine else "linear",
            three_phase=three,
            cycle_momentum=moves,
        ),
        lambda o: SWALR(o, 0.02, up, "cos" if cosine else "linear"),
    ]
    return draw(st.sampled_from(makers))


@st.composite
def nested(draw: st.DrawFn) -> Build:
    """Draw a SequentialLR or ChainedScheduler of simple ones, sometimes two deep."""
    children = draw(st.lists(simple(), min_size=1, max_size=3))
    gaps = draw(st.lists(st.integers(1, 12), min_size=2, max_size=2))
    points = [gaps[0], gaps[0] + gaps[1]][: len(children) - 1]
    deep = draw(st.booleans())
    if draw(st.booleans()):
        return lambda o: peer.ChainedScheduler([child(o) for child in children])
    if not deep:
        return lambda o: peer.SequentialLR(o, [child(o) for child in children], points)
    return lambda o: peer.SequentialLR(
        o,
        [peer.ChainedScheduler([child(o) for child in children]), children[0](o)],
        [gaps[1]],
    )


def schedulers() -> st.SearchStrategy[Build]:
    return simple() | cyclic() | nested()


def advance(scheduler: Any, steps: int) -> list[list[float]]:
    """Step it; return the rates of each group, the present ones first."""
    groups = scheduler.optimizer.param_groups
    rates = [[float(group["lr"])] for group in groups]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for _ in range(steps):
            scheduler.step()
            for values, group in zip(rates, groups, strict=True):
                values.append(float(group["lr"]))
    return rates
