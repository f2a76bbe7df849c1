from collections.abc import Callable

import pytest

from stepsize.proof.report.scale import Scale
from stepsize.proof.results import Comparison, Run, Subject


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (-0.07, 0.21, [-0.05, 0.0, 0.05, 0.1, 0.15, 0.2]),
        (86.3, 99.1, [87.5, 90.0, 92.5, 95.0, 97.5]),
        (0.0, 1.2, [0.0, 0.2, 0.4, 0.6, 0.8, 1.0, 1.2]),
        (-3e-9, 2e-9, [-3e-9, -2e-9, -1e-9, 0.0, 1e-9, 2e-9]),
    ],
)
def test_an_axis_has_round_marks(low: float, high: float, ticks: list[float]) -> None:
    assert Scale(low, high).ticks(6) == pytest.approx(ticks)


def test_an_axis_that_spans_decades_is_a_log_one() -> None:
    scale = Scale.around([0.001, 0.5, 2.0], log=True)
    assert scale.log
    assert scale.ticks(3) == pytest.approx([0.001, 0.1])
    assert scale.at(0.001) == 0
    assert scale.at(2.0) == 1
    assert scale.at(0.0) < 0
    assert not Scale.around([1.0, 10.0], log=True).log
    assert not Scale.around([-0.001, 10.0], log=True).log


@pytest.mark.parametrize("value", [0.0, -2.0, 3e-8])
def test_one_value_lies_in_the_middle(value: float) -> None:
    assert Scale.around([value]).at(value) == pytest.approx(0.5)


def test_many_arms_are_summed_up_by_the_largest_and_the_smallest(
    subject: Callable[..., Subject],
    runs_of: Callable[..., tuple[Run, ...]],
    compared: Callable[..., Comparison],
) -> None:
    gains = {"a": 1.0, "b": 4.0, "c": 2.0, "d": 3.0}
    cells = {("constant", 0.1): [90.0, 91.0, 92.0]} | {
        (name, 0.1): [90.0 + gain, 91.01 + gain, 91.99 + gain]
        for name, gain in gains.items()
    }
    about = subject(default_lr=None)
    said = compared(runs_of(cells), about).verdict[0]
    assert said.startswith(
        "All 4 schedules help here, against the tuned constant (91.00 % at 0.1): from "
        "b +4.00 points (95 % interval"
    )
    assert " to a +1.00 points (95 % interval" in said
    cells[("e", 0.1)] = [90.0, 91.3, 91.8]
    said = compared(runs_of(cells), about).verdict[0]
    assert said.startswith("b, d, c and a help here, against")
    worse = {arm: [180 - value for value in values] for arm, values in cells.items()}
    _, losses, *_ = compared(runs_of(worse), about).verdict
    assert losses.startswith(
        "Worse than the tuned constant: b, d, c and a: from b -4.00 points"
    )
