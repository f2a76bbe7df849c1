"""What an arm has beside its rates: an average of the weights, policies."""

from dataclasses import replace

import numpy as np
import pytest
import torch

import stepsize as ss
from stepsize.control.policies import Plateau
from stepsize.errors import ProofError
from stepsize.proof import workloads
from stepsize.proof.population import train_population
from stepsize.proof.population.averages import Averages
from stepsize.proof.population.steering import Steering

STEPS = 60


def test_an_average_is_that_of_torch() -> None:
    generator = torch.Generator().manual_seed(0)
    weights = torch.randn(6, 1, 5, generator=generator)
    model = torch.nn.Linear(4, 1)
    ema = torch.optim.swa_utils.get_ema_multi_avg_fn(0.9)  # type: ignore[no-untyped-call]
    theirs = torch.optim.swa_utils.AveragedModel(model, multi_avg_fn=ema)
    ours = Averages({0: 0.9})
    for row in weights:
        torch.nn.utils.vector_to_parameters(row[0], model.parameters())
        theirs.update_parameters(model)
        ours.add(np.array([0]), row, torch.empty(1, 0))
    found, _ = ours.evaluated(0, weights[-1][0], torch.empty(0))
    expected = torch.nn.utils.parameters_to_vector(theirs.module.parameters())
    torch.testing.assert_close(found, expected)


def test_only_members_with_an_average_are_evaluated_on_it() -> None:
    workload = workloads.load("digits")
    rates = np.full((3, STEPS), 0.1)
    plain = train_population(workload, rates[:1], [0], dtype=torch.float64)
    mixed = train_population(
        workload, rates, [0, 0, 0], averages=[None, 0.9, 1e-12], dtype=torch.float64
    )
    assert torch.equal(mixed.parameters[0], plain.parameters[0])
    assert not torch.allclose(mixed.parameters[1], plain.parameters[0])
    torch.testing.assert_close(mixed.parameters[2], plain.parameters[0])
    np.testing.assert_array_equal(mixed.val_curve[0], plain.val_curve[0])
    assert (mixed.val_curve[1] != plain.val_curve[0]).any()


def test_an_average_dies_with_its_member() -> None:
    workload = workloads.load("digits")
    rates = np.full((2, STEPS), 0.1)
    rates[0, 20:] = 1e30
    found = train_population(workload, rates, [0, 0], averages=[0.9, 0.9])
    alone = train_population(workload, rates[1:], [0], averages=[0.9])
    assert found.diverged.tolist() == [True, False]
    assert found.parameters[0].isnan().all()
    torch.testing.assert_close(found.parameters[1], alone.parameters[0])


def test_a_policy_cuts_the_rate_of_its_member_alone() -> None:
    workload = replace(workloads.load("digits"), curve_size=50)
    policy = Plateau("val", factor=0.5, patience=1, convention="torch")
    moving = Steering(ss.parse("0.1 * hold()"), STEPS, [policy])
    found = train_population(
        workload,
        np.full((2, STEPS), 0.1),
        [0, 0],
        steering=[moving, None],
        dtype=torch.float64,
    )
    plain = train_population(
        workload, np.full((1, STEPS), 0.1), [0], dtype=torch.float64
    )
    assert torch.equal(found.parameters[1], plain.parameters[0])
    events = moving.trajectory.events
    assert events
    assert all(event.kind == "scale" for event in events)
    by_hand = train_population(
        workload,
        np.array([moving.trajectory.block(0, STEPS)]),
        [0],
        dtype=torch.float64,
    )
    torch.testing.assert_close(found.parameters[0], by_hand.parameters[0])


def test_observations_are_even_and_in_the_sense_that_less_is_better() -> None:
    seen: list[tuple[int, float]] = []

    class Watching(Steering):  # type: ignore[misc]  # final, but for a test
        def observe(self, update: int, metric: float) -> None:
            seen.append((update, metric))

    workload = replace(workloads.load("digits"), curve_size=100)
    watching = Watching(ss.parse("0.1 * hold()"), 100, [Plateau("val")])
    population = train_population(
        workload,
        np.full((1, 100), 0.1),
        [0],
        steering=[watching],
        evaluations=50,
    )
    assert [update for update, _ in seen] == list(range(2, 100, 2))
    errors = [100 - value for value in population.val_curve[0][:-1]]
    assert [metric for _, metric in seen] == pytest.approx(errors)


def test_there_must_be_one_per_member() -> None:
    workload, rates = workloads.load("digits"), np.full((2, 5), 0.1)
    with pytest.raises(ProofError, match=r"averages must be None or one per .*; got 1"):
        train_population(workload, rates, [0, 1], averages=[0.9])
    with pytest.raises(ProofError, match=r"steering must be None or one per .*; got 3"):
        train_population(workload, rates, [0, 1], steering=[None] * 3)


def test_what_was_learned_before_can_be_read_again() -> None:
    source = workloads.load("digits")
    kept = train_population(source, np.full((1, STEPS), 0.1), [0])
    again = replace(source, source=source.examples)
    found = train_population(again, np.full((1, STEPS), 0.1), [0])
    assert found.retained([0]) == found.test([0])
    with pytest.raises(ProofError, match="trained on something before; got 'digits'"):
        kept.retained([0])
