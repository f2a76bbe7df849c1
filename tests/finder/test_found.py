from __future__ import annotations

import json
import math
import pickle
from dataclasses import replace
from typing import Any

import pytest

from stepsize.errors import FinderError
from stepsize.finder import Curve, Found, Probe

FOUND = Found(
    suggestion=1e-2,
    low=5e-3,
    high=3e-2,
    status="ok",
    steps=400,
    spread=0.1,
    blowup=0.3,
    curve=Curve(lrs=(1e-3, 1e-2, 1e-1), losses=(2.0, 1.0, math.nan)),
    probes=(
        Probe(lr=1e-2, stream=0, steps=8, losses=(2.0, 1.0), score=1.0, error=0.1),
        Probe(lr=1e-1, stream=0, steps=3, losses=(2.0,), score=None),
    ),
    rules={"steepest": 1e-2, "smith": None},
    reasons=("Of 2 probes one came lowest.",),
)


def test_it_is_json_and_back() -> None:
    plain = json.loads(json.dumps(FOUND.to_dict(), allow_nan=False))
    again = Found.from_dict(plain)
    assert again.curve is not None
    assert math.isnan(again.curve.losses[-1])
    assert again.to_dict() == FOUND.to_dict()
    assert again == FOUND
    assert len({again, FOUND, pickle.loads(pickle.dumps(FOUND))}) == 1
    assert replace(FOUND, rules={}) != FOUND
    assert replace(FOUND, curve=None) != FOUND


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"status": "fine"}, "Found.status must be one of ok, no_blowup"),
        ({"suggestion": None}, "low <= suggestion <= high"),
        ({"suggestion": math.nan}, "low <= suggestion <= high"),
        ({"suggestion": 1.0}, "low <= suggestion <= high"),
        ({"low": 0.0}, "be finite and > 0"),
        ({"high": math.inf}, "be finite and > 0"),
        ({"suggestion": None, "low": None, "high": None}, "when the status is ok"),
        ({"steps": -1}, r"Found\.steps must be an int >= 0; got -1"),
        ({"steps": 1.5}, r"Found\.steps must be an int >= 0"),
    ],
)
def test_a_result_that_cannot_be_is_refused(change: dict[str, Any], match: str) -> None:
    with pytest.raises(FinderError, match=match):
        replace(FOUND, **change)


def test_another_version_is_refused() -> None:
    with pytest.raises(FinderError, match=r"Found\.version must be 1"):
        Found.from_dict({**FOUND.to_dict(), "version": 2})


def test_a_count_below_0_is_refused() -> None:
    plain = FOUND.to_dict()
    plain["probes"][0]["steps"] = -8
    with pytest.raises(FinderError, match=r"Probe\.steps must be an int >= 0; got -8"):
        Found.from_dict(plain)


@pytest.mark.parametrize("plain", [None, 3, []])
def test_what_is_no_mapping_is_refused(plain: Any) -> None:
    with pytest.raises(FinderError, match="be what `to_dict` returns"):
        Found.from_dict(plain)


@pytest.mark.parametrize("name", ["curve", "probes", "steps", "status"])
def test_a_missing_name_is_refused(name: str) -> None:
    plain = FOUND.to_dict()
    del plain[name]
    with pytest.raises(FinderError, match="be what `to_dict` returns"):
        Found.from_dict(plain)
