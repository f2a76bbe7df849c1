"""`predict`, `plan` and `cooldown-advice`, as a user calls them."""

import json
from pathlib import Path

import pytest
from tests.cli.commands import Terminal
from tests.planner.fit.curves import TRUTH, curve, rates

SHORT = 'short=1e-3 * warmup(200) >> hold() >> decay("5%", shape="linear")'
LONG = 'long=1e-3 * warmup(200) >> hold() >> decay("30%", shape="linear")'


@pytest.fixture
def run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Terminal:
    for kind in ("constant", "0.2"):
        made = curve(kind)
        lines = ["step,lr,loss"] + [
            f"{step},{rate!r},{loss!r}"
            for step, rate, loss in zip(
                made.steps.tolist(),
                made.rates[made.steps].tolist(),
                made.losses.tolist(),
                strict=True,
            )
        ]
        (tmp_path / f"{kind}.csv").write_text("\n".join(lines) + "\n")
    return Terminal(monkeypatch, capsys, tmp_path)


def test_predict_ranks_schedules(run: Terminal) -> None:
    code, out, err = run(
        "predict", "constant.csv", "0.2.csv", "-s", SHORT, "-s", LONG,
        "--total-steps", "10000",
    )  # fmt: skip
    assert code == 0
    lines = [line.split() for line in out.splitlines()]
    names = [line[0] for line in lines if line and line[0] in ("short", "long")]
    assert names == ["long", "short"]
    assert "one peak rate seen" in err


def test_predict_json_and_picture(run: Terminal, tmp_path: Path) -> None:
    code, out, err = run(
        "predict", "constant.csv", "0.2.csv", "-s", LONG, "--total-steps", "10000",
        "--json", "--png", "band.png",
    )  # fmt: skip
    assert code == 0
    found = json.loads(out)["schedules"][0]
    made = rates("0.3")
    real = TRUTH.loss(made, [10_000])[0]
    assert found["low"] < real < found["high"]
    assert len(found["curve"]["mean"]) == len(found["curve"]["steps"])
    assert (tmp_path / "band.png").read_bytes().startswith(b"\x89PNG")
    assert "wrote band.png" in err


def test_predict_needs_rates(run: Terminal, tmp_path: Path) -> None:
    (tmp_path / "bare.csv").write_text("step,loss\n1000,3\n2000,2.9\n")
    code, _, err = run("predict", "bare.csv", "-s", LONG, "--total-steps", "9000")
    assert code == 1
    assert "or say with which schedule it was made: --run-schedule EXPR" in err


