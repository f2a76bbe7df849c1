"""The population engine gives the numbers of ordinary, separate training."""

import threading
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from stepsize.errors import ProofError
from stepsize.proof import workloads
from stepsize.proof.population import (
    Population,
    Throughput,
    measure_throughput,
    train_one,
    train_population,
)
from stepsize.proof.population.result import FloatArray
from stepsize.proof.workloads.mlp import Mlp
from stepsize.proof.workloads.models import AbstractModel
from stepsize.proof.workloads.spec import Workload

FULL = 1e-8  # float64, whole runs
UPDATE = 1e-5  # float32, one update from the same state


def ramp(lrs: list[float], steps: int) -> FloatArray:
    """Rates that fall from each of `lrs` to a tenth of it."""
    return np.outer(lrs, np.linspace(1.0, 0.1, steps))


def dropout_workload() -> Workload:
    """The digits, with a tenth of the hidden units dropped in every update."""
    return replace(
        workloads.load("digits"), network=lambda: Mlp((64, 32, 32, 10), dropout=0.1)
    )


def workload_named(name: str) -> Workload:
    return dropout_workload() if name == "dropout" else workloads.load(name)


def assert_same(
    population: Population, member: int, alone: Population, tolerance: float
) -> None:
    def close(ours: FloatArray, theirs: FloatArray) -> None:
        np.testing.assert_allclose(ours, theirs, rtol=tolerance, atol=tolerance)

    assert population.frozen_at[member] == alone.frozen_at[0]
    assert population.diverged[member] == alone.diverged[0]
    close(population.parameters[member].numpy(), alone.parameters[0].numpy())
    close(population.train_loss[member], alone.train_loss[0])
    close(population.val_curve[member], alone.val_curve[0])
    close(population.val[[member]], alone.val)
    close(population.test([member]), alone.test([0]))


@pytest.mark.parametrize(
    ("name", "lrs", "steps"),
    [
        ("digits", [0.03, 0.1, 0.1, 1e3], 560),
        ("dropout", [0.03, 0.1, 0.1, 1e3], 200),
        ("mnist5k", [1e-3, 1e-2, 1e-2], 600),
        ("charlm", [3e-3, 1e-2, 1e-2, 1e4], 30),
    ],
)
def test_whole_runs_equal_separate_training(
    name: str, lrs: list[float], steps: int
) -> None:
    workload = workload_named(name)
    rates = ramp(lrs, steps)
    seeds = [2, 0, 1, 1][: len(lrs)]
    population = train_population(workload, rates, seeds, dtype=torch.float64)
    assert population.val_curve.shape == (len(lrs), 20)
    for member, seed in enumerate(seeds):
        alone = train_one(
            workload,
            rates[member],
            seed,
            dtype=torch.float64,
            implementation="single",
        )
        assert_same(population, member, alone, FULL)


@pytest.mark.parametrize("name", ["digits", "dropout", "mnist5k", "charlm"])
@pytest.mark.parametrize("implementation", ["fused", "foreach", "single"])
def test_one_float32_update_equals_torch(name: str, implementation: str) -> None:
    workload = workload_named(name)
    rates = np.array([[workload.default_lr], [3 * workload.default_lr]])
    population = train_population(workload, rates, [0, 7])
    for member, seed in enumerate([0, 7]):
        alone = train_one(
            workload,
            rates[member],
            seed,
            implementation=implementation,  # type: ignore[arg-type]  # parametrised
        )
        ours, theirs = population.parameters[member], alone.parameters[0]
        assert float((ours - theirs).abs().max()) < UPDATE


def test_float32_means_agree_within_the_noise_of_seeds() -> None:
    workload = workloads.load("digits")
    seeds = list(range(8))
    rates = np.full((8, workload.total_steps), 0.1)
    together = train_population(workload, rates, seeds).test(seeds)
    alone = np.concatenate(
        [train_one(workload, rates[0], seed).test([0]) for seed in seeds]
    )
    assert abs(together.mean() - alone.mean()) < 0.2 * alone.std(ddof=1)


