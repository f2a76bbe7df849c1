import json
from collections.abc import Callable
from pathlib import Path

import pytest

from stepsize.errors import ProofError
from stepsize.proof.results import (
    SCHEMA,
    Comparison,
    Curve,
    Results,
    dumps,
    load,
    loads,
    save,
)


@pytest.fixture
def results(
    subject: Callable[..., object],
    runs_of: Callable[..., tuple[object, ...]],
    compared: Callable[..., Comparison],
) -> Results:
    runs = runs_of({("constant", 0.1): [1.0, 2.0], ("wsd", 0.1): [2.0, 2.5]})
    comparison = compared(runs, subject())
    return Results(
        comparisons=(comparison,), environment={"python": "3"}, created="now"
    )


def test_the_file_gives_the_same_values_back(tmp_path: Path, results: Results) -> None:
    path = save(results, tmp_path / "results.json")
    assert load(path) == results
    assert [p.name for p in tmp_path.iterdir()] == ["results.json"]


def test_curves_keep_their_gaps() -> None:
    curve = Curve("loss", (0, 1), (1.0, None))
    assert json.loads(json.dumps([curve.updates, curve.values])) == [[0, 1], [1, None]]


def test_the_file_is_plain_json_with_its_schema_first(results: Results) -> None:
    plain = json.loads(dumps(results))
    assert next(iter(plain)) == "schema"
    assert plain["schema"] == SCHEMA
    run = plain["comparisons"][0]["runs"][0]
    assert {"arm", "schedule", "peak_lr", "seed", "val", "updates", "status"} <= set(
        run
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "must be valid"),
        ("[]", "schema must be"),
        ("{}", "schema must be 'stepsize.results/2'; got None"),
        ('{"schema": "stepsize.results/9"}', "got 'stepsize.results/9'"),
        (f'{{"schema": "{SCHEMA}"}}', "comparisons"),
        (f'{{"schema": "{SCHEMA}", "comparisons": [{{"lrs": 3}}]}}', "must be valid"),
    ],
)
def test_what_is_no_results_file_is_refused(text: str, message: str) -> None:
    with pytest.raises(ProofError, match=message):
        loads(text)


def test_a_missing_file_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(ProofError, match="No such file"):
        load(tmp_path / "nothing.json")


def test_a_place_that_cannot_be_written_says_so(
    tmp_path: Path, results: Results
) -> None:
    with pytest.raises(ProofError, match=r"could not be written.*hint: name a file"):
        save(results, tmp_path / "no" / "results.json")
