import csv
import io
import json
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.cli.commands import Terminal

import stepsize as ss
from stepsize.cli.curves import Curve, curves_of, key_steps, spans_decades
from stepsize.cli.drawing import chart, sparkline
from stepsize.cli.figures import interactive, picture, static
from stepsize.cli.inputs import Subject, read
from stepsize.testing.strategies import schedules

WSD = '3e-4 * warmup(500) >> hold() >> decay("20%", shape="1-sqrt")'
STEEP = "0.1 * geometric(0.99)"


@pytest.fixture
def run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Terminal:
    return Terminal(monkeypatch, capsys, tmp_path)


def curves(*texts: str, steps: int = 1000) -> list[Curve]:
    return curves_of(read(texts, ss.Horizon(steps=steps)))


def test_plot_and_table(run: Terminal) -> None:
    code, out, err = run("show", WSD, "--total-steps", "10000")
    assert (code, err) == (0, "")
    assert out.splitlines()[0] == WSD
    assert "0.0003+" in out
    assert "update" in out
    rows = [line.split() for line in out.splitlines()]
    assert ["8000", "80", "%", "0.0003"] in rows
    assert ["9999", "100", "%", "7.50094e-08"] in rows


@pytest.mark.parametrize("columns", [40, 80, 120, 200])
def test_fits_the_terminal(run: Terminal, columns: int) -> None:
    run.resize(columns)
    _, out, _ = run("show", "cosine()", "a=linear()", "--total-steps", "5000")
    plot = out.partition("  * ")[0]
    assert max(map(len, plot.splitlines())) <= columns
    assert out.isascii() or "─" in out  # the rule of the table, and nothing else
    assert plot.isascii()


def test_several_are_overlaid_with_a_legend(run: Terminal) -> None:
    _, out, _ = run("show", "a=cosine()", "b=linear()", "--total-steps", "100")
    assert "  * a\n  o b\n" in out
    assert "* a" in out
    assert out.count("o") > 20


def test_the_axis_is_logarithmic_where_rates_span_decades() -> None:
    assert spans_decades(curves(STEEP))
    assert chart(curves(STEEP), 80)[0] == "rate (log axis)"
    labels = [line.partition("+")[0].strip() for line in chart(curves(STEEP), 80)]
    assert {"0.1", "0.01", "0.001", "0.0001", "1e-05"} <= set(labels)
    assert not spans_decades(curves(WSD, "3e-4 * cosine()", steps=10_000))
    assert spans_decades(curves("0.1 * cosine()", "1e-5 * cosine()"))


def test_labels_and_ranges_of_the_picture() -> None:
    figure = static(curves(WSD, steps=10_000))
    (axes,) = figure.axes
    assert axes.get_xlabel() == "update"
    assert axes.get_ylabel() == "rate"
    assert axes.get_yscale() == "linear"
    assert axes.get_xlim() == (0, 9999)
    low, high = axes.get_ylim()
    assert low == 0
    assert 3e-4 < high < 3.3e-4
    assert WSD in axes.get_title(loc="left")
    (line,) = axes.lines
    assert np.max(line.get_ydata()) == 3e-4

    (axes,) = static(curves(f"a={STEEP}", "b=0.1 * cosine()")).axes
    assert axes.get_yscale() == "log"
    assert axes.get_ylabel() == "rate (log axis)"
    low, high = axes.get_ylim()
    assert 0 < low < 0.1 * 0.99**999 < 0.1 < high
    legend = axes.get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == ["a", "b"]


def test_labels_and_ranges_of_the_page() -> None:
    figure = interactive(curves(WSD, steps=10_000))
    assert figure.layout.xaxis.title.text == "update"
    assert figure.layout.yaxis.title.text == "rate"
    assert figure.layout.yaxis.type == "linear"
    assert figure.layout.showlegend is False
    (trace,) = figure.data
    assert (min(trace.x), max(trace.x), max(trace.y)) == (0, 9999, 3e-4)
    logged = interactive(curves(STEEP, "0.1 * table([1.0, 0.0]) >> hold()"))
    assert logged.layout.yaxis.type == "log"
    assert logged.layout.yaxis.title.text == "rate (log axis)"
    assert logged.layout.showlegend is True
    assert logged.data[1].y[-1] is None  # a log axis has no place for 0


def test_pictures_are_files_and_repeatable(run: Terminal) -> None:
    code, out, err = run(
        "show", WSD, "--total-steps", "10000", "--png", "a.png", "--svg", "a.svg"
    )
    assert (code, out) == (0, "")
    assert err == "wrote a.png\nwrote a.svg\n"
    assert Path("a.png").read_bytes().startswith(b"\x89PNG")
    assert b"<svg" in Path("a.svg").read_bytes()
    for form in ("png", "svg"):
        again = picture(curves(WSD, steps=10_000), form)
        assert again == Path(f"a.{form}").read_bytes()