@settings(max_examples=10)
@given(st.data())
def test_a_member_does_not_depend_on_its_company(data: st.DataObject) -> None:
    workload = dropout_workload()
    count = data.draw(st.integers(2, 9))
    seeds = data.draw(st.lists(st.integers(0, 3), min_size=count, max_size=count))
    lr = st.sampled_from([0.01, 0.1, 1e3, 1e30])
    rates = ramp(data.draw(st.lists(lr, min_size=count, max_size=count)), 50)
    chosen = data.draw(st.permutations(range(count)))[: data.draw(st.integers(1, 4))]
    threads = data.draw(st.integers(1, 3))
    whole = train_population(workload, rates, seeds, dtype=torch.float64)
    part = train_population(
        workload,
        rates[chosen],
        [seeds[i] for i in chosen],
        dtype=torch.float64,
        threads=threads,
    )
    for member, original in enumerate(chosen):
        assert part.frozen_at[member] == whole.frozen_at[original]
        np.testing.assert_allclose(
            part.parameters[member].numpy(),
            whole.parameters[original].numpy(),
            rtol=FULL,
            atol=FULL,
        )


def test_same_seeds_same_numbers_to_the_bit() -> None:
    workload = workloads.load("digits")
    rates = ramp([0.03, 0.1, 0.3], 100)
    first, second = (train_population(workload, rates, [0, 1, 1]) for _ in range(2))
    assert torch.equal(first.parameters, second.parameters)
    np.testing.assert_array_equal(first.val_curve, second.val_curve)
    np.testing.assert_array_equal(first.train_loss, second.train_loss)


def test_a_diverged_member_is_frozen_and_the_others_do_not_notice() -> None:
    workload = workloads.load("digits")
    rates = np.full((3, 80), 0.1)
    rates[1, 40:] = 1e30
    population = train_population(workload, rates, [0, 0, 0], evaluations=8)
    assert population.diverged.tolist() == [False, True, False]
    frozen = int(population.frozen_at[1])
    assert 40 <= frozen < 44
    assert population.frozen_at[[0, 2]].tolist() == [80, 80]
    seen = population.updates <= frozen
    assert np.isfinite(population.train_loss[1, seen]).all()
    assert np.isnan(population.train_loss[1, ~seen]).all()
    assert (population.val_curve[1, ~seen] == workload.chance).all()
    assert population.val[1] == workload.chance
    assert population.test([1, 0])[0] == workload.chance
    assert torch.equal(population.parameters[0], population.parameters[2])
    calm = train_population(workload, rates[:1], [0], evaluations=8)
    np.testing.assert_array_equal(population.val_curve[0], calm.val_curve[0])


def test_parameters_are_watched_as_well_as_the_loss() -> None:
    class Blind(AbstractModel):
        """Its loss does not depend on its parameter, but decay acts on it."""

        def __init__(self) -> None:
            super().__init__()
            self.unseen = nn.Parameter(torch.zeros(1))

        def reset(self, generator: torch.Generator) -> None:
            with torch.no_grad():
                self.unseen.fill_(1.0)

        def forward(self, inputs: torch.Tensor, masks: object = ()) -> torch.Tensor:
            del masks
            return inputs[..., :10] + 0.0 * self.unseen.clamp(-1.0, 1.0)

    workload = replace(workloads.load("digits"), network=Blind, weight_decay=1.0)
    rates = np.full((1, 20), 1e8)
    population = train_population(workload, rates, [0])
    alone = train_one(workload, rates[0], 0)
    assert np.isfinite(population.train_loss[0, 0])
    assert 0 < population.frozen_at[0] == alone.frozen_at[0] < 20


def test_readings_are_even_and_end_with_the_final_metric() -> None:
    workload = replace(workloads.load("digits"), curve_size=50)
    population = train_population(workload, ramp([0.1], 70), [0], evaluations=4)
    assert population.updates.tolist() == [17, 35, 52, 70]
    np.testing.assert_array_equal(population.val_curve[:, -1], population.val)
    few = train_population(workload, ramp([0.1], 3), [0], evaluations=20)
    assert few.updates.tolist() == [1, 2, 3]


