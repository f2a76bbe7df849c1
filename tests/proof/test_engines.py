from typing import Any

import pytest

from stepsize.errors import ProofError
from stepsize.proof.arms import select
from stepsize.proof.cells import Planned
from stepsize.proof.engines import choose
from stepsize.proof.engines.population import PopulationEngine
from stepsize.proof.functions import TrainFunction
from stepsize.proof.tasks import WorkloadTask
from stepsize.proof.workloads.mlp import Mlp

DIGITS = WorkloadTask("digits")


def function(schedule: object, *, total_steps: int, seed: int, report: object) -> None:
    raise AssertionError


FUNCTION = TrainFunction.find(function)


@pytest.mark.parametrize(
    ("name", "task", "engine"),
    [
        ("auto", DIGITS, "population"),
        ("auto", FUNCTION, "processes"),
        ("population", DIGITS, "population"),
        ("processes", DIGITS, "processes"),
        ("processes", FUNCTION, "processes"),
    ],
)
def test_which_engine_trains_what(name: Any, task: Any, engine: str) -> None:
    assert choose(name, task).name == engine


@pytest.mark.parametrize(("most", "engine"), [(0, "processes"), (10**6, "population")])
def test_beyond_the_cores_it_gains_on_a_population_gives_way(
    monkeypatch: pytest.MonkeyPatch, most: int, engine: str
) -> None:
    monkeypatch.setattr(Mlp, "most_cores", most)
    assert choose("auto", DIGITS).name == engine
    assert choose("population", DIGITS).name == "population"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"name": "threads"}, "compare.engine must be one of auto, population"),
        ({"name": "population"}, "'population' must be for a built-in workload"),
        ({"name": "auto", "jobs": 0}, "compare.jobs must be an int >= 1"),
        ({"name": "auto", "jobs": True}, "compare.jobs must be an int >= 1"),
        ({"name": "auto", "address": "auto"}, "compare.address must be for the engine"),
    ],
)
def test_what_cannot_be_is_one_error(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ProofError, match=message):
        choose(task=FUNCTION, **settings)


def test_a_population_trains_the_batches_that_the_plan_makes() -> None:
    arms = select(["wsd"])
    plan = [
        Planned(arm, lr, seed, 4)
        for arm in arms
        for lr in (0.01, 0.03, 0.1)
        for seed in range(20)
    ]

    def batches(done: set[int]) -> list[list[int]]:
        engine = PopulationEngine(DIGITS)
        return [
            [index for index, _ in batch]
            for batch in engine.train(plan, done, lambda updates: None)
        ]

    whole = batches(set())
    assert sorted(index for batch in whole for index in batch) == list(range(120))
    assert len(whole) == 2
    # Where the first batch is stored, the second has the same company as before.
    assert batches(set(whole[0])) == whole[1:]
