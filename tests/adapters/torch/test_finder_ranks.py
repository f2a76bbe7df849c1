"""Processes that find together stop together, with one result (find_ranks.py)."""

import json
from pathlib import Path
from typing import Any

import pytest
from tests.adapters.torch.test_ranks import outcomes


@pytest.mark.parametrize("size", [2, pytest.param(3, marks=pytest.mark.slow)])
def test_ranks_stop_at_the_same_step_with_the_same_rate(
    tmp_path: Path, size: int
) -> None:
    ranks: list[dict[str, Any]] = outcomes("find_ranks", tmp_path, size)

    def same(name: str) -> Any:
        first, *rest = [json.dumps(one[name]) for one in ranks]
        assert all(one == first for one in rest), name
        return json.loads(first)

    found = same("found")
    assert found["suggestion"] is not None
    assert same("made") == found["steps"]
    assert len({one["first"] for one in ranks}) == size  # each has batches of its own
    ramp = len(found["curve"]["losses"])
    *others, last = [one["broken"][:ramp] for one in ranks]
    assert found["curve"]["losses"][-1] is None
    assert last.index(True) == ramp - 1
    assert not any(one[ramp - 1] for one in others)  # they would have gone on
    assert same("accumulated")["suggestion"] is not None
    assert same("custom")[1] == same("custom")[2]
    assert [one["restored"] for one in ranks] == [True] * size
    assert same("epoch") == 0
    assert "at least one batch" in same("error")["text"]