def test_progress_reaches_the_total_and_never_falls() -> None:
    told: list[tuple[int, int]] = []
    rates = ramp([0.1, 0.1, 1e30], 50)
    train_population(
        workloads.load("digits"),
        rates,
        [0, 1, 2],
        progress=lambda done, total: told.append((done, total)),
        threads=2,
    )
    assert told[-1] == (150, 150)
    assert told == sorted(told)


def test_an_exception_of_progress_ends_all_threads() -> None:
    def refuse(done: int, total: int) -> None:
        raise KeyboardInterrupt(f"{done} of {total}")

    before = threading.active_count()
    with pytest.raises(KeyboardInterrupt, match="of 11200"):
        train_population(
            workloads.load("digits"),
            ramp([0.1] * 20, 560),
            [0] * 20,
            progress=refuse,
            threads=2,
        )
    assert threading.active_count() == before


def test_torch_is_left_as_it_was() -> None:
    threads, state = torch.get_num_threads(), torch.get_rng_state()
    train_population(workloads.load("digits"), ramp([0.1], 5), [0]).test([0])
    assert torch.get_num_threads() == threads
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("lr", [float("nan"), float("inf"), -0.1])
def test_a_rate_that_is_none_is_named(lr: float) -> None:
    rates = ramp([0.1, 0.1], 10)
    rates[1, 3] = lr
    rule = r"train_population.rates\[1, 3\] must be finite and >= 0 \(unit: lr\)"
    with pytest.raises(ProofError, match=rule):
        train_population(workloads.load("digits"), rates, [0, 1])


@pytest.mark.parametrize("shape", [(2, 10), (10,), (0, 10), (1, 0)])
def test_rates_must_match_the_seeds(shape: tuple[int, ...]) -> None:
    rule = r"rates must have shape \(n_members, total_steps\)"
    seeds = [0] * (0 if shape[0] == 0 else 1)
    with pytest.raises(ProofError, match=rule):
        train_population(workloads.load("digits"), np.full(shape, 0.1), seeds)


@pytest.mark.parametrize("evaluations", [0, -1, 1.5])
def test_evaluations_must_be_a_positive_int(evaluations: float) -> None:
    with pytest.raises(ProofError, match="evaluations must be an int >= 1"):
        train_population(
            workloads.load("digits"),
            ramp([0.1], 10),
            [0],
            evaluations=evaluations,  # type: ignore[arg-type]  # the wrong field
        )


@pytest.mark.parametrize("threads", [0, -2])
def test_threads_must_be_positive(threads: int) -> None:
    with pytest.raises(ProofError, match="threads must be None or an int >= 1"):
        train_population(
            workloads.load("digits"), ramp([0.1], 10), [0], threads=threads
        )


@pytest.mark.parametrize("member", [-1, 2])
def test_the_test_split_is_read_for_known_members_only(member: int) -> None:
    population = train_population(
        workloads.load("digits"), ramp([0.1, 0.03], 10), [0, 1]
    )
    assert population.test([]).shape == (0,)
    with pytest.raises(ProofError, match=r"numbers in \[0, 2\) .*; got"):
        population.test([0, member])


@pytest.mark.parametrize(
    ("threaded", "most"),
    [(0.5, None), (0.75, 3), (1.0, 2), (0.625, 5)],
)
def test_cores_that_a_population_gains_on_follow_from_the_share_of_the_interpreter(
    threaded: float, most: int | None
) -> None:
    # Twice as fast on one core: n threads take (s + (1 - s) / n) / 2, processes 1 / n.
    measured = Throughput(
        workload="digits",
        members=4,
        one_by_one=2.0,
        implementation="fused",
        population=1.0,
        threaded=threaded,
    )
    assert measured.most_cores == most


def test_throughput_is_measured_of_both_engines() -> None:
    workload = replace(workloads.load("digits"), total_steps=20)
    measured = measure_throughput(workload, members=4, repeats=1)
    assert measured.one_by_one > 0
    assert measured.population > 0
    assert measured.threaded > 0
    assert measured.ratio == measured.one_by_one / measured.population
    assert "4 members on one core" in str(measured)
