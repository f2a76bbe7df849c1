"""Bad data is repaired and said, or refused with one clear message."""

from typing import Any

import numpy as np
import pytest

from stepsize.errors import FitError
from stepsize.planner import Curve

RATES = [0.1] * 100
STEPS = [10, 20, 30, 40]
LOSSES = [4.0, 3.0, 2.5, 2.2]


def test_points_are_kept() -> None:
    curve = Curve(RATES, STEPS, LOSSES)
    assert curve.steps.tolist() == STEPS
    assert curve.losses.tolist() == LOSSES
    assert curve.repairs == ()
    assert not curve.losses.flags.writeable


def test_disorder_and_repetition_are_repaired_and_said() -> None:
    curve = Curve(RATES, [30, 10, 20, 20, 40], [2.5, 4.0, 9.0, 3.0, 2.2])
    assert curve.steps.tolist() == [10, 20, 30, 40]
    assert curve.losses.tolist() == [4.0, 3.0, 2.5, 2.2]
    assert curve.repairs == (
        "points were out of order and have been sorted",
        "1 points repeated a step; of each the last was kept",
    )


def test_the_caller_s_arrays_stay_as_they_are() -> None:
    rates, losses = np.array(RATES), np.array(LOSSES)
    Curve(rates, STEPS, losses)
    assert rates.flags.writeable
    assert losses.flags.writeable


def test_tensors_and_single_precision_are_taken() -> None:
    torch = pytest.importorskip("torch")
    curve = Curve(torch.tensor(RATES), torch.tensor(STEPS), torch.tensor(LOSSES))
    assert curve.steps.tolist() == STEPS
    small = Curve(
        np.array(RATES, np.float32),
        np.array(STEPS, np.int32),
        np.array(LOSSES, np.float32),
    )
    assert small.losses.dtype == np.float64
    assert small.losses == pytest.approx(LOSSES, rel=1e-6)


def test_what_was_repaired_before_is_kept() -> None:
    curve = Curve(RATES, [30, 10, 20], [2.5, 4.0, 3.0], repairs=("read again",))
    assert curve.repairs[0] == "read again"
    assert "sorted" in curve.repairs[1]
    assert curve.first(20).repairs == curve.repairs


def test_first_part() -> None:
    part = Curve(RATES, STEPS, LOSSES, name="run").first(25)
    assert part.steps.tolist() == [10, 20]
    assert part.name == "run"
    assert Curve(RATES, STEPS, LOSSES, batch=[8.0] * 40).first(25).batch == [8.0] * 40


@pytest.mark.parametrize("steps", ["x", None, 10.5, float("nan"), -1, 9, True])
def test_a_first_part_has_a_point(steps: Any) -> None:
    match = r"run\.first must be an int that reaches the first point, at 10 "
    with pytest.raises(FitError, match=match):
        Curve(RATES, STEPS, LOSSES, name="run").first(steps)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"losses": [4.0, float("nan"), 2.5, 2.2]}, r"finite and > 0; at step 20"),
        ({"losses": [4.0, 3.0, -2.5, 2.2]}, r"finite and > 0; at step 30"),
        ({"losses": [4.0, 3.0]}, r"equally long.*\(4,\), \(2,\)"),
        ({"losses": ["low", 1, 2, 3]}, r"be arrays of numbers"),
        ({"steps": [10, 20, 30.5, 40]}, r"run\.steps must be ints >= 0.*30\.5"),
        ({"steps": [10, 20, 30, 400]}, r"run\.rates must reach the last step, 400"),
        ({"rates": [0.1, -0.1] * 50}, r"finite and >= 0 \(unit: lr\); at step 1"),
        ({"steps": [], "losses": []}, r"not empty"),
        ({"steps": [10, 20, 30, 1e300]}, r"run\.steps must be ints >= 0.*1e\+300"),
        ({"losses": [4.0, 3.0, 2.5, 10**400]}, r"be arrays of numbers"),
        ({"batch": [32.0] * 39}, r"run\.batch must reach the last step, 40"),
    ],
)
def test_what_is_wrong_is_named(change: dict[str, object], match: str) -> None:
    given = {"rates": RATES, "steps": STEPS, "losses": LOSSES, "name": "run"} | change
    with pytest.raises(FitError, match=match):
        Curve(**given)  # type: ignore[arg-type]  # wrong on purpose


def test_two_kinds_of_loss_at_each_step_are_mixed() -> None:
    with pytest.raises(FitError, match=r"be of one kind: most steps have two"):
        Curve(RATES, STEPS * 2, [*LOSSES, 4.4, 3.4, 2.9, 2.6])
