"""A model that two processes shard (`fully_shard`), in ranks.py."""

from pathlib import Path
from typing import Any

import pytest
from tests.adapters.recording import processes

import stepsize as ss

pytestmark = pytest.mark.slow  # two processes that import torch


@pytest.fixture(scope="module")
def ranks(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    folder: Path = tmp_path_factory.mktemp("checkpoint")
    return processes("tests.adapters.fsdp.ranks", 2, str(folder))


def test_a_resume_from_a_sharded_checkpoint_is_the_same_run(
    ranks: list[dict[str, Any]],
) -> None:
    wanted = (0.01 * ss.warmup(3) >> ss.cosine()).resolve(12).rates()
    for rank in ranks:
        found = rank["resumed"]
        assert found["whole"] == found["parts"] == wanted
        assert found["same"]
        assert found["update"] == 12  # torch's dry run of the optimizer is none


def test_ranks_decide_together_on_the_mean(ranks: list[dict[str, Any]]) -> None:
    for rank in ranks:
        assert rank["decided"]["events"] == [4]
        assert rank["decided"]["used"] == [0.01] * 4 + [0.01 * 0.1] * 2


def test_a_guard_restores_the_shards_of_every_rank(ranks: list[dict[str, Any]]) -> None:
    first, second = (rank["rescued"] for rank in ranks)
    assert first == second
    assert first["events"][0] == "rewind"
    assert first["finite"]
