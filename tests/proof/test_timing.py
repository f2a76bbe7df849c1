from dataclasses import replace
from pathlib import Path

from stepsize.proof import Results, compare, workloads
from stepsize.proof.arms import select
from stepsize.proof.report.page import render
from stepsize.proof.results import dumps, loads
from stepsize.proof.timing import BLOCKS, time_updates


def test_every_arm_is_timed_against_a_loop_without() -> None:
    arms = select(["wsd", "constant_ema", "plateau"])
    costs = time_updates(workloads.load("digits"), arms, 50, updates=4)
    assert list(costs) == [arm.name for arm in arms]
    assert costs["constant"].extra is None
    for arm in arms[1:]:
        cost = costs[arm.name]
        assert cost.seconds > 0
        assert cost.n == 4 * BLOCKS
        assert cost.extra is not None
        assert cost.extra.n == BLOCKS


def test_times_are_in_the_page_and_the_results_and_do_not_count_as_a_difference(
    tmp_path: Path,
) -> None:
    plain, timed = (
        compare(
            "digits",
            schedules=["wsd"],
            total_steps=10,
            seeds=2,
            lrs=[0.1],
            timing=timing,
            store=tmp_path,
        )
        for timing in (False, True)
    )
    assert plain == timed
    assert plain.arms[1].cost is None
    (read,) = loads(dumps(Results(comparisons=(timed,)))).comparisons
    assert read.arms[1].cost is not None
    assert read.arms[1].cost == timed.arms[1].cost
    pages = [render(Results(comparisons=(one,))) for one in (plain, timed)]
    assert ["An update takes" in page for page in pages] == [False, True]
    without = replace(timed, arms=(plain.arms[0], *timed.arms[1:]))
    assert "An update takes" not in render(Results(comparisons=(without,)))
