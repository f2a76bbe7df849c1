"""What follows from records, and what does not."""

import math
from pathlib import Path
from typing import Any

import msgspec
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tests.ledger.recorded import SCHEDULE, metric, run, scale, spec, steered, written

from stepsize.control import Event
from stepsize.errors import LedgerError
from stepsize.ledger.audit import rows
from stepsize.ledger.history import History
from stepsize.ledger.rates import rounded
from stepsize.ledger.records import (
    Answer,
    AnyRecord,
    Changed,
    Command,
    End,
    Metric,
    Note,
)
from stepsize.ledger.verify import verify


def codes(store: Any) -> list[tuple[int, str]]:
    return [(one.line, one.code) for one in verify(store).findings]


def test_a_steered_run_is_sound(tmp_path: Path) -> None:
    store = written(tmp_path, *steered())
    found = verify(store)
    assert (found.findings, found.records, found.rates) == ((), 33, 60)
    assert found.sound
    history = History(store.read())
    assert (history.update, history.metrics, history.n) == (30, 30, 33)
    assert history.rates().at(25) == tuple(metric(25, scale(20)).rates["lr"])
    assert history.rates().at(60)[0] == pytest.approx(
        metric(60, scale(20)).rates["lr"][0], rel=1e-15
    )


def test_rates_that_do_not_follow_are_found(tmp_path: Path) -> None:
    records = steered()
    wrong = metric(12)
    row = (wrong.rates["lr"][0], 0.3)
    records[14] = msgspec.structs.replace(wrong, rates={"lr": row})
    found = verify(written(tmp_path, *records))
    assert [(one.line, one.code) for one in found.findings] == [(15, "rate")]
    assert "lr of group 'head' in update 12 was 0.3; 0.19" in found.findings[0].text
    # without the event, the ten updates after it follow from nothing
    del records[22]
    records[14] = wrong
    assert {one for _, one in codes(written(tmp_path / "b", *records))} == {"rate"}


def test_the_last_bits_may_be_those_of_another_machine(tmp_path: Path) -> None:
    records = steered()
    right = metric(12)
    one, other = right.rates["lr"]
    assert one is not None
    assert other is not None
    near = (math.nextafter(one, 1.0), rounded(other * (1 + 1.2e-7), "float32"))
    assert near[0] != one
    assert near[1] != other
    records[14] = msgspec.structs.replace(right, rates={"lr": near})
    found = verify(written(tmp_path / "a", *records))
    assert (found.findings, found.rounded) == ((), 1)
    far = msgspec.structs.replace(right, rates={"lr": (one * (1 + 1e-11), other)})
    records[14] = far
    assert codes(written(tmp_path / "b", *records)) == [(15, "rate")]


def test_the_last_bits_of_a_low_rate_are_those_of_the_highest(tmp_path: Path) -> None:
    right = metric(99)  # 1 + cos(x) loses digits there: an error of its last bit stays
    one, other = right.rates["lr"]
    assert one is not None
    assert one < 1e-4
    for share, sound in ((1e-15, True), (1e-11, False)):
        near = msgspec.structs.replace(right, rates={"lr": (one + 0.1 * share, other)})
        found = verify(written(tmp_path / str(share), run(), spec(), near))
        assert (found.sound, found.rounded) == (sound, int(sound))


@pytest.mark.parametrize(
    ("extra", "code", "text"),
    [
        (Changed.of(scale(29, 1.0, 1)), "event", "update 29 was made before"),
        (Changed.of(scale(40)), "event", "another event with the sequence 0"),
        (Answer(command="x", status="applied", update=3), "answer", "nobody asked"),
        (Metric.of(30, {"momentum": [0.9]}), "rate", "momentum follows from nothing"),
        (Metric.of(30, {"lr": [0.9]}), "rate", "lr has 1 groups, 2 are recorded"),
        (Changed(event={"version": 1}), "damaged", "it is no event"),
    ],
)
def test_records_that_cannot_be(
    tmp_path: Path, extra: Any, code: str, text: str
) -> None:
    found = verify(written(tmp_path, *steered(), extra)).findings
    assert [(one.line, one.code) for one in found] == [(34, code)]
    assert text in found[0].text


def test_a_long_run_is_compared_piece_by_piece(tmp_path: Path) -> None:
    cut = scale(2500)
    records: list[AnyRecord] = [run(), spec(), *(metric(u) for u in range(2500))]
    records += [Changed.of(cut), *(metric(u, cut) for u in range(2500, 2600))]
    records[2400] = msgspec.structs.replace(metric(2398), rates={"lr": (0.1, 0.1)})
    found = verify(written(tmp_path, *records))
    assert (found.count, found.rates) == (1, 5200)
    assert (found.findings[0].line, found.findings[0].code) == (2401, "rate")


def test_an_answer_must_name_events_that_are_there(tmp_path: Path) -> None:
    asked = Command(id="x", verb="scale", author="ada")
    good = Answer(command="x", status="applied", update=20, events=(0,))
    bad = msgspec.structs.replace(good, events=(7,))
    assert codes(written(tmp_path / "a", *steered(), asked, good)) == []
    assert codes(written(tmp_path / "b", *steered(), asked, bad)) == [(35, "answer")]


