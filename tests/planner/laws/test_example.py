"""`examples/predict.py` runs as it is, in at most 80 lines, on real data."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parents[3] / "examples" / "predict.py"
LINES = 80


@pytest.mark.slow
def test_the_example_predicts_what_it_then_trains() -> None:
    assert len(EXAMPLE.read_text(encoding="utf-8").splitlines()) <= LINES
    done = subprocess.run(
        [sys.executable, EXAMPLE],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr
    *_, last = done.stdout.splitlines()
    assert last in {f"{n} of 3 within their 90 % intervals" for n in (2, 3)}
