import json
import math
from itertools import pairwise
from pathlib import Path

import pytest
from tests.cli.commands import Terminal
from tests.control.guard.watched import falling, level

LOSSES = [
    *falling(170),
    *level(60, 2.5),
    *falling(100, first=100),
    *[math.nan] * 3,
    *level(20, 0.5),
]


@pytest.fixture
def run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Terminal:
    return Terminal(monkeypatch, capsys, tmp_path)


def write(losses: list[float], head: str = "update,loss", first: int = 1) -> None:
    lines = [head, *(f"{first + i},{loss!r}" for i, loss in enumerate(losses))]
    Path("log.csv").write_text("\n".join(lines) + "\n")


def test_a_healthy_run(run: Terminal) -> None:
    write(falling(200))
    code, out, err = run("guard", "replay", "log.csv")
    assert code == 0
    assert out.split() == ["updates", "verdict", "lost", "why", *out.split()[4:]]
    assert out.splitlines()[-2].split()[:2] == ["1-200", "ok"]
    assert err.startswith("nothing to act on\nlargest share of the gain lost: 0.")
    assert err.endswith(" (harm: 0.3)\n")


def test_a_run_that_came_to_harm(run: Terminal) -> None:
    write(LOSSES)
    code, out, err = run("guard", "replay", "log.csv")
    assert code == 0
    lines = [line.split()[:2] for line in out.splitlines()[3:] if line.strip()]
    assert lines[:5] == [
        ["1-175", "ok"],
        ["176-183", "suspect"],
        ["184", "harm"],
        ["185-330", "ok"],
        ["331-333", "harm"],
    ]
    assert "the loss is at 2.5 (median of 12), was at 0.5196" in out
    assert "the loss is nan" in out
    first, second, third = err.splitlines()
    assert first == "harm at update 184, and 1 more after it, as the run really went on"
    assert second == "suspect 1 time, for 8 updates at most"
    assert third.startswith("largest share of the gain lost: 1.09")


def test_thresholds_decide(run: Terminal) -> None:
    write([*falling(170), *level(100, 0.8)])
    verdicts = {}
    for harm in ("0.1", "0.5"):
        _, out, _ = run("guard", "replay", "log.csv", "--harm", harm, "--json")
        verdicts[harm] = {one["word"] for one in json.loads(out)["verdicts"]}
    assert verdicts == {"0.1": {"ok", "suspect", "harm"}, "0.5": {"ok"}}


def test_a_known_begin_and_the_movement_decide_too(run: Terminal) -> None:
    looks = {10: 9.0, 20: 9.0, 30: 9.0, 40: 9.0}
    lines = ["update,loss,displacement", "1,2.3,"]
    for index, loss in enumerate(level(60, 4.0), start=2):
        lines.append(f"{index},{loss!r},{looks.get(index, '')}")
    Path("log.csv").write_text("\n".join(lines))
    _, out, _ = run("guard", "replay", "log.csv")
    assert "the weights have moved by 9 times their norm" in " ".join(out.split())
    for options in (["--moved", "30"], ["--begin", "50"]):
        _, out, err = run("guard", "replay", "log.csv", *options)
        assert "harm" not in out, options
        assert err.startswith("nothing to act on")


def test_json(run: Terminal) -> None:
    write(LOSSES)
    code, out, _ = run("guard", "replay", "log.csv", "--json", "--begin", "2.4")
    assert code == 0
    content = json.loads(out)
    assert content["log"] == "log.csv"
    assert content["updates"] == len(LOSSES)
    assert content["guard"] == {"harm": 0.3, "moved": 2.0, "begin": 2.4}
    verdicts = content["verdicts"]
    assert verdicts[0]["first"] == 1
    assert verdicts[-1]["last"] == len(LOSSES)
    for one, other in pairwise(verdicts):
        assert other["first"] == one["last"] + 1
    assert run("guard", "replay", "log.csv", "--json", "-o", "out.json")[1] == ""
    assert json.loads(Path("out.json").read_text())["verdicts"][0]["word"] == "ok"


