"""The conventions decide as the libraries themselves do, run side by side."""

import random
from collections.abc import Callable
from typing import Any

import pytest

from stepsize.control.policies import Plateau

SEQUENCES = 1000


def series(draw: random.Random) -> list[float]:
    """Give a positive metric that falls, with noise, plateaus, ties and jumps."""
    level, values = draw.uniform(1, 20), []
    pull, noise = draw.choice((0.0, 0.02, 0.2)), draw.choice((0.0, 0.01, 0.3))
    for _ in range(draw.randint(10, 45)):
        level = max(level * (1 - pull * draw.random()), 0.05)
        values.append(abs(level + noise * draw.gauss(0, 1)) + 0.01)
    if draw.random() < 0.5:  # exact in float32, and with ties
        values = [max(1, round(value * 64)) / 64 for value in values]
    return values


def common(draw: random.Random) -> dict[str, Any]:
    return {
        "factor": draw.choice((0.1, 0.5, 0.7)),
        "patience": draw.randint(0, 5),
        "hold_off": draw.choice((0, 0, 1, 2, 5)),
    }


def test_torch_decides_the_same(feed: Callable[..., Any]) -> None:
    import torch

    draw, cuts, held_back = random.Random(0), 0, 0
    weight = torch.nn.Parameter(torch.zeros(1))
    for _ in range(SEQUENCES):
        values, words, mode = series(draw), common(draw), draw.choice(("min", "max"))
        relative = draw.random() < 0.5
        margin = draw.choice((0.0, 1e-4, 1 / 64))
        rate = draw.choice((0.1, 3e-4, 3e-8))
        floor = draw.choice((0.0, rate / 50))
        theirs = torch.optim.lr_scheduler.ReduceLROnPlateau(
            torch.optim.SGD([weight], lr=rate),
            mode=mode,  # type: ignore[arg-type]  # one of the two
            factor=words["factor"],
            patience=words["patience"],
            threshold=margin,
            threshold_mode="rel" if relative else "abs",
            cooldown=words["hold_off"],
            min_lr=floor,
        )
        ours = feed(
            Plateau(
                convention="torch",
                mode=mode,
                margin=margin if relative else 0.0,
                margin_abs=0.0 if relative else margin,
                min_lr=floor,
                **words,
            ),
            values,
            rate=rate,
        )
        rates = []
        for value in values:
            theirs.step(value)
            rates.append(theirs.optimizer.param_groups[0]["lr"])
        assert ours.rates == pytest.approx(rates, rel=1e-12, abs=0)
        cuts += len(ours.at)
        held_back += rate == 3e-8 and rates[-1] > floor
    assert cuts > SEQUENCES
    assert held_back > SEQUENCES / 10  # the rule for tiny rates was met


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_keras_decides_the_same(feed: Callable[..., Any]) -> None:
    import keras

    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile(optimizer=keras.optimizers.SGD(0.1), loss="mse")
    draw, cuts = random.Random(1), 0
    for _ in range(SEQUENCES):
        values, words, mode = series(draw), common(draw), draw.choice(("min", "max"))
        margin = draw.choice((0.0, 1 / 128, 1 / 64))
        floor = draw.choice((0.0, 0.002))
        theirs = keras.callbacks.ReduceLROnPlateau(
            monitor="val_loss",
            mode=mode,
            factor=words["factor"],
            patience=words["patience"],
            min_delta=margin,
            cooldown=words["hold_off"],
            min_lr=floor,
        )
        theirs.set_model(model)
        model.optimizer.learning_rate = 0.1
        theirs.on_train_begin()
        ours = feed(
            Plateau(
                convention="keras", mode=mode, margin_abs=margin, min_lr=floor, **words
            ),
            values,
            rate=0.1,
        )
        rates = []
        for epoch, value in enumerate(values):
            theirs.on_epoch_end(epoch, {"val_loss": value})
            rates.append(float(model.optimizer.learning_rate))
        assert ours.rates == pytest.approx(rates, rel=1e-5, abs=1e-37)  # float32
        cuts += len(ours.at)
    assert cuts > SEQUENCES


