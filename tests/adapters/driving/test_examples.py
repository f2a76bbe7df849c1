"""The examples of adapters and sinks run as they are, in at most 80 lines."""

import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[3] / "examples"
LINES = 80


@pytest.mark.peers
@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("jax_flax_digits", "policy:plateau"),
        ("jax_equinox_digits", "done after 216 updates: cooldown"),
        ("keras_digits", "policy:plateau"),
        ("keras_find_digits", "came lowest in validation"),
        ("tensorflow_digits", "the same after 260 updates, 1 trace"),
        ("fsdp_digits", "1 cut, the same: True"),
        ("sinks_digits", "by operator:ada: good enough"),
        ("sklearn_digits", "the same weights after 258 updates"),
        ("boosting_cancer", "interrupted after 15 rounds: the same model"),
    ],
)
def test_an_example_runs_and_says_what_it_should(name: str, said: str) -> None:
    path = EXAMPLES / f"{name}.py"
    assert len(path.read_text().splitlines()) <= LINES
    found = subprocess.run(
        [sys.executable, path], capture_output=True, text=True, check=False
    )
    assert found.returncode == 0, found.stderr
    assert said in found.stdout
