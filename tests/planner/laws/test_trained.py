"""The results that are checked in: whole, and what their seeds say."""

import json
from typing import Any

import pytest
from benchmarks.laws import refining, training

TRAINED: dict[str, Any] = json.loads(training.FILE.read_text(encoding="utf-8"))
REFINED: dict[str, Any] = json.loads(refining.FILE.read_text(encoding="utf-8"))


def test_three_workloads_with_eight_seeds() -> None:
    assert TRAINED.keys() == REFINED.keys() == training.TASKS.keys()
    for one in (*TRAINED.values(), *REFINED.values()):
        assert {len(losses) for losses in one["losses"].values()} == {8}


@pytest.mark.parametrize("name", TRAINED)
def test_differences_are_those_of_the_seeds(name: str) -> None:
    one = TRAINED[name]
    for arm, said in one["against"].items():
        found = training.difference(one["losses"]["optimum"], one["losses"][arm])
        assert found == pytest.approx(said)
        assert said["low"] < said["mean"] < said["high"]
    one = REFINED[name]
    for arm, said in one["against_linear"].items():
        found = training.difference(one["losses"][arm], one["losses"]["linear"])
        assert found == pytest.approx(said)


@pytest.mark.parametrize("name", TRAINED)
def test_tuned_peaks_lie_within_their_grids(name: str) -> None:
    grids = training.TASKS[name].grid
    tuned = TRAINED[name]["tuned"] | REFINED[name]["tuned"]
    for arm, peak in tuned.items():
        grid = sorted(grids.get(arm, grids["wsd 20 %"]))
        assert grid[0] < peak < grid[-1]
