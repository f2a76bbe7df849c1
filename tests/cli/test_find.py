import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.cli.commands import Terminal
from tests.cli.test_show import Links
from typer.models import CommandInfo

from stepsize.cli import app as commands
from stepsize.cli.find import find
from stepsize.cli.find_drawing import chart, headline, loss_range
from stepsize.cli.find_figures import interactive, static
from stepsize.finder import Curve, Found, Probe

SCRIPT = """
import torch
from torch.utils.data import DataLoader, TensorDataset

def setup():
    torch.manual_seed(0)
    inputs = torch.randn(128, 4)
    data = TensorDataset(inputs, inputs.sum(1, keepdim=True))
    model = torch.nn.Linear(4, 1)
    return {
        "model": model,
        "optimizer": torch.optim.SGD(model.parameters(), lr=0.1),
        "loss_fn": torch.nn.functional.mse_loss,
        "batches": DataLoader(data, 16, shuffle=True),
    }

def flat():
    return setup() | {"loss_fn": lambda outputs, _: 0 * outputs.sum() + 2.0}

def clipped():
    more = {"clip": 1.0, "accumulate": 2, "horizon": 1000}
    return setup() | more | {"validation": setup()["batches"]}

def raising():
    return {}["model"]

def nothing():
    return None

def short():
    return {"model": 1, "loss_fn": 2}

def more():
    return setup() | {"colour": "red"}

def misshapen():
    model = torch.nn.Linear(3, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    return setup() | {"model": model, "optimizer": optimizer}

def interrupted():
    def loss_fn(*_):
        raise KeyboardInterrupt
    return setup() | {"loss_fn": loss_fn}

number = 5
"""

FOUND = Found(
    suggestion=0.05,
    low=0.02,
    high=0.1,
    status="ok",
    steps=300,
    spread=0.1,
    blowup=0.9,
    curve=Curve.of(
        [10.0 ** (k / 8 - 6) for k in range(50)],
        [2.0] * 30
        + [2.0 - 0.1 * k for k in range(15)]
        + [3, 9, 99, math.inf, math.nan],
    ),
    probes=(
        Probe(lr=0.05, stream=0, steps=32, losses=(1.0, 0.5), score=0.4, error=0.1),
        Probe(lr=0.5, stream=0, steps=7, losses=(9.0,), score=None),
        Probe(lr=0.05, stream=1, steps=64, losses=(1.0, 0.3), score=0.2),
    ),
    rules={"smith": 0.09, "valley": None},
    reasons=("it is <best>",),
)
NOTHING = replace(
    FOUND,
    suggestion=None,
    low=None,
    high=None,
    status="no_descent",
    curve=None,
    probes=(),
)


@pytest.fixture
def run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Terminal:
    known = commands.app.registered_commands
    if all(one.name != "find" for one in known):
        more = [*known, CommandInfo("find", callback=find)]
        monkeypatch.setattr(commands.app, "registered_commands", more)
    (tmp_path / "mine.py").write_text(SCRIPT)
    return Terminal(monkeypatch, capsys, tmp_path)


# --- a training -------------------------------------------------------------------


def test_the_cost_comes_first_then_the_rate_and_the_evidence(run: Terminal) -> None:
    code, out, err = run("find", "mine.py:setup")
    assert code == 0
    said = (
        "mine.py:setup: at most 500 updates, 100 of them a ramp; then all is put back"
    )
    assert err.splitlines()[0] == said
    assert "finding the rate: 75 %" in err
    first, second = out.splitlines()[:2]
    assert first.startswith("mine.py:setup: lr 0.")
    assert second.split()[0] == "updates"
    assert 60 <= int(second.split()[1]) <= 500
    assert "loss at the end" in out
    assert "rate (log axis)" in out
    assert "* ss.warmup('5%') >> ss.cosine()" in out.splitlines()[-1]


def test_json_is_all_that_is_printed(run: Terminal) -> None:
    code, out, _ = run("find", "mine.py:setup", "--fast", "--json", "--seed", "3")
    assert code == 0
    found = Found.from_dict(json.loads(out))
    assert found.steps <= 100
    _, again, _ = run("find", "mine.py:setup", "--fast", "--json", "--seed", "3")
    _, other, _ = run("find", "mine.py:setup", "--fast", "--json", "--seed", "4")
    assert again == out
    assert other != out


def test_options_of_the_training(run: Terminal) -> None:
    code, out, err = run(
        *("find", "mine.py:clipped", "--steps", "90"),
        *("--total-steps", "5000", "--json", "-o", "found.json"),
    )
    assert (code, out) == (0, "")
    assert "at most 90 updates" in err
    content = Found.from_dict(json.loads(Path("found.json").read_text()))
    assert content.steps <= 90


