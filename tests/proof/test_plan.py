import shlex

import pytest

from stepsize.cli.texts import schedules
from stepsize.proof import workloads
from stepsize.proof.arms import select
from stepsize.proof.plan import Budget, repeat_command, workload_budget

NOTHING = Budget(total_steps=None, seeds=None, lrs=None, default_lr=None)


@pytest.mark.parametrize(
    "wanted",
    [
        ["wsd"],
        ["constant"],
        ['long=warmup("20%") >> cosine()', "step"],
        ["wsd=hold() >> linear()"],
    ],
)
def test_the_command_asks_for_the_same_arms(wanted: list[str]) -> None:
    arms = select(wanted)
    words = shlex.split(
        repeat_command("digits", schedules=arms, asked=NOTHING, tuned=False)
    )
    texts = [words[i + 1] for i, word in enumerate(words) if word == "--schedules"]
    assert select(schedules(texts)) == arms


def test_the_command_names_what_was_asked_for_and_no_more() -> None:
    asked = Budget(total_steps=5, seeds=2, lrs=[1.0, 0.1], default_lr=0.1)
    assert repeat_command("a.py:f", schedules=None, asked=asked, tuned=True) == (
        "stepsize compare a.py:f --total-steps 5 --seeds 2 --lrs 0.1,1.0 "
        "--default-lr 0.1 --tuned"
    )
    plain = repeat_command("digits", schedules=None, asked=NOTHING, tuned=False)
    assert plain == "stepsize compare digits"


def test_a_workload_brings_its_own_budget() -> None:
    workload = workloads.load("digits")
    subject, grid, seeds = workload_budget(workload, NOTHING)
    assert (subject.total_steps, seeds) == (workload.total_steps, workload.seeds)
    assert grid == workload.peak_lrs
    assert subject.default_lr == workload.default_lr
    assert subject.failed_margin == workload.failed_margin


def test_a_grid_without_the_default_rate_has_no_such_column() -> None:
    asked = Budget(total_steps=None, seeds=None, lrs=[0.5], default_lr=None)
    subject, grid, _ = workload_budget(workloads.load("digits"), asked)
    assert grid == (0.5,)
    assert subject.default_lr is None
