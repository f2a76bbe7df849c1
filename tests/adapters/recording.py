"""What the tests of several adapters need: an optimizer that tells, examples that run.

Nothing here knows stepsize.
"""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import torch

ROOT = Path(__file__).parents[2]


class Recording(torch.optim.SGD):
    """Lists the rates of every update that was made, over interruptions too."""

    def __init__(self, *args: Any, used: list[list[float]], **kwargs: Any) -> None:
        self.used = used
        super().__init__(*args, **kwargs)

    def step(self, closure: Any = None) -> Any:
        loss = None
        if closure is not None:  # it makes the gradients of this update
            with torch.enable_grad():
                loss = closure()
        self.used.append([float(group["lr"]) for group in self.param_groups])
        super().step()
        return loss


class Seeing:
    """A policy that keeps what it is shown."""

    name = "seeing"
    metric = "loss"

    def __init__(self) -> None:
        self.seen: list[tuple[int, dict[str, float]]] = []

    def start(self) -> dict[str, Any]:
        return {}

    def observe(self, state: Any, observation: Any) -> Any:
        self.seen.append((observation.update, dict(observation.metrics)))
        return state, ()

    def to_dict(self) -> dict[str, Any]:
        return {"policy": "Seeing", "name": self.name}


def groups(
    layers: torch.nn.ModuleList, bases: tuple[float, ...]
) -> list[dict[str, Any]]:
    """Return one param group for each rate: two have the last layer in the second."""
    if len(bases) < 2:
        return [{"params": list(layers.parameters()), "lr": (*bases, 0.1)[0]}]
    parts = [list(layers[:-1].parameters()), list(layers[-1].parameters())]
    return [
        {"params": part, "lr": base} for part, base in zip(parts, bases, strict=True)
    ]


def printed_by(example: str) -> list[str]:
    """Run an example in a process of its own; return the lines it printed."""
    done = subprocess.run(
        [sys.executable, str(ROOT / "examples" / f"{example}.py")],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def without(framework: str, module: str) -> str:
    """Import a module where a framework is missing; return what went wrong."""
    code = f"import sys; sys.modules[{framework!r}] = None; import {module}"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    return done.stderr.splitlines()[-1]


def processes(module: str, size: int, *arguments: str) -> list[Any]:
    """Run a module in the processes of a launcher; return what each printed, as JSON.

    Like torchrun, which cannot be told to leave the port to the system.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    common = {
        **os.environ,
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "WORLD_SIZE": str(size),
        "LOCAL_WORLD_SIZE": str(size),
        "OMP_NUM_THREADS": "1",
    }
    started = [
        subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            cwd=ROOT,
            env={**common, "RANK": str(rank), "LOCAL_RANK": str(rank)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(size)
    ]
    try:
        printed = [process.communicate(timeout=120) for process in started]
    finally:
        for process in started:
            process.kill()
    for process, (_, errors) in zip(started, printed, strict=True):
        assert process.returncode == 0, errors
    return [json.loads(output.splitlines()[-1]) for output, _ in printed]
