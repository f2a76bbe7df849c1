"""Commands over recorded runs: runs, audit, verify, replay, report."""

import csv
import html
import io
import json
import re
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.cli.commands import Terminal
from tests.ledger.recorded import metric, scale, spec, steered, written
from tests.ledger.recorded import run as started

from stepsize.cli import steer
from stepsize.control import Event
from stepsize.ledger import places
from stepsize.ledger.bounds import load_bounds
from stepsize.ledger.records import (
    Advice,
    Answer,
    AnyRecord,
    Changed,
    Command,
    End,
    Finder,
    Metric,
    Note,
    Run,
)
from stepsize.schedules.horizon import Horizon


@pytest.fixture
def run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Terminal:
    return Terminal(monkeypatch, capsys, tmp_path)


def now(records: Sequence[AnyRecord]) -> list[AnyRecord]:
    """The same records, made this minute."""
    return [msgspec.structs.replace(one, time=time.time()) for one in records]


HOSTILE = '<script>alert("x")</script>|`[a](b)\nsecond line [bold]'


def hostile(folder: Path) -> None:
    bad = scale(20, reason=HOSTILE, source=f"operator:{HOSTILE}")
    records: list[AnyRecord] = [
        msgspec.structs.replace(started(HOSTILE), user=HOSTILE),
        spec(),
        Changed.of(bad),
        Finder(found={}, text=HOSTILE),
        Advice(text=HOSTILE, source=HOSTILE),
    ]
    written(folder, *records)


def test_runs(run: Terminal) -> None:
    written(Path("b/seven"), *now(steered()), End(outcome="closed"))
    written(Path("a"), *now([started("six"), spec(), metric(0)]))
    code, out, err = run("runs")
    assert (code, err) == (0, "")
    rows = [line.split() for line in out.splitlines()[3:] if line.strip()]
    assert rows[0][:4] == ["six", "running", "1", "100"]
    assert rows[1][:4] == ["seven", "closed", "30", "100"]
    assert rows[1][-2:] == ["1", "b/seven"]
    code, out, _ = run("runs", "b", "--json")
    (only,) = json.loads(out)
    assert (only["run"], only["update"], only["total"]) == ("seven", 30, 100)
    assert (only["changes"], only["state"]) == (1, "closed")
    assert only["loss"] == pytest.approx(1 / 30)


def test_runs_names_what_it_cannot_read(run: Terminal) -> None:
    assert run("runs")[2] == "no runs below '.'\n"
    written(Path("good"), *now(steered()))
    Path("bad").mkdir()
    Path("bad/ledger.jsonl").write_text("{\n{\n")
    code, out, err = run("runs")
    assert code == 1
    assert "good" in out
    assert err.startswith("bad: bad/ledger.jsonl, line 1, must be a record")


def test_prometheus_reads_where_runs_stand(run: Terminal) -> None:
    written(Path("seven"), *steered())
    hostile(Path("odd"))
    code, out, _ = run("runs", "--prometheus")
    assert code == 0
    lines = out.splitlines()
    which = 'run="seven",place="seven"'
    assert f"stepsize_updates{{{which}}} 30" in lines
    assert f"stepsize_planned_updates{{{which}}} 100" in lines
    assert f'stepsize_changes{{{which},source="operator"}} 1' in lines
    rate = metric(29, scale(20)).rates["lr"][0]
    labels = f'{{{which},hyperparameter="lr",group="encoder"}}'
    assert f"stepsize_value{labels} {rate!r}" in lines
    for line in lines:
        assert re.fullmatch(
            r"# (HELP|TYPE) \w+ .+|"
            r"\w+\{\w+=\"([^\"\\\n]|\\[\"\\n])*\"(,\w+=\"([^\"\\\n]|\\[\"\\n])*\")*\}"
            r" [-+\w.]+",
            line,
        ), line
    assert run("runs", "--prometheus", "--json")[0] == 2
    assert run("runs", "-o", "file")[0] == 2
    assert run("runs", "--prometheus", "-o", "file.prom")[0] == 0
    assert Path("file.prom").read_text() == out


def test_runs_of_one_name_are_series_of_their_own(run: Terminal) -> None:
    for folder in ("a/seed0", "b/seed0"):
        written(Path(folder), *steered())
    lines = run("runs", "--prometheus")[1].splitlines()
    series = [line.rpartition(" ")[0] for line in lines if not line.startswith("#")]
    assert len(set(series)) == len(series) > 0


