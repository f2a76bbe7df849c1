import math

import numpy as np
import pytest

from stepsize.errors import ProofError
from stepsize.proof.curves import MOST_POINTS, CurveRecorder


def test_keeps_what_is_reported() -> None:
    recorder = CurveRecorder()
    recorder.report(0, loss=2.0)
    recorder.report(np.int64(5), loss=np.float32(1.5), accuracy=0.5)
    recorder.report(6, loss=math.nan)
    accuracy, loss = recorder.curves()
    assert (accuracy.metric, accuracy.updates, accuracy.values) == (
        "accuracy",
        (5,),
        (0.5,),
    )
    assert (loss.updates, loss.values) == ((0, 5, 6), (2.0, 1.5, None))


@pytest.mark.parametrize("reports", [1, MOST_POINTS - 1, MOST_POINTS, 1000, 12345])
def test_many_reports_leave_few_even_points_and_the_last(reports: int) -> None:
    recorder = CurveRecorder()
    for update in range(reports):
        recorder.report(update, loss=float(update))
    (curve,) = recorder.curves()
    assert len(curve.updates) <= MOST_POINTS
    assert curve.updates[0] == 0
    assert curve.updates[-1] == reports - 1
    gaps = set(np.diff(curve.updates[:-1]).tolist())
    assert len(gaps) <= 1
    assert curve.values == tuple(float(update) for update in curve.updates)


@pytest.mark.parametrize("update", [-1, 1.5, True, "3", None])
def test_refuses_what_counts_no_updates(update: object) -> None:
    with pytest.raises(ProofError, match=r"report\.update must be an int >= 0"):
        CurveRecorder().report(update, loss=1.0)  # type: ignore[arg-type]  # the point


def test_refuses_what_is_no_number() -> None:
    with pytest.raises(ProofError, match=r"report\.loss must be a number; got 'low'"):
        CurveRecorder().report(0, loss="low")


def test_refuses_to_go_back() -> None:
    recorder = CurveRecorder()
    recorder.report(4, loss=1.0)
    with pytest.raises(ProofError, match=r"report\.update must be >= 4"):
        recorder.report(3, loss=1.0)
