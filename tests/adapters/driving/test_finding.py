from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from stepsize.adapters.driving.finding import Search, checked, searched
from stepsize.errors import AdapterError


def test_a_search_is_known_by_its_thoroughness_and_its_ends() -> None:
    ends: Search = {"low": 1e-3, "high": 1e-2}
    assert searched({}) == "500 updates"
    assert searched({"steps": 80}, validated=True) == "80 updates, validation"
    assert searched({"fast": True, "steps": 80}) == "fast"
    assert searched(ends) == "500 updates, low 0.001, high 0.01"
    assert searched({"fast": True, **ends}) == "fast, low 0.001, high 0.01"


@pytest.mark.parametrize("seed", ["x", 1.5, None, True])
def test_a_seed_is_an_int(seed: Any) -> None:
    with pytest.raises(AdapterError, match=r"find_lr\.seed must be an int; got"):
        checked({}, seed=seed)
    assert checked({"steps": 80}, seed=np.int64(3)) == {"steps": 80}
