import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import stepsize
from stepsize.cli import main

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Run:
    """Run the command line in an empty folder: (exit code, stdout, stderr)."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("NO_COLOR", "1")

    def call(*args: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["stepsize", *args])
        with pytest.raises(SystemExit) as stop:
            main()
        out, err = capsys.readouterr()
        code = stop.value.code
        return (code if isinstance(code, int) else 0), out, err

    return call


def test_version_and_help(run: Run) -> None:
    assert run("--version") == (0, f"stepsize {stepsize.__version__}\n", "")
    code, out, _ = run("--help")
    assert code == 0
    assert "compare" in out
    assert "demo" in out
    code, out, _ = run("compare", "--help")
    assert code == 0
    for option in ("--schedules", "--total-steps", "--seeds", "--lrs", "--json"):
        assert option in out


def test_help_loads_nothing_heavy() -> None:
    heavy = "{'numpy', 'scipy', 'torch', 'plotly', 'joblib', 'sklearn'}"
    text = (
        "import sys; sys.argv = ['stepsize', '--help']\n"
        "from stepsize.cli import main\n"
        "try: main()\n"
        f"except SystemExit: sys.exit(str({heavy} & set(sys.modules) or ''))"
    )
    done = subprocess.run(
        [sys.executable, "-c", text], capture_output=True, text=True, check=False
    )
    assert done.stderr.strip() == ""


@pytest.mark.parametrize(
    ("args", "code", "message"),
    [
        (["compare"], 2, "Missing argument"),
        (["compare", "digits", "--nothing"], 2, "No such option"),
        (["nothing"], 2, "No such command"),
        (["compare", "digits", "--total-steps", "-3"], 2, "--total-steps"),
        (["compare", "digits", "--total-steps", "many"], 2, "--total-steps"),
        (["compare", "digits", "--seeds", "0"], 2, "--seeds"),
        (["compare", "digits", "--lrs", "nan"], 2, "'nan' is no rate"),
        (["compare", "digits", "--lrs", "1e-3,,1"], 2, "'' is no rate"),
        (["compare", "digits", "--lrs", "-1"], 2, "'-1' is no rate"),
        (["compare", "digits", "--default-lr", "nan"], 1, "default_lr must be finite"),
        (["compare", "imagenet"], 1, "fashion_cnn; got 'imagenet'"),
        (["compare", "no.py:train"], 1, "must name a Python file that exists"),
        (["compare", "no.py"], 1, "must be a workload or FILE.py:FUNCTION"),
        (["compare", "digits", "--schedules", "foo"], 1, "got 'foo'"),
        (["compare", "digits", "--schedules", "a=1+"], 1, "schedule 'a': parse.text"),
        (["compare", "digits", "--schedules", "a=warmup(-1)"], 1, "schedule 'a':"),
        (["compare", "digits", "--json", "no/x.json"], 1, "there is no folder 'no'"),
        (["compare", "digits", "--report", "."], 1, "is a folder"),
    ],
)
def test_wrong_usage_is_one_message(
    run: Run, args: list[str], code: int, message: str
) -> None:
    found, out, err = run(*args)
    assert found == code
    assert message in err
    assert out == ""
    assert "Traceback" not in err


def test_a_missing_function_says_how_it_is_written(run: Run) -> None:
    Path("mine.py").write_text("def other(): ...")
    code, _, err = run("compare", "mine.py:train")
    assert code == 1
    assert err.startswith("error: mine.py must define the function train")
    assert "\nhint:  write it as train(schedule, *, total_steps, seed" in err


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    schedule=st.text(max_size=40)
    | st.from_regex(r"\w{0,5}=(hold|warmup|decay|repeat)?\(?[-\d.e%\"]*\)?"),
    lrs=st.text("0123456789.,-einaf ", max_size=12),
    steps=st.text("0123456789-.e", max_size=6),
)
def test_no_input_gives_a_traceback(
    run: Run, schedule: str, lrs: str, steps: str
) -> None:
    code, out, err = run(
        "compare",
        "there_is_none.py:train",
        f"--schedules={schedule}",
        f"--lrs={lrs}",
        f"--total-steps={steps}",
    )
    assert code in {1, 2}
    assert out == ""
    assert err
    assert "Traceback" not in err
    assert "unexpected" not in err


def test_a_fault_of_our_own_is_a_message_too(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stepsize.proof.compare", None)  # calling it is a TypeError
    code, _, err = run("compare", "digits")
    assert code == 1
    assert err.startswith("error: unexpected TypeError:")
    assert "STEPSIZE_TRACEBACK=1" in err


def test_files_of_others_are_not_overwritten(run: Run) -> None:
    Path("report.html").write_text("<p>my thesis</p>")
    code, _, err = run("compare", "digits")
    assert code == 1
    assert "'report.html' exists here and was not written by stepsize" in err
    assert "--report FILE" in err
    assert Path("report.html").read_text() == "<p>my thesis</p>"
