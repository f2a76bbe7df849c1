"""The tables of docs/scaling/measured.md and docs/recipes.md, and their measuring."""

import json
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from benchmarks.scaling import batch, recipes
from benchmarks.scaling.cases import CASES, Case, chance

DOCS = Path(batch.__file__).parents[2] / "docs"
SMALL = Case(workload="digits", optimizer="sgd", batch=8, steps=64, few=16)


def rows_of(part: ModuleType, name: str) -> list[Any]:
    path = Path(batch.__file__).with_name(f"{name}.json")
    return [part.Row(**row) for row in json.loads(path.read_text("utf-8"))["rows"]]


@pytest.mark.parametrize(
    ("part", "page"), [(batch, "scaling/measured.md"), (recipes, "recipes.md")]
)
def test_the_page_says_what_was_measured(part: ModuleType, page: str) -> None:
    name = part.__name__.rpartition(".")[2]
    text = (DOCS / page).read_text("utf-8")
    for said in part.tables(rows_of(part, name)).split("\n\n"):
        assert said in text


def test_every_case_is_measured_at_equal_samples_and_at_equal_updates() -> None:
    found = {
        (row.keep, row.workload, row.optimizer, row.factor)
        for row in rows_of(batch, "batch")
    }
    assert found == {
        (keep, case.workload, case.optimizer, factor)
        for keep in ("samples", "updates")
        for case in CASES
        for factor in batch.FACTORS
    }


@pytest.mark.slow
@pytest.mark.parametrize("keep", ["samples", "updates"])
def test_a_case_is_scaled_and_its_grids_reach_past_the_best(
    monkeypatch: pytest.MonkeyPatch, keep: str
) -> None:
    monkeypatch.setattr(batch, "CASES", [SMALL])
    rows = [row for row in batch.measure(("digits",)) if row.keep == keep]
    assert [row.factor for row in rows] == [2, 4, 8, 16]
    for row in rows:
        assert row.regrets.keys() == row.lrs.keys() >= {"leave it", "advised"}
        assert min(row.regrets.values()) >= 0
        assert max(row.regrets.values()) <= 1
        assert row.best <= min(row.losses.values()) < chance("digits")
        assert row.lrs["linear"] == pytest.approx(row.factor * row.base_lr)
        assert row.lrs["sqrt"] == pytest.approx(row.factor**0.5 * row.base_lr)
        grid = sorted(row.losses)
        assert all(high == pytest.approx(2 * low) for low, high in pairwise(grid))
        assert grid[0] < row.best_lr < grid[-1]
