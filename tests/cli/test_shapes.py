import json
from pathlib import Path

import pytest
from tests.cli.commands import Terminal

from stepsize.cli.drawing import sparkline
from stepsize.planner.gallery import entries


@pytest.fixture
def run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Terminal:
    return Terminal(monkeypatch, capsys, tmp_path)


@pytest.mark.parametrize("columns", [80, 120])
def test_every_shape_has_a_line_that_fits(run: Terminal, columns: int) -> None:
    run.resize(columns)
    code, out, err = run("shapes")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert max(map(len, lines)) <= columns
    for one in entries():
        assert any(line.startswith(f"  {one.name} ") for line in lines), one.name


def test_one_in_full(run: Terminal) -> None:
    code, out, _ = run("shapes", "rex")
    assert code == 0
    assert "formula  value(d) = end + (entry - end) * (1 - p) / (1 - beta * p)" in out
    assert "source   Chen, Wolfe & Kyrillidis 2021" in out
    assert "rate\n" in out


def test_json(run: Terminal) -> None:
    code, out, _ = run("shapes", "--json")
    content = json.loads(out)
    assert code == 0
    assert [one["name"] for one in content["shapes"]] == [e.name for e in entries()]
    assert all(len(one["rates"]) == content["updates"] for one in content["shapes"])


def test_an_unknown_name_lists_the_known(run: Terminal) -> None:
    code, out, err = run("shapes", "cosinus")
    assert (code, out) == (1, "")
    assert "'cosinus' must be one of constant, wsd" in err


def test_sparklines() -> None:
    assert sparkline([0.0, 0.5, 1.0]) == "▁▅█"
    assert sparkline([0.0, 0.5, 1.0], plain=True) == "_=#"
    assert sparkline([0.95, 0.85, 0.95]) == "█▁█"
    assert sparkline([2.0, 2.0]) == "██"
    assert sparkline([0.0, 0.0]) == "▁▁"
