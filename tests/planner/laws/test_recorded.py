"""On recorded language models: a law from three curves, or one, predicts the others.

The file holds a sixth of the points of Luo et al.'s 25M runs (MIT, see LICENSE beside
it). The prior is from the other laboratory's 124M model alone.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from benchmarks.laws import priors as command
from benchmarks.laws import recorded as folder
from benchmarks.laws import scores
from benchmarks.laws.models import PUBLISHED
from benchmarks.laws.own import bank_curves

from stepsize.planner import Curve, fit, recorded
from stepsize.planner.fitting.priors import MEASURED, PHYSICS, VAGUE

FILE = Path(__file__).parent / "data" / "recorded_25M.json"
PLAIN: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))["runs"]
CURVES = {
    name: Curve(folder.rates_of_small(name), run["steps"], run["losses"], name=name)
    for name, run in PLAIN.items()
}
TRAINED = [CURVES[name] for name in folder.TRAINED_ON]
UNSEEN = [c for name, c in CURVES.items() if name not in folder.TRAINED_ON]


def test_published_parameters_give_the_published_error() -> None:
    assert scores.on_curves(PUBLISHED, UNSEEN).mae == pytest.approx(0.0038, abs=2e-4)


def test_the_paper_s_split() -> None:
    law = fit(TRAINED, prior=recorded("124M"))
    found = scores.on_curves(law, UNSEEN)
    assert found.mae < 0.0027
    assert found.worst < 0.003


def test_one_cosine() -> None:
    law = fit([CURVES["cosine_24000"]], prior=recorded("124M"))
    rest = [c for name, c in CURVES.items() if name != "cosine_24000"]
    assert scores.on_curves(law, rest).mae < 0.005


def test_first_halves() -> None:
    halves = [curve.first(int(curve.steps[-1]) // 2) for curve in TRAINED]
    law = fit(halves, prior=recorded("124M"))
    assert scores.on_curves(law, UNSEEN).mae < 0.0035


def test_intervals_hold_most_finals() -> None:
    names = list(CURVES)
    sets = scores.pairs_and_singles(names[:1], names[1:])
    rows = scores.coverage(CURVES, sets, recorded("124M"))
    share, low, high = scores.clustered(rows)
    assert low < share < high
    assert 0.8 < share < 1


def test_priors_are_those_that_the_command_prints() -> None:
    path = folder.folder()
    if path is None:
        pytest.skip(f"needs the recorded runs: set {folder.VARIABLE}")
    found = command.measure(path, VAGUE)
    assert found.keys() == MEASURED.keys()
    for name, members in found.items():
        for one, checked_in in zip(members, MEASURED[name], strict=True):
            off = (one - np.array(checked_in)) / PHYSICS.deviation
            assert np.abs(off).max() < 0.05


def test_the_bank_of_our_own_end_to_end() -> None:
    curves = bank_curves()
    assert len(curves) == 16
    law = fit([curves["constant", 1500], curves["cosine", 1500]])
    unseen = [curve for key, curve in curves.items() if key[1] == 3000]
    said = np.array([law.loss(c.rates, c.steps)[-1] for c in unseen])
    real = np.array([float(c.losses[-1]) for c in unseen])
    assert np.abs(said - real).mean() < 0.03
    assert real[said.argmin()] - real.min() < 0.003