def test_a_folder_without_a_run(run: Terminal, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    asked = ("-s", "1e-3 * linear()", "--total-steps", "100")
    code, _, err = run("predict", "empty", *asked)
    assert code == 1
    assert "run must be a folder with a ledger.jsonl or with event files" in err


def test_rates_from_run_schedule(run: Terminal, tmp_path: Path) -> None:
    made = curve("0.2")
    lines = [
        f"{step},{loss!r}"
        for step, loss in zip(made.steps.tolist(), made.losses.tolist(), strict=True)
    ]
    (tmp_path / "bare.csv").write_text("step,loss\n" + "\n".join(lines) + "\n")
    code, _, _ = run(
        "predict", "bare.csv", "-s", LONG, "--total-steps", "10000",
        "--run-schedule", '1e-3 * warmup(200) >> hold() >> decay("20%")',
        "--run-steps", "10000",
    )  # fmt: skip
    assert code == 0


def test_plan(run: Terminal) -> None:
    code, out, _ = run("plan", "constant.csv", "0.2.csv", "--steps", "8000")
    assert code == 0
    assert "optimum" in out
    assert "above the optimum" in out
    code, out, _ = run("plan", "constant.csv", "0.2.csv", "--steps", "8000", "--json")
    plain = json.loads(out)
    assert plain["loss"] <= plain["named"][0]["loss"]
    assert plain["cost_of_simplicity"] >= 0
    assert "knots" in plain["schedule"]


def test_plan_draws_its_schedules(run: Terminal, tmp_path: Path) -> None:
    code, _, err = run(
        "plan", "constant.csv", "0.2.csv", "--steps", "8000", "--png", "plan.png"
    )
    assert code == 0
    assert "wrote plan.png" in err
    assert (tmp_path / "plan.png").read_bytes().startswith(b"\x89PNG")


def test_plan_says_that_it_has_no_warmup(run: Terminal) -> None:
    # the log begins at step 400, after the warmup
    words = ("plan", "0.2.csv", "--steps", "8000")
    code, out, err = run(*words)
    assert code == 0
    assert "note: 0.2.csv: no rate was logged before update 400" in err
    assert "note: no warmup was seen, so the plan has none" in err
    assert "warmup" not in out
    code, out, err = run(*words, "--warmup", "200")
    assert "no warmup was seen" not in err
    assert "warmup(200)" in out


def test_one_run_schedule_for_each_run(run: Terminal, tmp_path: Path) -> None:
    for kind in ("constant", "0.2"):
        lines = (tmp_path / f"{kind}.csv").read_text().splitlines()
        bare = [",".join(line.split(",")[::2]) for line in lines]
        (tmp_path / f"bare_{kind}.csv").write_text("\n".join(bare) + "\n")
    words = ("predict", "bare_constant.csv", "bare_0.2.csv", "-s", LONG, "--json")
    rest = ("--total-steps", "10000", "--run-steps", "10000")
    hold = ("--run-schedule", "1e-3 * warmup(200) >> hold()")
    fall = ("--run-schedule", '1e-3 * warmup(200) >> hold() >> decay("20%")')
    code, out, _ = run(*words, *rest, *hold, *fall)
    assert code == 0
    found = json.loads(out)["schedules"][0]
    assert found["low"] < TRUTH.loss(rates("0.3"), [10_000])[0] < found["high"]
    code, _, err = run(*words, "constant.csv", *rest, *hold, *fall)
    assert code == 2
    assert "once for each of the 3 runs; given 2 times" in err


def test_a_probe_that_begins_at_its_branch(run: Terminal, tmp_path: Path) -> None:
    lines = (tmp_path / "0.2.csv").read_text().splitlines()
    late = [line for line in lines[1:] if int(line.split(",")[0]) >= 8000]
    (tmp_path / "probe.csv").write_text("\n".join([lines[0], *late]) + "\n")
    code, out, err = run(
        "cooldown-advice", "constant.csv", "probe.csv", "--png", "now.png",
        "--updates-per-hour", "500",
    )  # fmt: skip
    assert code == 0
    assert "worth of an hour more" in out
    assert "not identifiable yet" not in out
    assert "its rates before update 8000 are those of constant.csv" in err
    assert (tmp_path / "now.png").read_bytes().startswith(b"\x89PNG")
    code, _, err = run("cooldown-advice", "probe.csv")
    assert code == 1
    assert "give the run that it branched off, too" in err


def test_cooldown_advice(run: Terminal) -> None:
    code, out, _ = run(
        "cooldown-advice", "constant.csv", "0.2.csv", "--total-steps", "12000"
    )
    assert code == 0
    assert "constant.csv: 9900 updates made" in out
    assert "of 12000 updates: start at" in out
    code, out, err = run("cooldown-advice", "constant.csv")
    assert "not identifiable yet" in out
    assert "no decay seen yet" in err
    code, out, _ = run("cooldown-advice", "constant.csv", "0.2.csv", "--json")
    assert json.loads(out)["identifiable"] is True
    code, out, err = run("cooldown-advice", "0.2.csv", "constant.csv")
    assert "this run cools down already" in err
    assert "of its peak" in err


@pytest.mark.parametrize(
    "words",
    [
        ("predict", "constant.csv", "-s", LONG),
        ("plan", "constant.csv", "--steps", "900"),
        ("cooldown-advice", "constant.csv"),
    ],
)
def test_output_needs_json(run: Terminal, words: tuple[str, ...]) -> None:
    code, _, err = run(*words, "--output", "x.json")
    assert code == 2
    assert "needs --json" in err


def test_a_run_schedule_says_which_option_it_needs(run: Terminal) -> None:
    words = ("plan", "0.2.csv", "--steps", "900", "--run-schedule")
    code, _, err = run(*words, '1e-3 * warmup(200) >> hold() >> decay("20%")')
    assert code == 1
    assert "hint:  add --run-steps N" in err
    code, _, err = run(*words, '1e-3 * warmup("1 epochs")', "--run-steps", "10000")
    assert code == 1
    assert "hint:  write the schedule of a run in updates" in err


def test_schedules_in_epochs(run: Terminal) -> None:
    words = ("predict", "0.2.csv", "-s", 'a=1e-3 * warmup("1 epochs") >> cosine()')
    code, _, err = run(*words, "--total-steps", "5000")
    assert code == 1
    assert "hint:  add --steps-per-epoch N" in err
    code, out, _ = run(*words, "--epochs", "20", "--steps-per-epoch", "250", "--json")
    assert code == 0
    assert json.loads(out)["schedules"][0]["steps"] == 5000


def test_a_schedule_without_a_length(run: Terminal) -> None:
    code, _, err = run("predict", "0.2.csv", "-s", "1e-3 * hold()")
    assert code == 1
    assert "say steps=N, or --total-steps N" in err


def test_plan_says_how_sure_it_is(run: Terminal) -> None:
    words = ("plan", "constant.csv", "0.2.csv", "--steps", "30000")
    code, out, err = run(*words)
    assert code == 0
    assert "90 % interval" in out
    assert "note: optimum: 30000 updates are 3.0 times the longest run seen" in err
    plain = json.loads(run(*words, "--json")[1])
    assert plain["low"] < plain["loss"] < plain["high"]
    assert plain["doubts"] == ["30000 updates are 3.0 times the longest run seen"]


def test_cooldown_advice_doubts_a_far_end(run: Terminal) -> None:
    words = ("cooldown-advice", "constant.csv", "0.2.csv", "--total-steps", "30000")
    doubt = "30000 updates are 3.0 times the longest run seen"
    code, out, err = run(*words, "--json")
    assert code == 0
    assert f"note: of 30000 updates: {doubt}" in err
    assert doubt in json.loads(out)["notes"]


@pytest.mark.parametrize(
    "words",
    [
        ("predict", "constant.csv", "-s", LONG),
        ("plan", "constant.csv", "--steps", "900"),
        ("cooldown-advice", "constant.csv"),
    ],
)
def test_files_are_checked_before_the_fit(
    run: Terminal, words: tuple[str, ...]
) -> None:
    code, out, err = run(*words, "--png", "none/x.png")
    assert (code, out) == (1, "")
    assert err.startswith("error: 'none/x.png' cannot be written")