@pytest.mark.parametrize("option", ["--json", "--prometheus"])
def test_no_password_is_printed(
    run: Terminal, monkeypatch: pytest.MonkeyPatch, option: str
) -> None:
    store = written(Path("seven"), *steered())
    place = "postgresql+psycopg://ada:secret@host/runs#seven"
    monkeypatch.setattr(places, "stores_below", lambda _: [(place, store)])
    code, out, _ = run("runs", "postgresql+psycopg://ada:secret@host/runs", option)
    assert (code, "secret" in out) == (0, False)
    assert "ada:***@host/runs#seven" in out


def test_audit(run: Terminal) -> None:
    written(Path("seven"), *steered(), Note(text="by the way"))
    code, out, err = run("audit", "seven")
    assert code == 0
    rows = [" ".join(line.split()) for line in out.splitlines()]
    when = next(at for at, row in enumerate(rows) if row.startswith("20 "))
    assert rows[when].endswith("Z scale(factor=0.5, over=0) 0.09698 -> 0.04849")
    assert rows[when + 1] == "operator:ada it is noisy"
    assert "by the way" not in out
    assert err == "seven: 34 records, 30 updates\n"
    assert "by the way" in run("audit", "seven", "--all")[1]
    content = json.loads(run("audit", "seven", "--json")[1])
    assert [row["who"] for row in content["rows"]][1:] == ["operator:ada"]
    assert content["rows"][1]["update"] == 20
    code, out, _ = run("audit", "seven", "--markdown")
    assert out.splitlines()[2] == "| time | update | who | what | rate | why |"
    assert "| 20 | operator:ada | scale(factor=0.5, over=0) |" in out
    assert run("audit", "seven", "--json", "--markdown")[0] == 2
    assert run("audit", "seven", "-o", "file")[0] == 2


def test_texts_of_others_stay_texts(run: Terminal) -> None:
    hostile(Path("seven"))
    assert run("audit", "seven", "--html", "page.html", "--all")[0] == 0
    page = Path("page.html").read_text()
    assert "<script" not in page
    assert page.count("&lt;script&gt;") >= 4
    assert "default-src 'none'" in page
    assert run("audit", "seven", "--record", "--html", "record.html")[0] == 0
    page = Path("record.html").read_text()
    assert "<script" not in page
    assert page.count("&lt;script&gt;") >= 4
    for option in ("--markdown", "--record"):
        code, out, _ = run("audit", "seven", option, "--all")
        assert code == 0
        assert "<script" not in out
        assert "[a](b)" not in out
        assert not any(line.startswith("second line") for line in out.splitlines())
    code, out, _ = run("audit", "seven")
    assert code == 0
    assert "[bold]" in out  # no markup of the terminal either


def test_the_training_record_names_what_it_supports(run: Terminal) -> None:
    resumed: list[AnyRecord] = [
        started(),
        spec(25),
        *(metric(u, scale(20)) for u in range(25, 35)),
    ]
    end = End(outcome="failed", why="MemoryError")
    written(Path("seven"), *steered(), *resumed, Advice(text="warm up"), end)
    code, out, _ = run("audit", "seven", "--record")
    assert code == 0
    for name in ("GOVERN 1.4", "MAP 2.3", "MEASURE 2.9", "MANAGE 4.3"):
        assert name in out
    assert "compl" not in out.replace("complied", "")
    assert "- 35 updates in 2 processes; 5 of them were made again" in out
    assert "- Advice: warm up" in out
    assert "scale(factor=0.5, over=0) (rate" in out
    assert "failed: MemoryError" in out
    assert "nothing is wrong" in out
    code, page, _ = run("audit", "seven", "--record", "--html", "page.html")
    assert (code, page) == (0, "")
    page = Path("page.html").read_text()
    for line in out.splitlines():
        if line.startswith("- "):
            said = html.unescape(line.removeprefix("- ").replace("\\", ""))
            assert f"<li>{html.escape(said)}</li>" in page


def test_verify(run: Terminal) -> None:
    store = written(Path("seven"), *steered())
    code, out, err = run("verify", "seven")
    assert (code, out) == (0, "")
    said, head = err.splitlines()
    assert said == "nothing is wrong: 33 records, 60 rates compared"
    digest = head.removeprefix("head: ")
    assert run("verify", "seven", "--head", digest)[0] == 0
    assert run("verify", "seven", "--head", digest[:16])[0] == 0
    for few in (digest[:3], "zz", ""):  # three digits are those of some line by chance
        code, _, err = run("verify", "seven", "--head", few)
        assert (code, "verify.head must be 16 to 64" in err) == (1, True)
    content = store.path.read_text().replace("it is noisy", "it is quiet")
    store.path.write_text(content)
    code, out, err = run("verify", "seven")
    assert code == 1
    assert out.split()[:3] == ["line", "code", "what"]
    assert "23 edited it is not as it was sealed" in " ".join(out.split())
    found = json.loads(run("verify", "seven", "--json")[1])
    assert (found["sound"], found["findings"][0]["line"]) == (False, 23)
    code, _, err = run("verify", "none")
    assert code == 1
    assert "hint:  stepsize runs FOLDER lists the runs" in err