@pytest.mark.parametrize(
    ("head", "options"),
    [
        ("step,loss", []),
        ("Global_Step , Train_Loss", []),
        ("step,train/loss", []),
        ("n,objective", ["--update", "n", "--loss", "objective"]),
    ],
)
def test_columns_by_their_usual_names_or_as_told(
    run: Terminal, head: str, options: list[str]
) -> None:
    write(LOSSES[:200], head, first=0)
    code, out, err = run("guard", "replay", "log.csv", *options)
    assert (code, err.splitlines()[0]) == (0, "harm at update 183")
    assert "0-174" in out


def test_rates_and_other_columns_and_empty_cells(run: Terminal) -> None:
    # a rate that is low for the run: what happens in its last cooldown is let pass
    lines = ["\ufeffupdate,time,loss,lr,grad_norm"]
    for index, loss in enumerate(LOSSES[:230], start=1):
        rate = 0.1 if index <= 170 else 0.002
        lines += [f"{index},noon,{loss!r},{rate},1.0", "", ",,,,"]
    lines.append("231,noon,,0.1,")
    Path("log.csv").write_text("\r\n".join(lines), encoding="utf-8")
    code, out, _ = run("guard", "replay", "log.csv")
    assert code == 0
    assert "harm" not in out
    assert "suspect" in out
    code, out, _ = run("guard", "replay", "log.csv", "--lr", "grad_norm")
    assert "harm" in out


def test_no_lines_are_no_verdict(run: Terminal) -> None:
    Path("log.csv").write_text("update,loss\n")
    assert run("guard", "replay", "log.csv") == (0, "", "nothing to act on\n")


@pytest.mark.parametrize("columns", [60, 80, 120])
def test_lines_fit(run: Terminal, columns: int) -> None:
    run.resize(columns)
    write(LOSSES)
    _, out, _ = run("guard", "replay", "log.csv")
    assert max(map(len, out.splitlines())) <= columns


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "log.csv must have a column of losses; got 'nothing'."),
        ("update,lr\n1,0.1\n", "must have a column of losses; got ['update', 'lr']."),
        ("loss\n0.1,0.2\n", "log.csv, line 2, must have 1 cells, as the header; got 2"),
        ("loss,lr\n0.1\n", "log.csv, line 2, must have 2 cells, as the header; got 1"),
        ("loss\n0.1\nlow\n", "log.csv, line 3, loss must be a number; got 'low'."),
        ("loss,lr\n1,nan\n", "replay.lr must be a finite number (unit: lr); got nan."),
        ("step,loss\n2,1\n2,1\n", "line 3, the update must be above the one before it"),
        ("step,loss\n0.5,1\n", "the update must be whole and at least 0; got 0.5."),
        ("step,loss\nnan,1\n", "the update must be whole and at least 0; got nan."),
        ("step,loss\n-1,1\n", "the update must be whole and at least 0; got -1.0."),
        ('loss\n"0.1\n', "must be CSV"),
    ],
)
def test_a_log_that_is_none(run: Terminal, content: str, message: str) -> None:
    Path("log.csv").write_text(content)
    code, out, err = run("guard", "replay", "log.csv")
    assert (code, out) == (1, "")
    assert message in err
    assert err.startswith("error: ")
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("args", "code", "message"),
    [
        (["nowhere.csv"], 1, "'nowhere.csv' cannot be read: No such file"),
        (["."], 1, "'.' cannot be read: Is a directory"),
        (["bytes.csv"], 1, "bytes.csv must be a text in UTF-8"),
        (["log.csv", "--loss", "cost"], 1, "log.csv must have a column 'cost'"),
        (["log.csv", "--harm", "2"], 1, "Guard.harm must be"),
        (["log.csv", "--moved", "0"], 1, "Guard.moved must be"),
        (["log.csv", "--begin", "nan"], 1, "Guard.begin must be"),
        (["log.csv", "-o", "x"], 2, "needs --json"),
        ([], 2, "Missing argument"),
    ],
)
def test_errors_are_one_message(
    run: Terminal, args: list[str], code: int, message: str
) -> None:
    write([1.0])
    Path("bytes.csv").write_bytes(b"loss\n\xff\xfe\n")
    found, out, err = run("guard", "replay", *args)
    assert found == code
    assert message in err
    assert out == ""
    assert "Traceback" not in err
