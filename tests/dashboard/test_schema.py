"""What the API says of itself is what it does: schemathesis asks it anything."""

from collections import Counter
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    negative_data_rejection,
    positive_data_acceptance,
)
from tests.dashboard.serving import Office

pytestmark = pytest.mark.slow

EXAMPLES = 60


@pytest.mark.parametrize("role", [None, "viewer", "admin"])
@pytest.mark.parametrize("mode", list(GenerationMode))
def test_answers_are_as_described(
    tmp_path: Path, role: str | None, mode: GenerationMode
) -> None:
    office = Office(tmp_path)
    known = office.add("seven")
    app = office.app(hosts=())
    schema = schemathesis.openapi.from_asgi("/api/openapi.json", app)
    headers = {} if role is None else office.bearer(role)
    statuses: Counter[tuple[str, int]] = Counter()
    for found in schema.get_all_operations():
        assert isinstance(found, Ok)
        operation = found.ok()
        strategy = operation.as_strategy(generation_mode=mode)

        @given(strategy)
        @settings(
            max_examples=EXAMPLES,
            deadline=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        )
        def asked(case: schemathesis.Case[Any]) -> None:
            if "identity" in case.path_parameters and mode is GenerationMode.POSITIVE:
                case.path_parameters["identity"] = known
            answer = case.call(headers=headers)
            excluded: list[Any] = []
            if case.method == "POST":
                # whether a verb's values make sense is no matter of their form
                excluded.append(positive_data_acceptance)
            if answer.status_code == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
                # a refusal, which is not among those that it knows
                excluded.append(negative_data_rejection)
            case.validate_response(answer, excluded_checks=excluded)
            statuses[f"{case.method} {case.path}", answer.status_code] += 1

        try:
            asked()
        except Unsatisfiable:  # an operation without parameters has no wrong ones
            assert mode is GenerationMode.NEGATIVE
    assert sum(statuses.values()) > EXAMPLES
    assert all(status < 500 for _, status in statuses)
    if role == "admin" and mode is GenerationMode.POSITIVE:
        asked_at_all = {name for name, status in statuses if status in (200, 202)}
        assert "GET /api/runs/{identity}/series" in asked_at_all
        assert "GET /api/runs/{identity}" in asked_at_all