def test_files_of_pictures(run: Terminal) -> None:
    code, _, err = run("find", "mine.py:setup", "--png", "a.png", "--html", "a.html")
    assert code == 0
    assert err.endswith("wrote a.png\nwrote a.html\n")
    assert Path("a.png").read_bytes().startswith(b"\x89PNG")
    links = Links()
    page = Path("a.html").read_text(encoding="utf-8")
    links.feed(page)
    assert links.found == []
    assert "<h1>mine.py:setup</h1>" in page
    assert "<th>loss at the end</th>" in page


def test_the_cache(run: Terminal) -> None:
    first = run("find", "mine.py:setup", "--fast", "--cache", "found.json", "--json")
    again = run("find", "mine.py:setup", "--fast", "--cache", "found.json", "--json")
    one, two = (Found.from_dict(json.loads(out)) for _, out, _ in (first, again))
    assert two.suggestion == one.suggestion
    assert two.reasons[0].startswith("Found today and kept in the cache")
    assert "%" not in again[2]
    _, out, err = run("find", "mine.py:setup", "--cache", "found.json")
    assert "It may be stale: search was fast, now 500 updates." in out
    assert "Warning" not in err


def test_without_a_rate_the_status_is_1(run: Terminal) -> None:
    code, out, _ = run("find", "mine.py:flat", "--fast")
    assert code == 1
    assert out.startswith("mine.py:flat: no rate can be suggested (no_descent)")
    assert "- Every loss" in out
    assert "ss.warmup" not in out


def test_ctrl_c(run: Terminal) -> None:
    code, out, err = run("find", "mine.py:interrupted")
    assert (code, out) == (130, "")
    assert err.endswith("interrupted\n")


@pytest.mark.parametrize(
    ("args", "code", "message"),
    [
        ([], 2, "give my_script.py:setup, or --curve FILE"),
        (["mine.py:setup", "--curve", "a.csv"], 2, "give my_script.py:setup, or"),
        (["mine.py:setup", "-o", "a"], 2, "needs --json"),
        (["--curve", "a.csv", "--fast"], 2, "takes no options of a search"),
        (["--curve", "a.csv", "--seed", "0"], 2, "takes no options of a search"),
        (["mine.py:setup", "--steps", "0"], 2, "--steps"),
        (["mine.py:setup", "--png", "no/a.png"], 1, "error: 'no/a.png' cannot be"),
        (["mine.py:setup", "--html", "."], 1, "error: '.' is a folder."),
        (["mine.py"], 1, "find.script must be FILE.py:FUNCTION"),
        (["mine.py:"], 1, "find.script must be FILE.py:FUNCTION"),
        (["no.py:setup"], 1, "got 'no.py:setup'"),
        (["mine.py:other"], 1, "mine.py must define the function other"),
        (["mine.py:number"], 1, "mine.py must define the function number; got 5"),
        (["mine.py:raising"], 1, "mine.py:25 in raising"),
        (["mine.py:nothing"], 1, "must return a dict with model, optimizer, loss_fn"),
        (["mine.py:short"], 1, "must return a dict with optimizer, batches too"),
        (["mine.py:more"], 1, "must return nothing but model, optimizer"),
        (["mine.py:misshapen"], 1, "mine.py:misshapen failed: RuntimeError: mat1"),
        (["broken.py:setup"], 1, "broken.py could not be imported"),
    ],
)
def test_errors_are_one_message(
    run: Terminal, args: list[str], code: int, message: str
) -> None:
    Path("broken.py").write_text("def setup(:\n")
    found, out, err = run("find", *args)
    assert found == code
    assert message in err
    assert out == ""
    assert "Traceback" not in err
    assert "unexpected" not in err


# --- a recorded curve -------------------------------------------------------------


def write_curve(path: str, losses: list[Any]) -> None:
    rows = [f"{10 ** (k / 10 - 6)},{k},{loss}" for k, loss in enumerate(losses)]
    Path(path).write_text("\n".join(["LR, step, loss", *rows, ""]))


