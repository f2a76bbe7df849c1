import json
from pathlib import Path

import pytest
from tests.cli.commands import Terminal


@pytest.fixture
def run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Terminal:
    return Terminal(monkeypatch, capsys, tmp_path)


def test_equal_and_different(run: Terminal) -> None:
    same = ["diff", "3e-4*cosine()", '3e-4*decay(shape="cosine")']
    code, out, err = run(*same, "--total-steps", "100")
    assert (code, err) == (0, "")
    assert "equal at every one of 100 updates" in out
    code, out, _ = run("diff", "cosine()", "linear()", "--total-steps", "4")
    assert code == 1
    assert "Largest difference 0.104 (0.104 of the peak) at update" in out
    assert "  * cosine()\n  o linear()\n" in out


def test_the_numbers(run: Terminal) -> None:
    code, out, _ = run(
        "diff", "a=2.0 * linear()", "b=cosine()", "--total-steps", "10", "--json"
    )
    found = json.loads(out)
    assert code == 1
    assert found["equal"] is False
    assert (found["update"], found["largest_difference"]) == (0, 1.0)
    assert (found["rate_a"], found["rate_b"], found["peak"]) == (2.0, 1.0, 2.0)
    assert found["share_of_peak"] == 0.5
    assert found["updates_that_differ"] == 10
    assert (found["a"]["label"], found["b"]["label"]) == ("a", "b")


def test_the_value_after_the_end_counts(run: Terminal) -> None:
    code, out, _ = run(
        "diff", "hold(5)", "hold(5) >> jump(0.5)", "--total-steps", "5", "--json"
    )
    found = json.loads(out)
    assert (code, found["update"], found["largest_difference"]) == (1, 5, 0.5)


@pytest.mark.parametrize(("tolerance", "code"), [("0.1", 1), ("0.11", 0), ("0", 1)])
def test_tolerance_is_a_share_of_the_peak(
    run: Terminal, tolerance: str, code: int
) -> None:
    args = ["diff", "7e-4*cosine()", "7e-4*linear()", "--total-steps", "1000"]
    assert run(*args, "--tolerance", tolerance)[0] == code


def test_files(run: Terminal) -> None:
    Path("a.yaml").write_text("lr: 1e-3 * cosine()\ntotal_steps: 10\n")
    Path("b.json").write_text('{"lr": "1e-3 * cosine()", "total_steps": 10}')
    assert run("diff", "a.yaml", "b.json")[0] == 0
    Path("b.json").write_text('{"lr": "1e-3 * cosine()", "total_steps": 20}')
    code, out, err = run("diff", "a.yaml", "b.json")
    assert code == 1
    assert "note: the runs differ: Horizon(steps=10), Horizon(steps=20)" in err
    code, out, _ = run("diff", "a.yaml", "a.yaml", "--json")
    assert json.loads(out)["b"]["label"] == "B: a.yaml"


@pytest.mark.parametrize(
    ("args", "code", "message"),
    [
        (["diff", "cosine()"], 2, "Missing argument"),
        (["diff", "cosine()", "linear()"], 1, "add --total-steps N"),
        (["diff", "cosine(5)", "linear("], 1, "error: parse.text"),
        (["diff", "cosine(5)", "linear(5)", "--tolerance", "-1"], 2, "--tolerance"),
        (["diff", "cosine(5)", "linear(5)", "--tolerance", "nan"], 2, "--tolerance"),
        (["diff", "cosine(5)", "linear(5)", "-o", "x"], 2, "needs --json"),
    ],
)
def test_errors_are_one_message(
    run: Terminal, args: list[str], code: int, message: str
) -> None:
    found, out, err = run(*args)
    assert found == code
    assert message in err
    assert out == ""
    assert "Traceback" not in err
