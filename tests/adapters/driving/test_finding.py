from __future__ import annotations

from stepsize.adapters.driving.finding import Search, searched


def test_a_search_is_known_by_its_thoroughness_and_its_ends() -> None:
    ends: Search = {"low": 1e-3, "high": 1e-2}
    assert searched({}) == "500 updates"
    assert searched({"steps": 80}, validated=True) == "80 updates, validation"
    assert searched({"fast": True, "steps": 80}) == "fast"
    assert searched(ends) == "500 updates, low 0.001, high 0.01"
    assert searched({"fast": True, **ends}) == "fast, low 0.001, high 0.01"
