import sys
from pathlib import Path

import pytest

from stepsize.cli import demo, main
from stepsize.proof.results import load

SMALL = {"schedules": ["wsd"], "total_steps": 30, "seeds": 2, "lrs": [0.1]}


def run(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Run `stepsize demo` in a folder."""
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "argv", ["stepsize", "demo"])
    main()


def test_the_demo_plans_two_full_grids_and_a_language_model() -> None:
    names = [name for name, _ in demo.PLAN]
    assert names == ["digits", "mnist5k", "charlm"]
    assert demo.PLAN[0][1] == demo.PLAN[1][1] == {}
    assert demo.PLAN[2][1]["tuned"] is True


def test_the_demo_writes_one_page_and_one_file_for_all(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    monkeypatch.setattr(demo, "PLAN", (("digits", SMALL), ("mnist5k", SMALL)))
    with pytest.raises(SystemExit) as stop:
        run(monkeypatch, tmp_path)
    assert not stop.value.code
    out, err = capsys.readouterr()
    assert err.startswith("finding the rate of digits")
    assert out.startswith("digits: lr 0.")
    assert "digits 30 updates a run" in out
    assert "mnist5k 30 updates a run" in out
    assert f"Report:  {tmp_path}/report.html" in err
    comparisons = load(tmp_path / "results.json").comparisons
    assert [c.subject.name for c in comparisons] == ["digits", "mnist5k"]
    text = (tmp_path / "report.html").read_text()
    assert text.count("<section>") == 2


def test_what_was_trained_is_not_lost_if_a_later_one_fails(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    monkeypatch.setattr(demo, "PLAN", (("digits", SMALL), ("imagenet", SMALL)))
    with pytest.raises(SystemExit) as stop:
        run(monkeypatch, tmp_path)
    assert stop.value.code == 1
    assert "got 'imagenet'" in capsys.readouterr().err
    (done,) = load(tmp_path / "results.json").comparisons
    assert done.subject.name == "digits"


def test_the_rate_that_the_demo_finds_is_one_that_the_grid_finds_good() -> None:
    found = demo.found()
    assert found.status == "ok"
    assert found.suggestion is not None
    assert 0.03 <= found.suggestion <= 0.5
