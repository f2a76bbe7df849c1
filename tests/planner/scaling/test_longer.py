from typing import Any

import pytest

import stepsize as ss
from stepsize.planner.recipe_file import Recipe
from stepsize.planner.scaling import scale_horizon
from stepsize.planner.scaling.weight_decay import timescale_of_run


def _recipe(optimizer: str = "AdamW", **changes: Any) -> Recipe:
    fields: dict[str, Any] = {
        "lr": 1e-3 * ss.warmup(500) >> ss.linear(),
        "optimizer": optimizer,
        "horizon": ss.Horizon(epochs=2, steps_per_epoch=5000, tokens_per_step=1000),
        "hyperparameters": (("weight_decay", ss.constant(0.1)),),
        **changes,
    }
    return Recipe(**fields)


def test_a_longer_run_has_a_lower_peak_and_the_same_warmup() -> None:
    scaled = scale_horizon(_recipe(), to_steps=40_000)
    value = 1e-3 * 4**-0.32
    assert scaled["lr"].value == pytest.approx(value)
    assert scaled["lr"].low == pytest.approx(1e-3 * 4**-0.70)
    assert scaled["lr"].high == pytest.approx(1e-3)
    assert str(scaled.recipe.lr).endswith("* warmup(500) >> decay()")
    assert scaled.recipe.horizon == ss.Horizon(
        steps=40_000, steps_per_epoch=5000, tokens_per_step=1000
    )
    assert (scaled.confidence, scaled.warnings) == ("medium", ())
    assert str(scaled).startswith("updates x 4")
    decay = scaled["weight_decay"].value
    assert timescale_of_run(value, float(decay), 40_000) == pytest.approx(
        timescale_of_run(1e-3, 0.1, 10_000)
    )


def test_there_and_back_again() -> None:
    there = scale_horizon(_recipe(), to_steps=40_000).recipe
    back = scale_horizon(there, to_steps=10_000)
    assert back["lr"].value == pytest.approx(1e-3)
    assert back["weight_decay"].value == pytest.approx(0.1)
    same = scale_horizon(_recipe(), to_steps=10_000)
    assert (same.changes, same.rule, same.confidence) == ((), "none", "high")


def test_far_and_other_optimizers_are_doubted() -> None:
    far = scale_horizon(_recipe(), to_steps=200_000)
    assert far.confidence == "low"
    assert "more than a factor of 10" in far.warnings[0]
    sgd = scale_horizon(_recipe("sgd"), to_steps=20_000)
    assert "fitted to language models under AdamW" in sgd.warnings[0]
    free = scale_horizon(_recipe("Prodigy", lr=ss.linear()), to_steps=20_000)
    assert (free.changes, free.recipe.lr) == ((), ss.linear())


def test_errors() -> None:
    with pytest.raises(ss.InvalidScheduleError, match=r"to_steps must be an int >= 1"):
        scale_horizon(_recipe(), to_steps=0)
    with pytest.raises(ss.InvalidScheduleError, match=r"horizon must have a length"):
        scale_horizon(_recipe(horizon=None), to_steps=10)
    with pytest.raises(ss.InvalidScheduleError, match=r"optimizer must be"):
        scale_horizon(_recipe("my own"), to_steps=10)
    with pytest.raises(ss.InvalidScheduleError, match=r"recipe must be a Recipe"):
        scale_horizon("stepsize.yaml", to_steps=10)  # type: ignore[arg-type]  # the point