@pytest.mark.peers
def test_optax_decides_the_same(feed: Callable[..., Any]) -> None:
    import jax
    import jax.numpy as jnp
    from optax.contrib import reduce_on_plateau

    draw, cuts, settings = random.Random(2), 0, 25
    with jax.enable_x64(True):
        for _ in range(settings):
            words = common(draw)
            words["patience"] = max(1, words["patience"])
            words["margin"] = draw.choice((1e-4, 1 / 64))
            words["margin_abs"] = draw.choice((0.0, 1 / 64))
            words["average"] = draw.choice((1, 1, 2, 3))
            words["min_factor"] = draw.choice((0.0, 0.02))
            theirs = reduce_on_plateau(
                factor=words["factor"],
                patience=words["patience"],
                rtol=words["margin"],
                atol=words["margin_abs"],
                cooldown=words["hold_off"],
                accumulation_size=words["average"],
                min_scale=words["min_factor"],
            )
            many = [series(draw) for _ in range(SEQUENCES // settings)]
            longest = max(map(len, many))
            padded = jnp.array([one + [1.0] * (longest - len(one)) for one in many])
            weight = jnp.zeros((), jnp.float64)

            def step(state: Any, value: Any, rule: Any = theirs) -> Any:
                _, state = rule.update(jnp.zeros((), jnp.float64), state, value=value)
                return state, state.scale

            def scales(values: Any, rule: Any = theirs, weight: Any = weight) -> Any:
                return jax.lax.scan(step, rule.init(weight), values)[1]

            rates = jax.jit(jax.vmap(scales))(padded)
            for values, expected in zip(many, rates.tolist(), strict=True):
                ours = feed(Plateau(convention="optax", **words), values, rate=1.0)
                wanted = expected[: len(values)]
                assert ours.rates == pytest.approx(wanted, rel=1e-12, abs=0)
                cuts += len(ours.at)
    assert cuts > SEQUENCES


@pytest.mark.parametrize(
    ("convention", "factor", "margin", "margin_abs", "least_change"),
    [
        (None, 0.5, 1e-4, 0.0, 0.0),
        ("torch", 0.1, 1e-4, 0.0, 1e-8),
        ("keras", 0.1, 0.0, 1e-4, 0.0),
        ("optax", 0.1, 1e-4, 0.0, 0.0),
    ],
)
def test_defaults_are_those_of_the_library(
    convention: str | None,
    factor: float,
    margin: float,
    margin_abs: float,
    least_change: float,
) -> None:
    policy = Plateau(convention=convention)
    assert policy.patience == 10
    assert policy.factor == factor
    assert (policy.margin, policy.margin_abs) == (margin, margin_abs)
    assert policy.least_change == least_change
    assert Plateau(convention=convention, margin=0.0, least_change=0).margin == 0.0


def test_a_wrong_convention_is_seen(feed: Callable[..., Any]) -> None:
    flat = [1.0] * 12
    cut = {
        name: feed(Plateau(patience=3, convention=name), flat).at[0]
        for name in ("torch", "keras", "optax")
    }
    assert cut == {"torch": 4, "keras": 3, "optax": 3}
    long = {
        name: feed(Plateau(patience=3, hold_off=2, convention=name), [1.0] * 30).at
        for name in ("torch", "keras", "optax")
    }
    assert len({tuple(cuts) for cuts in long.values()}) == 3


@pytest.mark.parametrize("convention", ["torch", "keras", "optax"])
def test_a_margin_is_right_for_negative_metrics(
    convention: str, feed: Callable[..., Any]
) -> None:
    words: dict[str, Any] = {"convention": convention, "patience": 2, "margin": 0.01}
    flat = feed(Plateau(**words), [-1.0] * 8)
    assert flat.at
    worse = feed(Plateau(**words), [-1.0 + 0.001 * step for step in range(8)])
    assert worse.at == flat.at
    better = feed(Plateau(**words), [-1.0 - 0.1 * step for step in range(8)])
    assert better.at == []
    assert feed(Plateau(mode="max", **words), [-1.0] * 8).at == flat.at
    rising = [-1.0 + 0.1 * step for step in range(8)]
    assert feed(Plateau(mode="max", **words), rising).at == []


@pytest.mark.parametrize("convention", ["torch", "keras", "optax"])
def test_a_convention_survives_nan_and_a_rate_of_zero(
    convention: str, feed: Callable[..., Any]
) -> None:
    nan = float("nan")
    words: dict[str, Any] = {"convention": convention, "patience": 2}
    assert feed(Plateau(**words), [1.0] + [nan] * 20).at == []
    assert feed(Plateau(nan="bad", **words), [1.0] + [nan] * 8).at
    assert feed(Plateau(nan="bad", **words), [nan] * 8).state["best"] is None
    assert feed(Plateau(**words), [1.0] * 8, rate=0.0).at == []