class Links(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [v or "" for name, v in attrs if name in {"src", "href"}]


def test_the_page_is_whole(run: Terminal) -> None:
    text = 'a"<b=cosine()'
    code, _, err = run("show", text, "--total-steps", "10", "--html", "a.html")
    assert code == 1  # no label has such signs, so it is no schedule either
    assert "parse.text" in err
    code, _, _ = run("show", WSD, "--total-steps", "999999", "--html", "a.html")
    assert code == 0
    page = Path("a.html").read_text(encoding="utf-8")
    links = Links()
    links.feed(page)
    assert links.found == []
    assert "default-src 'none'" in page
    assert "<td>999998</td>" in page


def test_csv_has_every_update_exactly(run: Terminal) -> None:
    _, out, err = run("show", "3e-4*cosine()", "--total-steps", "50", "--csv")
    rows = list(csv.reader(io.StringIO(out)))
    assert err == ""
    assert rows[0] == ["update", "rate"]
    run_ = (3e-4 * ss.cosine()).resolve(total_steps=50)
    assert [float(value) for _, value in rows[1:]] == run_.rates()
    _, out, _ = run("show", "a=cosine()", "b=linear()", "--total-steps", "5", "--csv")
    assert out.splitlines()[0] == "update,a,b"


def test_json_to_a_file(run: Terminal) -> None:
    code, out, err = run(
        "show", "a=cosine()", "b=linear(3)", "--total-steps", "5", "--json", "-o", "x"
    )
    assert (code, out, err) == (0, "", "wrote x\n")
    content = json.loads(Path("x").read_text())
    assert content["total_steps"] == 5
    assert [one["label"] for one in content["curves"]] == ["a", "b"]
    assert content["curves"][1]["rates"][3:] == [0.0, 0.0]
    assert ss.parse(content["curves"][0]["schedule"]) == ss.cosine()


def test_recipe_files_and_their_rules(run: Terminal) -> None:
    Path("r.yaml").write_text(
        "lr: 1e-3 * cosine()\ntotal_steps: 10\n"
        "hyperparameters: {weight_decay: 0.1 * linear()}\n"
        'rules: [{match: "head*", value: 2}]\n'
    )
    _, out, _ = run("show", "r.yaml", "--json")
    labels = {one["label"]: one["rates"][0] for one in json.loads(out)["curves"]}
    assert labels == {"r.yaml": 1e-3, "r.yaml: lr of head*": 2e-3}
    _, out, _ = run("show", "r.yaml", "--of", "weight_decay", "--json")
    assert json.loads(out)["curves"][0]["rates"][0] == 0.1
    _, out, _ = run("show", "r.yaml", "--json", "--total-steps", "20")
    assert json.loads(out)["total_steps"] == 20


def test_units(run: Terminal) -> None:
    code, out, _ = run(
        "show",
        'warmup("1 epoch") >> linear("100 tokens") >> hold("10 samples") >> hold()',
        *("--epochs", "2", "--steps-per-epoch", "10"),
        *("--tokens-per-step", "50", "--samples-per-step", "5", "--json"),
    )
    assert code == 0
    assert json.loads(out)["curves"][0]["boundaries"] == [0, 10, 12, 14, 20]


@pytest.mark.parametrize(
    ("args", "code", "message"),
    [
        (["show"], 2, "Missing argument"),
        (["show", "cosine()"], 1, "hint:  add --total-steps N"),
        (
            ["show", "warmup('1 epoch')", "--total-steps", "9"],
            1,
            "hint:  add --steps-per-epoch N",
        ),
        (["show", "cosine("], 1, "error: parse.text"),
        (["show", "nothing"], 1, "error: parse.text"),
        (["show", "no.yaml"], 1, "'no.yaml' cannot be read: No such file"),
        (["show", "cosine()", "--total-steps", "0"], 2, "--total-steps"),
        (["show", "cosine()", "--epochs", "-1"], 1, "Horizon.epochs must be"),
        (["show", "cosine()", "--epochs", "nan"], 1, "Horizon.epochs must be"),
        (["show", "cosine(5)", "--csv", "--json"], 2, "not both"),
        (["show", "cosine(5)", "-o", "x"], 2, "needs --json or --csv"),
        (["show", "cosine(5)", "--png", "no/x.png"], 1, "'no/x.png' cannot be written"),
        (["show", "cosine(9)", "--total-steps", "5"], 1, "must fit into 5 updates"),
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
    assert "unexpected" not in err


def test_a_missing_package_is_named(
    run: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "matplotlib.figure", None)
    code, _, err = run("show", "cosine(5)", "--png", "x.png")
    assert code == 1
    assert "--png and --svg need matplotlib" in err


@given(schedule=schedules(), steps=st.integers(1, 500), width=st.integers(10, 200))
def test_any_schedule_is_drawn(schedule: ss.Schedule, steps: int, width: int) -> None:
    run_ = ss.Horizon(
        steps=steps, steps_per_epoch=9, tokens_per_step=64, samples_per_step=4
    )
    try:
        drawn = curves_of([Subject("a", schedule, run_), Subject("b", schedule, run_)])
    except ss.InvalidScheduleError:
        return  # longer than the run
    lines = chart(drawn, width)
    assert max(map(len, lines)) <= max(width, 36)
    assert all(0 <= step < max(steps, 1) for step in key_steps(drawn))
    assert len(sparkline(drawn[0].values)) == len(drawn[0].values)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    text=st.text(max_size=40).filter(lambda text: not text.startswith("-"))
    | st.from_regex(r"(hold|warmup|decay|repeat)\(?[-\d.e%\"]*\)?", fullmatch=True),
    steps=st.text("0123456789-.e", max_size=6),
)
def test_no_input_gives_a_traceback(run: Terminal, text: str, steps: str) -> None:
    code, _, err = run("show", text, f"--total-steps={steps}")
    assert code in {0, 1, 2}
    assert "Traceback" not in err
    assert "unexpected" not in err
