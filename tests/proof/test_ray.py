"""The Ray engine on a real cluster of two nodes."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from stepsize.errors import ProofError
from stepsize.proof import Comparison, compare
from stepsize.proof.store import RUNS

ray = pytest.importorskip("ray", reason="Ray is one of the packages of `make bench`")
pytestmark = [pytest.mark.peers, pytest.mark.slow]

SCRIPT = """
import os
import time

import numpy as np


def train(schedule, *, total_steps, seed, report):
    if seed == 1 and schedule(total_steps // 2) > 0.05:
        raise RuntimeError("too high for me")
    time.sleep(0.2)
    rng = np.random.default_rng(seed)
    weights = rng.normal(size=(50, 50))
    for update in range(total_steps):
        weights -= schedule(update) * weights @ weights.T @ weights / 50
        report(update, val=float(np.abs(weights).sum()))
    val = float(np.abs(weights).sum())
    return {"val": val, "test": val, "direction": "min", "updates": total_steps}
"""


@pytest.fixture
def script(tmp_path: Path) -> str:
    (tmp_path / "mine.py").write_text(SCRIPT)
    return f"{tmp_path}/mine.py:train"


@pytest.fixture
def cluster() -> Iterator[Any]:
    from ray.cluster_utils import Cluster

    found = Cluster(
        initialize_head=True,
        head_node_args={"num_cpus": 1, "include_dashboard": False},
    )
    try:
        yield found
    finally:
        ray.shutdown()
        found.shutdown()


def small(script: str, **more: Any) -> Comparison:
    settings: dict[str, Any] = {
        "schedules": ["wsd"],
        "total_steps": 30,
        "seeds": 4,
        "lrs": [0.01, 0.03, 0.1],
    }
    return compare(script, **(settings | more))


def test_a_node_killed_on_the_way_costs_no_run(
    script: str, cluster: Any, tmp_path: Path
) -> None:
    node = cluster.add_node(num_cpus=1)
    cluster.wait_for_nodes()
    ray.init(address=cluster.address, log_to_driver=False)
    assert ray.cluster_resources()["CPU"] == 2.0
    lost = list[object]()

    def progress(done: int, total: int) -> None:
        if done >= 6 * 30 and not lost:
            lost.append(node)
            cluster.remove_node(node, allow_graceful=False)  # SIGKILL

    on_ray = small(script, engine="ray", store=tmp_path / "store", on_progress=progress)
    assert lost
    deadline = time.monotonic() + 60  # the cluster learns of it when it asks the node
    while [node["Alive"] for node in ray.nodes()].count(True) > 1:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    lines = (tmp_path / "store" / "mine.py-train" / RUNS).read_bytes().splitlines()
    keys = [json.loads(line)["key"] for line in lines]
    assert len(keys) == len(set(keys)) == 24 - 2
    assert {run.status for run in on_ray.runs} == {"finished", "error"}
    # To the bit what processes of this machine give, curves and reasons included.
    again = small(script, engine="processes", jobs=2, store=None)
    assert on_ray.runs == again.runs
    assert on_ray.arms == again.arms


def test_workloads_agree_with_processes_to_the_bit() -> None:
    settings: dict[str, Any] = {
        "schedules": ["wsd", "constant_ema", "plateau"],
        "total_steps": 40,
        "seeds": 2,
        "lrs": [0.03, 0.1],
        "jobs": 2,
    }
    one, other = (
        compare("digits", engine=engine, **settings) for engine in ("ray", "processes")
    )
    assert one.runs == other.runs
    assert one.arms == other.arms
    assert one.engine == "ray"


def test_a_run_that_kills_its_worker_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text(
        SCRIPT.replace('raise RuntimeError("too high for me")', "os._exit(3)")
    )
    comparison = small(f"{path}:train", engine="ray", jobs=2, seeds=2)
    wrong = [run for run in comparison.runs if run.status != "finished"]
    assert [(run.peak_lr, run.seed, run.status) for run in wrong] == [
        (0.1, 1, "error")
    ] * 2
    assert all("its process died" in run.reason for run in wrong)


def test_a_cluster_that_is_not_there_is_one_error(script: str) -> None:
    with pytest.raises(ProofError, match=r"compare\.address must be that of a running"):
        small(script, engine="ray", address="auto")
    with pytest.raises(ProofError, match=r"compare\.jobs must be left out with an add"):
        small(script, engine="ray", address="auto", jobs=2)