@pytest.mark.parametrize("command", ["runs", "audit", "verify", "replay", "report"])
def test_reading_makes_no_database(run: Terminal, command: str) -> None:
    pytest.importorskip("sqlalchemy")
    code, _, err = run(
        command,
        "sqlite:///none.db#seven".removesuffix(
            "#seven" if command in ("runs", "report") else ""
        ),
    )
    assert code == 1
    assert "database must be a file that is there; got 'none.db'" in err
    assert not Path("none.db").exists()


def test_replay_gives_the_recorded_rates(run: Terminal) -> None:
    records = steered()
    written(Path("seven"), *records)
    code, out, _ = run("replay", "seven")
    assert code == 0
    head, *rows = csv.reader(io.StringIO(out))
    assert head == ["update", "lr/encoder", "lr/head"]
    recorded = [one for one in records if isinstance(one, Metric)]
    assert [[int(u), float(a), float(b)] for u, a, b in rows] == [
        [one.update, *one.rates["lr"]] for one in recorded
    ]
    plan = json.loads(run("replay", "seven", "--from", "90", "--to", "99", "--json")[1])
    assert plan["updates"] == list(range(90, 100))
    assert plan["values"][-1][0] < plan["values"][0][0]
    code, out, err = run("replay", "seven", "--from", "20", "--to", "10")
    assert (code, out) == (1, "")
    assert "--from must be at most 10" in err
    code, _, err = run("replay", "seven", "--of", "momentum")
    assert (code, err.splitlines()[0]) == (
        1,
        "error: --of must be one of lr; got 'momentum'.",
    )


def losing(name: str, last: float, *extra: AnyRecord) -> list[AnyRecord]:
    metrics = [metric(u, loss=1.0) for u in range(9)]
    return now([started(name), spec(), *metrics, metric(9, loss=last), *extra])


def test_report_counts(run: Terminal) -> None:
    written(Path("a"), *losing("a", 0.5, Finder(found={}), End(outcome="closed")))
    written(Path("b"), *losing("b", 0.7))
    written(Path("c"), *losing("c", float("nan")))
    again: list[AnyRecord] = [started("d"), spec(5), *(metric(u) for u in range(5, 12))]
    written(Path("d"), *losing("d", 0.6), *now([*again]))
    written(Path("old"), *steered())  # in 1970
    code, out, _ = run("report", "--json")
    assert code == 0
    found: dict[str, Any] = json.loads(out)
    assert found["runs"] == 4
    assert found["diverged_share"] == 0.25
    assert found["updates"] == 10 + 10 + 10 + 12 + 5
    assert found["wasted_updates"] == 10 + 5
    assert found["changes_per_run"] == 0
    (seeds,) = found["seeds"]
    assert seeds["runs"] == 3
    assert seeds["mean"] == pytest.approx((0.5 + 0.7 + 1 / 12) / 3)
    code, out, _ = run("report", "--since", "12h")
    assert "diverged 25%" in " ".join(out.split())
    assert run("report", "--since", "soon")[0] == 2


def test_report_tells_what_changes_led_to(run: Terminal) -> None:
    before = [metric(u, loss=1.0 + u % 2 / 10) for u in range(20)]
    cut = scale(20)
    after = [metric(u, cut, loss=1.0 - u / 50) for u in range(20, 40)]
    records: list[AnyRecord] = [started(), spec(), *before, Changed.of(cut), *after]
    written(Path("a"), *now(records))
    found = json.loads(run("report", "--json")[1])
    assert (found["changes_better"], found["changes_worse"]) == (1, 0)
    assert found["changes"] == {"operator": 1}


def test_an_unreadable_run_is_left_out_and_told(run: Terminal) -> None:
    written(Path("a"), *losing("a", 0.5))
    Path("bad").mkdir()
    Path("bad/ledger.jsonl").write_text("{\n{\n")
    code, out, err = run("report", "--json")
    assert (code, json.loads(out)["runs"]) == (1, 1)
    assert err.endswith("left out: 1 run that cannot be read\n")


