import sys
import warnings
from argparse import Namespace
from importlib.util import find_spec
from types import ModuleType
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.adapters.convert.schedulers import advance

import stepsize as ss
from stepsize.adapters.convert import convert, difference
from stepsize.adapters.convert.torch import copy_of
from stepsize.errors import AdapterError, InvalidScheduleError

SECTION = {
    "type": "WarmupDecayLR",
    "params": {"total_num_steps": "auto", "warmup_max_lr": "auto"},
}
MEGATRON = (
    "--lr 3e-4 --min-lr 3e-5 --lr-decay-style WSD --train-iters 100 "
    "--global-batch-size 32 --lr-warmup-fraction 0.013 --lr-wsd-decay-iters 20 "
    "--lr-wsd-decay-style minus_sqrt --bf16"
)


def test_the_comparison_finds_a_wrong_value() -> None:
    assert difference([1.0, 2.0, 1.0], [1.0, 1.5, 1.0], 5) == (0.25, 6)
    assert difference([1.0, float("nan")], [1.0, 1.0], 0) == (float("inf"), 1)
    assert difference([0.0], [0.0], 0) == (0.0, 0)


@settings(max_examples=100)
@given(
    st.sampled_from(("WarmupLR", "WarmupDecayLR", "WarmupCosineLR")),
    st.integers(0, 20),
    st.integers(0, 40),
    st.sampled_from(("log", "linear")),
    st.sampled_from((0.0, 0.1)),
)
def test_deepspeed_warmups_are_exact(
    name: str, warm: int, more: int, kind: str, low: float
) -> None:
    params: dict[str, Any] = {"warmup_num_steps": warm, "warmup_type": kind}
    if name != "WarmupLR":
        params["total_num_steps"] = warm + more
    if name == "WarmupCosineLR":
        params |= {"warmup_min_ratio": low, "cos_min_ratio": low}
    else:
        params |= {"warmup_min_lr": low, "warmup_max_lr": 0.7}
    found = convert({"scheduler": {"type": name, "params": params}}, base_lr=0.7)
    assert found.exact, found


def test_deepspeed_auto_is_asked_for() -> None:
    with pytest.raises(AdapterError, match="total_num_steps must be a number"):
        convert({"scheduler": SECTION})
    config = {"scheduler": SECTION, "optimizer": {"params": {"lr": 0.5}}}
    found = convert(config, total_steps=2000)
    assert found.exact
    assert max(found.schedule(range(2000))) == 0.5
    with pytest.raises(AdapterError, match=r"optimizer.params.lr must be given"):
        convert({"type": "WarmupCosineLR", "params": {"total_num_steps": 9}})
    with pytest.raises(AdapterError, match="must be arguments of WarmupLR"):
        convert({"type": "WarmupLR", "params": {"warmup": 9}}, base_lr=1.0)
    with pytest.raises(AdapterError, match=r"scheduler.type must be one of"):
        convert({"scheduler": {"type": "Cosine"}}, peer="deepspeed")


def test_deepspeed_one_cycle_brings_its_momentum() -> None:
    params = {
        "cycle_min_lr": 0.1,
        "cycle_max_lr": 0.5,
        "cycle_first_step_size": 4,
        "cycle_first_stair_count": 2,
        "decay_step_size": 3,
        "decay_lr_rate": 0.5,
    }
    found = convert({"type": "OneCycle", "params": params})
    assert found.exact
    assert found.momentum is not None
    assert found.momentum(4) == pytest.approx(0.8)


def test_megatron_in_all_forms() -> None:
    words = MEGATRON.split()
    found = convert(words)
    assert found.exact
    assert found.horizon == 100
    assert found.schedule(50) == 3e-4
    names = [word[2:].replace("-", "_") for word in words[:-1:2]]
    values = [float(v) if v[0].isdigit() else v for v in words[1::2] if v != "--bf16"]
    mapping = dict(zip(names, values, strict=True))
    for form in (mapping, Namespace(**mapping), MEGATRON.replace(" 3", "=3").split()):
        assert convert(form).schedule == found.schedule
    assert str(found.others["weight_decay"]) == "0.01 * hold()"
    with pytest.raises(AdapterError, match=r"megatron.lr must be given"):
        convert({"train_iters": 10, "global_batch_size": 2})
    with pytest.raises(AdapterError, match=r"megatron.lr must be a number"):
        convert({"train_iters": 10, "global_batch_size": 2, "lr": "fast"})