def test_rates_without_a_spec_cannot_be_checked(tmp_path: Path) -> None:
    store = written(tmp_path, run(), metric(0))
    assert codes(store) == [(2, "spec")]
    with pytest.raises(LedgerError, match=r"run must have a spec"):
        History(store.read()).rates()


def test_a_schedule_that_is_a_function_cannot_be_checked(tmp_path: Path) -> None:
    part = {"schedule": {"kind": "opaque", "name": "mine"}, "horizon": {"steps": 9}}
    odd = msgspec.structs.replace(spec(), parts=(part,))
    assert {one for _, one in codes(written(tmp_path, run(), odd, metric(0)))} == {
        "spec"
    }
    short = msgspec.structs.replace(spec(), groups=("encoder",))
    found = verify(written(tmp_path / "b", run(), short, metric(0))).findings
    assert "have a part, or null, for each group" in found[0].text


class TestResumes:
    """A second life from update 15, of a run that came to 30."""

    def test_what_people_did_is_applied_again(self, tmp_path: Path) -> None:
        cut = scale(20)
        again = [metric(u) for u in range(15, 20)]
        again += [metric(u, cut) for u in range(20, 35)]
        store = written(tmp_path, *steered(), run(), spec(15), *again)
        assert codes(store) == []
        history = History(store.read())
        assert (history.update, len(history.lives)) == (35, 2)
        assert history.events == (cut,)

    def _first(self, cut: Event) -> list[Any]:
        first = [run(), spec(), *(metric(u) for u in range(20)), Changed.of(cut)]
        return [*first, *(metric(u, cut) for u in range(20, 25)), run(), spec(15)]

    def test_what_a_policy_decides_again_is_written_once(self, tmp_path: Path) -> None:
        cut = scale(20, source="policy:plateau")
        again = [metric(u) for u in range(15, 20)]
        again += [metric(u, cut) for u in range(20, 35)]
        assert codes(written(tmp_path, *self._first(cut), *again)) == []

    def test_what_it_does_not_decide_again_is_withdrawn(self, tmp_path: Path) -> None:
        cut = scale(20, source="policy:plateau")
        gone = Event(
            update=23, kind="note", values={"withdraws": 0}, sequence=1, source="resume"
        )
        again = [metric(u) for u in range(15, 23)]
        more = [metric(u) for u in range(23, 35)]
        records = [*self._first(cut), *again, Changed.of(gone), *more]
        store = written(tmp_path, *records)
        assert codes(store) == []
        assert [one.kind for one in History(store.read()).events] == ["note"]

    def test_a_third_life_knows_what_the_second_withdrew(self, tmp_path: Path) -> None:
        cut = scale(20, source="policy:plateau")
        gone = Event(
            update=23, kind="note", values={"withdraws": 0}, sequence=1, source="resume"
        )
        records = [
            *self._first(cut),
            Changed.of(gone),
            *(metric(u) for u in range(23, 35)),
            run(),
            spec(30),
            *(metric(u) for u in range(30, 40)),
        ]
        assert codes(written(tmp_path, *records)) == []


def test_rows_say_who_what_when_and_why(tmp_path: Path) -> None:
    command = Command(
        id="x", verb="scale", values={"factor": 0.5}, author="ada@home", reason="noisy"
    )
    answer = Answer(command="x", status="refused", update=30, why="it has expired")
    end = End(outcome="failed", why="MemoryError: ")
    store = written(tmp_path, *steered(), command, answer, Note(text="a"), end)
    found = rows(History(store.read()))
    said = [(one.who, one.what, one.why) for one in found]
    assert said[1] == (
        "program",
        "spec",
        f"Scheduler(lr={SCHEDULE}, update=0)",
    )
    assert said[2:] == [
        ("operator:ada", "scale(factor=0.5, over=0)", "it is noisy"),
        ("ada@home", "command x: scale(factor=0.5)", "noisy"),
        ("training", "refused command x", "it has expired"),
        ("operator", "note", "a"),
        ("program", "failed", "MemoryError: "),
    ]
    assert said[0][1].startswith("start (stepsize ")
    assert found[2].after == pytest.approx(0.5 * (found[2].before or 0), rel=1e-12)
    assert [one.update for one in found] == [None, 0, 20, None, 30, None, None]


@given(st.floats(-1e30, 1e30, allow_nan=False), st.sampled_from(["32", "16", "b"]))
def test_rounding_is_that_of_torch(value: float, which: str) -> None:
    dtype = "bfloat16" if which == "b" else f"float{which}"
    held = torch.tensor(value, dtype=torch.float64).to(torch.float32)
    if dtype != "float32":
        value = held.item()  # as written to a tensor: never rounded twice
        held = held.to(getattr(torch, dtype))
    assert rounded(value, dtype) == held.item()


def test_what_an_eased_change_leads_to_is_told(tmp_path: Path) -> None:
    values = {"factor": 0.5, "over": 4}
    eased = Event(update=20, kind="scale", values=values, source="operator:ada")
    store = written(tmp_path, run(), spec(), Changed.of(eased))
    (row,) = [one for one in rows(History(store.read())) if one.update == 20]
    planned = metric(24).rates["lr"][0]
    assert planned is not None
    assert row.before == planned
    assert row.after == pytest.approx(planned / 2)