def test_a_run_of_which_only_a_note_is_known(run: Terminal) -> None:
    written(Path("seven"), *now([Note(text="it waits for a machine")]))
    for words in (["audit"], ["audit", "--record"], ["verify"]):
        assert run(words[0], "seven", *words[1:])[0] == 0
    assert "it waits for a machine" in run("audit", "seven", "--all")[1]
    assert json.loads(run("runs", "--json")[1])[0]["update"] == 0
    assert json.loads(run("report", "--json")[1])["runs"] == 1
    code, _, err = run("replay", "seven")
    assert (code, "run must have a spec" in err) == (1, True)
    assert run("steer", "seven", "stop", "--preview")[0] == 0
    assert "run must have a spec" in run("steer", "seven", "hold", "--preview")[2]


class TestSteer:
    """The command alone; with a training: tests/adapters/torch/test_remote.py."""

    def test_the_new_curve_is_shown_first(self, run: Terminal) -> None:
        store = written(Path("seven"), *steered())
        code, out, err = run("steer", "seven", "cooldown", "50%", "--preview")
        assert code == 0
        rows = [line.split() for line in out.splitlines()[3:] if line.strip()]
        assert rows[0][0] == "30"
        assert rows[-1][0] == "100"
        assert rows[-2][2] == "0"
        assert err == "the run is at update 30; it ends at 100 now, then 65\n"
        assert len(list(store.read())) == 33

    def test_json_is_all_of_stdout(self, run: Terminal) -> None:
        written(Path("seven"), *steered())
        ask = ("steer", "seven", "cooldown", "50%", "--json")
        code, out, err = run(*ask, "--preview")
        assert code == 0
        found = json.loads(out)
        assert (found["command"]["verb"], found["answer"]) == ("cooldown", None)
        shown = found["preview"]
        assert (shown["update"], shown["now"]["ends"]) == (30, 100)
        assert shown["then"]["ends"] == 65
        assert len(shown["updates"]) == len(shown["then"]["values"]) == 9
        assert "update" in err  # the table is for whoever confirms it
        code, out, _ = run(*ask, "--yes", "--wait", "0")
        assert (code, json.loads(out)["answer"]) == (1, None)

    def test_what_the_bounds_say_is_shown_too(self, run: Terminal) -> None:
        folder = Path("seven")
        folder.mkdir()
        (folder / "steering.yaml").write_text("verbs: [hold]\nreason: false\n")
        digest = load_bounds(folder / "steering.yaml").sha256()
        written(folder, Run.here("seven", bounds=digest), *steered()[1:])
        _, _, err = run("steer", "seven", "scale", "0.5", "--preview")
        assert err.endswith("the training will refuse it: scale is not among hold\n")
        assert "refuse" not in run("steer", "seven", "hold", "--preview")[2]

    def test_it_follows_on_what_was_applied_since_the_last_metric(
        self, run: Terminal
    ) -> None:
        hold = Event(update=35, kind="hold", sequence=1, source="operator:ada")
        answer = Answer(command="x", status="applied", update=35, events=(1,))
        asked = Command(id="x", verb="hold", author="ada")
        written(Path("seven"), *steered(), asked, Changed.of(hold), answer)
        code, _, err = run("steer", "seven", "release", "--preview")
        assert code == 0, err
        assert err.startswith("the run is at update 35; ")

    def test_a_much_higher_rate_is_told(self, run: Terminal) -> None:
        written(Path("seven"), *steered())
        _, _, err = run("steer", "seven", "replace", "30 * cosine()", "--preview")
        assert "note: the highest rate to come is 60 then, and 0.0883 as" in err
        assert "note" not in run("steer", "seven", "scale", "1.5", "--preview")[2]

    def test_a_training_that_has_ended_is_told(self, run: Terminal) -> None:
        written(Path("seven"), *steered(), End(outcome="closed"))
        _, _, err = run("steer", "seven", "hold", "--preview")
        assert err.endswith("only one that resumes it will answer\n")

    def test_nobody_is_there_to_confirm(self, run: Terminal) -> None:
        store = written(Path("seven"), *steered())
        code, _, err = run("steer", "seven", "hold")
        assert (code, "nobody is there to confirm it" in err) == (1, True)
        assert len(list(store.read())) == 33

    def test_no_answer_is_a_failure(self, run: Terminal) -> None:
        store = written(Path("seven"), *steered())
        code, _, err = run("steer", "seven", "hold", "--yes", "--wait", "0")
        assert code == 1
        assert "no answer within 0 s" in err
        *_, last = store.read()
        command: Any = last.record
        assert (command.verb, command.seen) == ("hold", 0)
        assert command.expires == pytest.approx(time.time() + 3600, abs=600)

    def test_a_training_obeys(self, run: Terminal, tmp_path: Path) -> None:
        folder = tmp_path / "seven"
        call = [sys.executable, "-m", "tests.adapters.torch.steered_run", str(folder)]
        root = Path(__file__).parents[2]
        training = subprocess.Popen([*call, "20000"], cwd=root)
        try:
            ends = time.monotonic() + 120
            while json.loads(run("runs", ".", "--json")[1] or "[{}]")[:1] == [{}] or (
                run("replay", "seven")[0] != 0
            ):
                assert time.monotonic() < ends
                assert training.poll() is None
                time.sleep(0.1)
            ask = ("--reason", "a test", "--yes", "--wait", "100")
            for words in (["scale", "0.5", "--over", "5"], ["hold"], ["release"]):
                code, _, err = run("steer", "seven", *words, *ask)
                assert code == 0, err
                assert "applied from update " in err
            again = ("hold", "--id", "tuesday", *ask)
            code, _, err = run("steer", "seven", *again)
            assert code == 0, err
            code, out, _ = run("steer", "seven", *again, "--json")
            assert code == 0
            assert json.loads(out)["answer"]["status"] == "applied"
            code, _, err = run("steer", "seven", "hold", "--expect-step", "1", *ask)
            assert code == 1
            assert "hold must not be made twice" in err or "meant for step 1" in err
            assert run("steer", "seven", "cooldown", "20", *ask)[0] == 0
            assert training.wait(120) == 0
        finally:
            training.kill()
            training.wait()
        assert run("verify", "seven")[0] == 0
        content = json.loads(run("audit", "seven", "--json")[1])
        who = [row["who"] for row in content["rows"] if row["before"] is not None]
        assert len(who) == 5
        assert all(one.startswith("operator:") for one in who)

    @pytest.mark.parametrize(
        ("args", "code", "said"),
        [
            (["jump", "3"], 1, "Command.verb must be one of scale, cooldown"),
            (["scale"], 2, "scale needs a value"),
            (["scale", "fast"], 2, "'fast' is no number"),
            (["scale", "-1"], 2, ""),
            (["scale", "0"], 1, "scale.factor must be a finite number > 0"),
            (["hold", "3"], 2, "hold takes no value"),
            (["extend", "10"], 1, "extend.total_steps must be > 100"),
            (["extend", "soon"], 2, "'soon' is no whole number"),
            (["release"], 1, "release must follow a hold"),
            (
                ["hold", "--groups", "x*"],
                1,
                "groups must match one of encoder, head; got 'x*'",
            ),
            (["hold", "--of", "x"], 1, "hyperparameter must be one of lr; got 'x'"),
            (["deadline", "noon"], 2, "'noon' is no time"),
            (["deadline", "2020-01-01T00:00"], 2, "'2020-01-01T00:00' is over"),
            (["hold", "--id", ""], 1, "Command.id must be a text that is not empty"),
            (["hold", "--expect-step", "-1"], 1, "expected_step must be an int >= 0"),
            (["hold", "--expires", "1y"], 2, "'1y' is no time"),
        ],
    )
    def test_what_makes_no_sense_is_not_asked(
        self, run: Terminal, args: list[str], code: int, said: str
    ) -> None:
        store = written(Path("seven"), *steered())
        status, _, err = run("steer", "seven", *args, "--yes", "--wait", "0")
        assert status == code
        assert said in " ".join(err.replace("│", " ").split())
        assert len(list(store.read())) == 33

    def test_plus_is_added_to_the_horizon(self, run: Terminal) -> None:
        written(Path("seven"), *steered())
        _, _, err = run("steer", "seven", "extend", "+50", "--preview")
        assert "it ends at 100 now, then 150" in err
        assert Horizon(steps=150).total_steps == 150

    def test_a_negative_number_stands_behind_two_dashes(self, run: Terminal) -> None:
        written(Path("seven"), *steered())
        words = ("shorten", "--preview", "--", "-20")
        _, _, err = run("steer", "seven", *words)
        assert "it ends at 100 now, then 80" in err
        assert "behind --" in run("steer", "--help")[1]

    def test_a_deadline_is_a_time_to_come(self) -> None:
        for text in ("18:00", "00:00", "23:59"):
            at = steer._deadline(text)
            assert at is not None
            assert 0 < at - time.time() <= 86_400 + 3600
        assert steer._deadline("2h") == pytest.approx(time.time() + 7200, abs=60)
        assert steer._deadline("off") is None
        assert steer._deadline("2030-01-31T18:00+00:00") == 1896112800.0