def test_a_recorded_curve(run: Terminal) -> None:
    losses: list[Any] = [2.0 + 0.01 * (k % 3) for k in range(40)]
    losses += [2.0 - 0.1 * k for k in range(15)] + [4.0, 90.0, "", "nan", "inf"]
    write_curve("a.csv", losses)
    code, out, err = run("find", "--curve", "a.csv", "--json")
    found = Found.from_dict(json.loads(out))
    assert (code, err) == (0, "")
    assert found.blowup is not None
    assert found.suggestion is not None
    assert found.blowup == pytest.approx(10 ** (55 / 10 - 6), rel=0.5)
    assert found.suggestion < found.blowup
    code, out, _ = run("find", "--curve", "a.csv")
    assert out.startswith(f"a.csv: lr {found.suggestion:.3g}")
    text = Path("a.csv").read_text()
    for mark in (";", "\t"):
        Path("b.csv").write_text(text.replace(",", mark))
        _, out, _ = run("find", "--curve", "b.csv", "--json")
        assert Found.from_dict(json.loads(out)) == found
    write_curve("flat.csv", [2.0] * 60)
    code, out, _ = run("find", "--curve", "flat.csv")
    assert code == 1
    assert "no rate can be suggested" in out


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "a.csv must begin with a line that names the columns lr and loss"),
        (b"rate,loss\n1,2\n", "got ['rate', 'loss']"),
        (b"lr,loss\n1,2\n\nx,3\n", "a.csv, line 4: lr must be a number; got 'x'"),
        (b"lr,loss\n1,2\n2,y\n", "a.csv, line 3: loss must be a number; got 'y'"),
        (b"lr,loss\n1\n,2\n", "a.csv, line 3: lr must be a number; got ''"),
        (b"lr,loss\n2,1\n1,1\n", "must be finite, > 0 and rise"),
        (b"lr,loss\n0,1\n", "must be finite, > 0 and rise"),
        (b"lr,loss\n", "must hold at least one rate"),
        (b"lr,loss\n\xff,1\n", "must be a CSV file"),
    ],
)
def test_a_curve_that_is_none(run: Terminal, content: bytes, message: str) -> None:
    Path("a.csv").write_bytes(content)
    code, out, err = run("find", "--curve", "a.csv")
    assert (code, out) == (1, "")
    assert message in err
    assert "unexpected" not in err
    code, _, err = run("find", "--curve", "no.csv")
    assert code == 1
    assert "no.csv: No such file" in err


# --- drawings ---------------------------------------------------------------------


@pytest.mark.parametrize("columns", [40, 80, 120, 200])
def test_the_plot_fits_the_terminal(columns: int) -> None:
    lines = chart(FOUND, columns)
    assert max(map(len, lines)) <= columns
    text = "\n".join(lines)
    assert text.isascii()
    assert {".", "*", "o", "O", "|"} <= set(text)


def test_what_the_plot_shows() -> None:
    lines = chart(FOUND, 80)
    assert lines[0] == "loss"
    low, high = loss_range(FOUND)
    assert low == 0.2  # the best probe
    assert 2.0 < high < 4.0  # what lies far above the start is cut off
    labels = [line.split("+")[0].strip() for line in lines if "+" in line]
    assert labels[:2] == [f"{high:.3g}", "0.2"]
    assert any("1e-6" in line and "1e-2" in line for line in lines)
    column = [line.index("o") for line in lines if "o" in line and "+" not in line]
    assert column
    assert chart(NOTHING, 80) == []
    assert headline(NOTHING) == "no rate can be suggested (no_descent)"
    assert headline(replace(FOUND, status="no_blowup")).endswith(", but no_blowup")


def test_the_picture_and_the_page_show_the_same() -> None:
    (axes,) = static(FOUND, "mine").axes
    assert axes.get_xscale() == "log"
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("rate (log axis)", "loss")
    assert axes.get_title(loc="left") == "mine: lr 0.05 (0.02 to 0.1)"
    legend = axes.get_legend()
    assert legend is not None
    names = {text.get_text() for text in legend.get_texts()}
    ends = {"end of 32 updates", "end of 64 updates"}
    assert names == {"ramp", "ramp, smoothed", "suggestion"} | ends
    figure = interactive(FOUND)
    assert {one.name for one in figure.data} == names - {"suggestion"}
    assert figure.layout.annotations[0].text == "suggestion 0.05"
    assert figure.layout.annotations[0].x == pytest.approx(math.log10(0.05))
    assert figure.layout.xaxis.type == "log"
    assert tuple(figure.layout.yaxis.range) == pytest.approx(axes.get_ylim())
    for nothing in (static(NOTHING, "a"), interactive(NOTHING)):
        assert nothing is not None


@given(
    losses=st.lists(
        st.floats(-1e6, 1e6) | st.sampled_from([math.nan, math.inf, -math.inf]),
        min_size=1,
        max_size=60,
    ),
    scores=st.lists(st.none() | st.floats(-1e6, 1e6), max_size=9),
    width=st.integers(10, 200),
)
def test_anything_is_drawn(
    losses: list[float], scores: list[float | None], width: int
) -> None:
    found = replace(
        FOUND,
        curve=Curve.of([10.0 ** (k / 8 - 6) for k in range(len(losses))], losses),
        probes=tuple(
            Probe(lr=10.0**-k, stream=k % 6, steps=3, losses=(), score=score)
            for k, score in enumerate(scores)
        ),
    )
    lines = chart(found, width)
    scored = any(score is not None for score in scores)
    assert bool(lines) == (scored or any(map(math.isfinite, losses)))
    assert max(map(len, lines), default=0) <= max(width, 40)
    low, high = loss_range(found)
    assert low < high
