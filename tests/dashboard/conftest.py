"""Runs with tokens, for every test of the dashboard."""

from pathlib import Path

import pytest
from tests.dashboard.serving import Office


@pytest.fixture
def office(tmp_path: Path) -> Office:
    return Office(tmp_path)
