import os
import textwrap
from pathlib import Path
from typing import Any

import stepsize as ss
from stepsize.proof.arms import Arm
from stepsize.proof.cells import Planned, Returned
from stepsize.proof.engines.processes import ProcessEngine
from stepsize.proof.functions import TrainFunction

FLAT = Arm("flat", ss.hold())
PLANNED = Planned(FLAT, 0.1, seed=3, total_steps=5)
GOOD = "{'val': 1.0, 'test': 2.0, 'direction': 'min', 'updates': total_steps}"


def write(folder: Path, body: str) -> str:
    """Write a script whose `train` has this body and return FILE:train."""
    head = "def train(schedule, *, total_steps, seed, report):\n"
    path = folder / "script.py"
    path.write_text(head + textwrap.indent(textwrap.dedent(body), "    "))
    return f"{path}:train"


def train_all(
    function: TrainFunction, plan: list[Planned], processes: int
) -> dict[int, Returned]:
    engine = ProcessEngine(function, processes)
    batches = engine.train(plan, (), lambda updates: None)
    return dict(pair for batch in batches for pair in batch)


def test_processes_have_one_thread_and_a_dying_one_takes_no_other(
    tmp_path: Path,
) -> None:
    source = write(
        tmp_path,
        f"""
        import os
        if seed == 1:
            os._exit(7)
        threads = float(os.environ["OMP_NUM_THREADS"])
        return {GOOD} | {{'val': threads, 'test': float(os.getpid())}}
        """,
    )
    plan = [Planned(FLAT, 0.1, seed, 5) for seed in range(3)]
    found = train_all(TrainFunction.find(source), plan, 2)
    assert sorted(found) == [0, 1, 2]
    assert found[1].status == "error"
    assert "its process died" in found[1].reason
    for index in (0, 2):
        assert found[index].status == "finished", found[index].reason
        assert found[index].val == 1.0


def test_an_edited_script_is_read_again(tmp_path: Path) -> None:
    for val in (1.0, 2.0):
        source = write(tmp_path, f"return {GOOD} | {{'val': {val}}}")
        os.utime(tmp_path / "script.py", ns=(0, int(val)))
        function = TrainFunction.find(source)
        (returned,) = train_all(function, [PLANNED], 1).values()
        assert returned.val == val


def test_a_callable_reaches_the_processes() -> None:
    namespace: dict[str, Any] = {"__name__": "notebook"}
    head = "def train(schedule, *, total_steps, seed, report):\n"
    exec(f"{head}    return {GOOD} | {{'val': float(seed)}}", namespace)
    function = TrainFunction.find(namespace["train"])
    (returned,) = train_all(function, [PLANNED], 1).values()
    assert returned.val == 3.0, returned.reason