@settings(max_examples=100)
@given(
    st.sampled_from(("constant", "linear", "cosine", "inverse-square-root", "WSD")),
    st.integers(0, 9),
    st.integers(10, 60),
    st.sampled_from(("linear", "cosine", "exponential", "minus_sqrt")),
    st.booleans(),
)
def test_megatron_styles_are_exact(
    style: str, warm: int, total: int, tail: str, growing: bool
) -> None:
    given_ones: dict[str, Any] = {
        "lr": 0.3,
        "min_lr": 0.01,
        "lr_decay_style": style,
        "lr_warmup_iters": warm,
        "train_iters": total,
        "global_batch_size": 16,
        "lr_wsd_decay_iters": 1 + total // 3,
        "lr_wsd_decay_style": tail,
    }
    if growing:
        given_ones["rampup_batch_size"] = ["4", "4", "40"]
    found = convert(given_ones)
    assert found.exact, found
    assert ("batch_size" in found.others) == growing


@pytest.mark.parametrize(
    ("name", "config"),
    [
        ("ExponentialDecay", {"decay_steps": 9, "decay_rate": 0.8}),
        ("InverseTimeDecay", {"decay_steps": 9, "decay_rate": 0.8, "staircase": True}),
        ("PolynomialDecay", {"decay_steps": 9, "power": 2.0}),
        ("CosineDecay", {"decay_steps": 9, "warmup_target": 0.5, "warmup_steps": 3}),
        ("CosineDecayRestarts", {"first_decay_steps": 9}),
    ],
)
def test_keras_live_and_as_config(name: str, config: dict[str, Any]) -> None:
    import keras

    schedules = keras.optimizers.schedules
    live = getattr(schedules, name)(0.1, **config)
    found = convert(live, total_steps=40)
    assert found.exact
    assert 0 < (found.largest_difference or 0) < 1e-6
    assert "single precision" in found.notes[0]
    for form in (live.get_config(), schedules.serialize(live)):
        assert convert(form, total_steps=40).schedule == found.schedule


def test_keras_optimizers_and_classes_of_your_own() -> None:
    import keras

    steps = keras.optimizers.schedules.PiecewiseConstantDecay([3, 9], [0.5, 0.2, 0.1])
    optimizer = keras.optimizers.SGD(steps)
    optimizer.iterations.assign(5)
    found = convert(optimizer, total_steps=12)
    assert (found.step, found.exact) == (5, True)
    assert convert(optimizer.get_config()).schedule == found.schedule
    with pytest.raises(AdapterError, match="must have a LearningRateSchedule"):
        convert(keras.optimizers.SGD(0.1))
    with pytest.raises(AdapterError, match="class_name must be one of"):
        convert({"initial_learning_rate": 0.1, "decay_steps": 9, "decay_rate": 0.5})

    class Mine(keras.optimizers.schedules.LearningRateSchedule):  # type: ignore[misc]
        def __call__(self, step: Any) -> Any:
            return 0.5 / (1 + step)

    listed = convert(Mine(), total_steps=3)
    assert listed.schedule(range(3)) == pytest.approx([0.5, 0.25, 0.5 / 3])


def test_unknown_objects_name_what_is_supported() -> None:
    for wrong in ({}, {"lr": 0.1}, None, 3, [], ["--lr", "1"]):
        with pytest.raises(AdapterError, match="a DeepSpeed JSON, Megatron-LM"):
            convert(wrong)
    with pytest.raises(AdapterError, match="peer must be one of torch"):
        convert({}, peer="jax")
    with pytest.raises(AdapterError, match="be left out when horizon is given"):
        convert({}, total_steps=3, horizon=ss.Horizon(steps=3))
    with pytest.raises(AdapterError, match="this is a schedule already"):
        convert(convert({"type": "WarmupLR", "params": {}}, base_lr=1.0).schedule)


