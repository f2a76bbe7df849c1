import json
from typing import Any

import numpy as np
import pytest

import stepsize as ss
from stepsize.planner.scaling.steps import StepPlan, plan_steps

DATA: dict[str, Any] = {"dataset_size": 50_000, "epochs": 10}


def test_accumulation_and_ranks_give_the_plan_of_their_batch() -> None:
    split = plan_steps(**DATA, micro_batch=16, accumulation=8, world_size=2)
    whole = plan_steps(**DATA, batch=256)
    assert (split.batch, split.total_steps) == (whole.batch, whole.total_steps)
    assert (split.batch, split.total_steps) == (256, 1960)


def test_updates_warmup_and_tokens() -> None:
    plan = plan_steps(**DATA, micro_batch=32, tokens_per_sample=100, warmup="1 epoch")
    assert plan.total_steps == 15_630
    assert plan.warmup_steps == 1563
    assert plan.samples == 15_630 * 32
    assert plan.tokens == 15_630 * 3200
    assert plan_steps(**DATA, batch=32, warmup=7).warmup_steps == 7
    assert plan_steps(**DATA, batch=32).warmup_steps == 0


def _plan() -> StepPlan:
    return plan_steps(**DATA, micro_batch=16, accumulation=8, world_size=2, warmup="5%")


def test_each_framework_counts_the_same_updates() -> None:
    told = _plan().told()
    assert told["transformers"] == {
        "per_device_train_batch_size": 16,
        "gradient_accumulation_steps": 8,
        "max_steps": 1960,
        "warmup_steps": 98,
    }
    assert told["accelerate"]["num_training_steps"] == 1960 * 2  # once for each rank
    assert told["keras"]["warmup_steps"] == 98 * 8  # it counts micro-batches
    assert told["deepspeed"]["train_batch_size"] == 256
    assert told["composer"]["max_duration"] == "1960ba"


def test_it_prints_in_80_columns_and_is_plain() -> None:
    plan = _plan()
    assert all(len(line) <= 80 for line in str(plan).splitlines())
    assert "256 = 16 x 8 x 2" in str(plan)
    assert json.loads(json.dumps(plan.to_dict()))["total_steps"] == 1960


@pytest.mark.parametrize(
    ("more", "text"),
    [
        ({"batch": 256, "epochs": None}, r"Horizon\.plan\.epochs must be given"),
        ({"batch": 256, "steps": 5}, r"Horizon\.plan\.epochs must be given, or steps"),
        ({"batch": 10**6, "drop_last": True}, "leave at least one update"),
        ({"batch": 256, "warmup": 5000}, "be at most the run's 1960 updates"),
        ({"batch": 256, "micro_batch": 3}, r"equal micro_batch \* accumulation"),
    ],
)
def test_impossible_runs(more: dict[str, Any], text: str) -> None:
    with pytest.raises(ss.InvalidScheduleError, match=text):
        plan_steps(**{**DATA, **more})


def test_a_warmup_in_tokens_needs_a_samples_tokens() -> None:
    with pytest.raises(ss.UnitError, match=r"plan_steps\.tokens_per_sample must be"):
        plan_steps(**DATA, batch=256, warmup="1e6 tokens")


def test_numpy_ints_are_plain_and_no_warmup_is_0() -> None:
    counts: dict[str, Any] = {"micro_batch": 16, "accumulation": 8, "world_size": 2}
    given: dict[str, Any] = {name: np.int64(value) for name, value in counts.items()}
    made, plain = plan_steps(**DATA, **given), plan_steps(**DATA, **counts)
    assert json.loads(json.dumps(made.to_dict())) == plain.to_dict()
    assert plan_steps(**DATA, **counts, warmup=0) == plain
