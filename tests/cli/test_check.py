import json
from pathlib import Path

import pytest
from tests.cli.commands import Terminal

GOOD = '3e-4 * warmup("5%") >> cosine()'
BAD = "3e-4 * warmup(500, start=0.0) >> cosine(4000)"


@pytest.fixture
def run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Terminal:
    return Terminal(monkeypatch, capsys, tmp_path)


def test_exit_status_is_for_ci(run: Terminal) -> None:
    assert run("check", GOOD, "--total-steps", "10000") == (0, "", "nothing found\n")
    code, out, err = run("check", BAD, "--total-steps", "10000")
    assert code == 1
    assert "SS103 error the last 5500 updates have a rate of 0" in out
    assert "SS101 warning the first update has a rate of 0" in out
    assert err.startswith("2 findings; ")
    code, _, _ = run("check", BAD, "--total-steps", "0")
    assert code == 2


@pytest.mark.parametrize(
    ("text", "fail_on", "code"),
    [
        ("constant(1e-3)", "warning", 0),
        ("constant(1e-3)", "note", 1),
        ("1e-3 * warmup(50, start=0.0) >> cosine()", "error", 0),
        ("1e-3 * warmup(50, start=0.0) >> cosine()", "warning", 1),
        ("1e-3 * cosine(50)", "error", 1),
    ],
)
def test_fail_on(run: Terminal, text: str, fail_on: str, code: int) -> None:
    found, out, _ = run("check", text, "--total-steps", "1000", "--fail-on", fail_on)
    assert found == code
    assert "SS" in out


def test_json(run: Terminal) -> None:
    code, out, _ = run("check", BAD, GOOD, "--total-steps", "10000", "--json")
    assert code == 1
    content = json.loads(out)
    assert content["ok"] is False
    bad, good = content["schedules"]
    assert [one["code"] for one in bad["findings"]] == ["SS103", "SS101"]
    assert bad["findings"][0]["span"] == [4500, 10000]
    assert good["findings"] == []


def test_ignore(run: Terminal) -> None:
    args = ["check", BAD, "--total-steps", "10000", "--ignore", "SS101"]
    _, out, _ = run(*args)
    assert "SS101" not in out
    code, _, _ = run(*args, "--ignore", "SS103")
    assert code == 0
    code, _, err = run(*args, "--ignore", "SS9")
    assert code == 1
    assert "check.ignore must be codes of SS101" in err


def test_recipe_file_says_the_rest(run: Terminal) -> None:
    Path("r.yaml").write_text(
        "lr_factor: cosine()\nbase_lr: 0.5\ntotal_steps: 100\noptimizer: AdamW\n"
        "batch_scale: 8\n"
    )
    code, out, _ = run("check", "r.yaml")
    assert code == 1
    assert "SS601 warning the peak of 0.5" in out
    assert "SS304 warning the batch is 8 times larger" in out
    code, out, _ = run("check", "r.yaml", "--optimizer", "sgd", "--ignore", "SS304")
    assert code == 0


def test_no_horizon_is_a_finding(run: Terminal) -> None:
    code, out, _ = run("check", GOOD)
    assert code == 1
    assert "SS210 error the number of updates is missing" in out


@pytest.mark.parametrize("columns", [60, 80, 120])
def test_lines_fit(run: Terminal, columns: int) -> None:
    run.resize(columns)
    _, out, _ = run("check", f"long={BAD}", "--total-steps", "10000")
    assert max(map(len, out.splitlines())) <= columns


@pytest.mark.parametrize(
    ("args", "code", "message"),
    [
        (["check"], 2, "Missing argument"),
        (["check", "cosine("], 1, "error: parse.text"),
        (["check", GOOD, "--batch-scale", "-1"], 1, "check.batch_scale must be"),
        (["check", GOOD, "--base-lr", "nan"], 1, "check.base_lr must be"),
        (["check", GOOD, "--fail-on", "all"], 2, "--fail-on"),
        (["check", GOOD, "-o", "x"], 2, "needs --json"),
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