@pytest.mark.peers
@pytest.mark.parametrize(
    ("kind", "more"),
    [
        ("linear", {}),
        ("cosine", {}),
        ("cosine_with_restarts", {"num_cycles": 3}),
        ("polynomial", {"power": 2.0}),
        ("constant", {}),
        ("constant_with_warmup", {}),
        ("inverse_sqrt", {}),
        ("cosine_with_min_lr", {"min_lr": 1e-4}),
        ("cosine_warmup_with_min_lr", {"min_lr_rate": 0.1}),
        ("warmup_stable_decay", {"num_decay_steps": 20}),
    ],
)
def test_transformers_arguments_and_live(kind: str, more: dict[str, Any]) -> None:
    from transformers import get_scheduler

    arguments = {
        "lr_scheduler_type": kind,
        "learning_rate": 1e-3,
        "warmup_ratio": 0.1,
        "max_steps": 100,
        "lr_scheduler_kwargs": more,
    }
    found = convert(arguments)
    assert found.exact
    assert convert(Namespace(**arguments, warmup_steps=0)).schedule == found.schedule
    groups: list[dict[str, Any]] = [
        {"params": [torch.ones(1)]},
        {"params": [torch.ones(1)], "lr": 0.5},
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        live = get_scheduler(kind, torch.optim.SGD(groups, lr=1e-3), 10, 100, more)
    advance(live, 30)
    mid_run = convert(live, total_steps=100)
    assert mid_run.exact
    assert mid_run.notes == ()
    assert "opaque" not in str(mid_run.schedules)
    theirs = advance(copy_of(live), 69)
    assert mid_run.schedules[1](99) == pytest.approx(theirs[1][-1], abs=1e-12)


def test_transformers_says_what_is_missing() -> None:
    with pytest.raises(AdapterError, match=r"max_steps must be given: this type"):
        convert({"lr_scheduler_type": "cosine"})
    with pytest.raises(AdapterError, match="this type follows a metric"):
        convert({"lr_scheduler_type": "reduce_lr_on_plateau"})
    with pytest.raises(AdapterError, match="be arguments of get_cosine"):
        convert(
            {"lr_scheduler_type": "cosine", "lr_scheduler_kwargs": {"x": 1}},
            total_steps=9,
        )


@pytest.mark.peers
@pytest.mark.parametrize("sched", ["cosine", "tanh", "step", "poly", "constant", "wsd"])
@pytest.mark.parametrize("epochs", [True, False])
def test_timm_arguments(sched: str, epochs: bool) -> None:
    found_timm = find_spec("timm") if "timm" not in sys.modules else None
    if found_timm is not None:  # its schedulers alone: docs/decisions/0002
        package = ModuleType("timm")
        package.__spec__ = found_timm
        package.__path__ = list(found_timm.submodule_search_locations or ())
        sys.modules["timm"] = package
    found = convert(
        {
            "sched": sched,
            "num_epochs": 30,
            "warmup_epochs": 5,
            "min_lr": 1e-4,
            "step_on_epochs": epochs,
            "updates_per_epoch": 4,
        },
        base_lr=0.1,
    )
    assert found.exact
    assert ("a step of this schedule is an epoch" in str(found.notes)) == epochs


def test_timm_says_what_is_missing() -> None:
    with pytest.raises(AdapterError, match=r"timm.lr must be given"):
        convert({"sched": "cosine"})
    with pytest.raises(AdapterError, match="plateau follows a metric"):
        convert({"sched": "plateau", "lr": 0.1})
    with pytest.raises(InvalidScheduleError, match="sched must be one of"):
        convert({"sched": "triangle", "lr": 0.1})
