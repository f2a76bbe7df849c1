"""Optimizers that need no schedule, beside schedules."""

import sys

import numpy as np
import pytest

import stepsize as ss
from stepsize.errors import FrameworkMissingError, ProofError
from stepsize.proof import compare, workloads
from stepsize.proof.arms import EVERYTHING, OPTIMIZERS, Arm, select
from stepsize.proof.baselines import BASELINES
from stepsize.proof.population import train_one
from stepsize.proof.population.single import torch_optimizer


def test_every_name_has_its_optimizer_and_none_is_asked_for_by_all() -> None:
    assert tuple(BASELINES) == OPTIMIZERS
    assert {arm.optimizer for arm in select([EVERYTHING])} == {None}
    (_, arm) = select(["prodigy"])
    assert arm == Arm("prodigy", ss.hold(), optimizer="prodigy")
    assert arm.text == "hold(), optimizer prodigy"


@pytest.mark.peers
def test_they_train_beside_schedules() -> None:
    comparison = compare(
        "mnist5k",
        schedules=["wsd", *OPTIMIZERS],
        total_steps=150,
        lrs=[1e-3, 1e-2],
        seeds=2,
    )
    assert [arm.besides for arm in comparison.arms] == [
        "",
        "",
        *(f"optimizer {name}" for name in OPTIMIZERS),
    ]
    for arm in comparison.arms:
        assert arm.test is not None
        assert arm.test.mean > 70.0, arm.arm  # ten classes: it learned
    # One by one, the constant arm is what the population made of it.
    assert comparison.engine == "population"


@pytest.mark.peers
def test_schedule_free_is_read_at_its_average() -> None:
    workload = workloads.load("digits")
    rates = np.full(60, 0.3)
    make = BASELINES["schedule_free"].make_optimizer
    averaged = train_one(workload, rates, 0, make_optimizer=make)
    optimizers = []

    def deaf(*arguments: object) -> object:
        optimizer = make(*arguments)  # type: ignore[arg-type]  # passed on
        optimizer.eval = lambda: None  # type: ignore[attr-defined]  # the package's
        optimizers.append(optimizer)
        return optimizer

    iterate = train_one(workload, rates, 0, make_optimizer=deaf)  # type: ignore[arg-type]  # as above
    assert len(optimizers) == 1
    # Going to and fro rounds, no more.
    np.testing.assert_allclose(averaged.train_loss, iterate.train_loss, rtol=1e-5)
    assert not np.array_equal(averaged.val_curve, iterate.val_curve)


def test_the_workloads_own_optimizer_may_be_handed_over() -> None:
    workload = workloads.load("digits")
    rates = np.linspace(0.1, 0.0, 40)
    own = train_one(workload, rates, 0)
    handed = train_one(
        workload,
        rates,
        0,
        make_optimizer=lambda workload, model, total: torch_optimizer(workload, model),
    )
    np.testing.assert_array_equal(own.val_curve, handed.val_curve)


def test_a_package_that_is_missing_is_named_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "momo", None)
    with pytest.raises(FrameworkMissingError, match="hint: pip install momo-opt"):
        compare("digits", schedules=["momo"])


def test_a_function_makes_its_own_optimizer() -> None:
    def train(schedule: object, *, total_steps: int, seed: int, report: object) -> None:
        raise AssertionError

    with pytest.raises(ProofError, match="must be a workload where an arm"):
        compare(train, schedules=["prodigy"])


@pytest.mark.parametrize(
    ("arm", "message"),
    [
        ({"optimizer": "adam"}, "must be None or one of schedule_free, prodigy"),
        ({"optimizer": "momo", "average": 0.9}, "must come without an average"),
    ],
)
def test_arms_that_cannot_be(arm: dict[str, object], message: str) -> None:
    with pytest.raises(ProofError, match=message):
        Arm("mine", ss.hold(), **arm)  # type: ignore[arg-type]  # the point
