"""Commands, bounds, and when to look: without any training."""

import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from stepsize.errors import InvalidScheduleError, LedgerError, StepsizeError
from stepsize.ledger import Ledger
from stepsize.ledger.bounds import Bounds, load_bounds
from stepsize.ledger.commands import (
    VERBS,
    check_ahead,
    deadline_of,
    event_of,
    make_command,
)
from stepsize.ledger.records import Command
from stepsize.ledger.station import MOST_UPDATES, Pace

VALUES: dict[str, dict[str, Any]] = {
    "scale": {"factor": 0.5},
    "cooldown": {"steps": "10%"},
    "extend": {"total_steps": 200},
    "shorten": {"total_steps": 50},
    "rewarm": {"steps": 10},
    "replace": {"schedule": "0.1 * hold()"},
    "deadline": {"at": 4e9},
}


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_is_a_command(verb: str, tmp_path: Path) -> None:
    command = make_command(verb, VALUES.get(verb), reason="why", author="ada@home")
    ledger = Ledger(tmp_path)
    (entry,) = ledger.store.append(command)
    (read,) = (one.record for one in ledger.store.read())
    assert read == entry.record == command
    assert command.expires == pytest.approx(time.time() + 3600, abs=600)
    if verb not in ("deadline", "checkpoint", "stop"):
        event = event_of(command, 7)
        assert (event.update, event.kind, event.source) == (
            7,
            verb,
            "operator:ada@home",
        )
        assert event.reason == f"why [command {command.id}]"


@pytest.mark.parametrize(
    ("verb", "values", "more", "error", "match"),
    [
        ("jump", {}, {}, LedgerError, r"Command\.verb must be one of scale, cooldown"),
        ("scale", {"factor": 0}, {}, InvalidScheduleError, r"scale\.factor must be"),
        ("scale", {"by": 2}, {}, InvalidScheduleError, r"by"),
        ("stop", {"now": 1}, {}, LedgerError, r"stop must have no values but none"),
        ("deadline", {"at": "noon"}, {}, LedgerError, r"deadline\.at must be a time"),
        ("hold", {}, {"expires_seconds": 0}, LedgerError, r"expires_seconds must be"),
        (
            "deadline",
            {"at": 4e9, "length": "long"},
            {},
            InvalidScheduleError,
            r"Deadline\.length must be",
        ),
        (
            "deadline",
            {"at": None, "reserve_seconds": "1h"},
            {},
            InvalidScheduleError,
            r"Deadline\.reserve_seconds must be",
        ),
        ("hold", {}, {"groups": ""}, InvalidScheduleError, r"Target\.groups must be"),
        (
            "hold",
            {},
            {"id": ""},
            LedgerError,
            r"Command\.id must be a text that is not",
        ),
        ("hold", {}, {"id": 5}, LedgerError, r"Command\.id must be a text that is not"),
        ("hold", {}, {"author": ""}, LedgerError, r"author must be a text that is not"),
        ("hold", {}, {"tolerance": -1}, LedgerError, r"tolerance must be an int >= 0"),
        ("hold", {}, {"expected_step": -1}, LedgerError, r"expected_step must be an"),
        ("hold", {}, {"seen": "x"}, LedgerError, r"seen must be an int >= -1, or None"),
        ("hold", {}, {"reason": None}, LedgerError, r"reason must be a text; got None"),
        ("hold", [1], {}, LedgerError, r"Command\.values must be a mapping"),
        ("hold", {}, {"expires_seconds": "1h"}, LedgerError, r"must be finite and > 0"),
    ],
)
def test_what_is_no_command(
    verb: str,
    values: dict[str, Any],
    more: dict[str, Any],
    error: type[StepsizeError],
    match: str,
) -> None:
    with pytest.raises(error, match=match):
        make_command(verb, values, **more)


def test_a_deadline_becomes_a_policy_or_none() -> None:
    at = make_command("deadline", {"at": 1000.0, "length": "10%"}, now=900.0)
    policy = deadline_of(at, 900.0)
    assert policy is not None
    assert (policy.budget_seconds, policy.length) == (100.0, "10%")
    assert deadline_of(make_command("deadline", {"at": None}), 0.0) is None
    for over in (999.9, 1000.0):
        command = make_command("deadline", {"at": over}, now=1000.0)
        with pytest.raises(LedgerError, match=r"deadline\.at must be a time to come"):
            check_ahead(command)
    check_ahead(at)
    with pytest.raises(InvalidScheduleError, match=r"Deadline\.budget_seconds must be"):
        deadline_of(at, 1000.0)


class TestBounds:
    def test_a_file_has_them(self, tmp_path: Path) -> None:
        path = tmp_path / "steering.yaml"
        path.write_text('people: ["ada@*"]\nfactor: [0.5, 2]\nlr: [0, 1.0e-3]\n')
        bounds = load_bounds(path)
        assert bounds == Bounds(people=("ada@*",), factor=(0.5, 2.0), lr=(0.0, 1e-3))
        assert Ledger(tmp_path).bounds == bounds
        assert Ledger(tmp_path, bounds=Bounds()).bounds == Bounds()
        assert Ledger(tmp_path / "other").bounds is None
        assert bounds.sha256() != Bounds().sha256()

    @pytest.mark.parametrize(
        ("text", "match"),
        [
            ("people: [", r"steering\.yaml must be YAML"),
            ("- a", r"must be a mapping with no fields but people, verbs"),
            ("poeple: [a]", r"must be a mapping with no fields but people, verbs"),
            ("people: ada", r"Bounds\.people must be a list of texts"),
            ("people: []", r"Bounds\.people must be a list of texts"),
            ("verbs: [1]", r"Bounds\.verbs must be a list of texts"),
            ("verbs: [cool-down]", r"Bounds\.verbs must be among scale, cooldown"),
            ("lr: [1e-7, 6e-4]", r"hint: YAML reads 1e-7 as a text: write 1\.0e-7"),
            ("factor: [2, 3]", r"Bounds\.factor must be .* with 1 between them"),
            ("factor: [0.5]", r"Bounds\.factor must be a low and a high number"),
            ("lr: [2, 1]", r"Bounds\.lr must be .* \(unit: lr\)"),
            ("lr: [a, b]", r"Bounds\.lr must be"),
            ("reason: maybe", r"Bounds\.reason must be true or false"),
            ("most_per_day: 1.5", r"Bounds\.most_per_day must be an int >= 0"),
            ("people: !!python/name:os.system x", r"must be YAML"),
            ("", r"must name a bound; .* hint: write \{\} to allow everything"),
            ("# lr: [0, 1]", r"must name a bound; .* hint: write \{\}"),
            ("lr: [0, 1]\nlr: [0, 9]", r"must name each field once; got 'lr'"),
        ],
    )
    def test_damaged_files(self, tmp_path: Path, text: str, match: str) -> None:
        path = tmp_path / "steering.yaml"
        path.write_text(text)
        with pytest.raises(LedgerError, match=match):
            Ledger(tmp_path)

    def test_who_may_do_what(self) -> None:
        bounds = Bounds(people=("ada@*",), verbs=("scale", "hold"), factor=(0.5, 1.0))
        given: list[tuple[dict[str, Any], str]] = [
            ({}, ""),
            ({"author": "eve@home"}, "eve@home may not steer this run"),
            ({"verb": "stop", "values": {}}, "stop is not among scale, hold"),
            ({"reason": ""}, "a reason is required"),
            ({"values": {"factor": 0.4}}, "the factor 0.4 is not between 0.5 and 1"),
        ]
        for change, refused in given:
            usual: dict[str, Any] = {
                "id": "1",
                "verb": "scale",
                "values": {"factor": 0.5},
                "author": "ada@home",
                "reason": "why",
            }
            assert bounds.refusal(Command(**{**usual, **change})) == refused
        assert Bounds(lr=(1e-4, 1e-2)).too_far(1e-3, 1e-3) == ""
        assert "above 0.01" in Bounds(lr=(1e-4, 1e-2)).too_far(1e-3, 0.1)
        assert "below 0.0001" in Bounds(lr=(1e-4, 1e-2)).too_far(1e-5, 1e-3)


class TestPace:
    def looks(self, seconds: float, updates: int, speed: float) -> list[int]:
        update = 0
        pace = Pace(seconds, clock=lambda: update * speed)
        found = []
        due = 0
        while due < updates:
            update = due
            found.append(update)
            due = pace.next(update)
        return found

    def test_looks_are_about_so_many_seconds_apart(self) -> None:
        found = self.looks(1.0, 20_000, speed=0.001)
        gaps = [b - a for a, b in pairwise(found)]
        assert gaps[:5] == [1, 2, 4, 8, 16]
        assert max(gaps) <= 1000
        assert min(gaps[12:]) >= 999

    def test_a_run_that_becomes_slow_is_looked_at_soon(self) -> None:
        update, now = 0, 0.0
        pace = Pace(1.0, clock=lambda: now)
        for _ in range(20):
            step = pace.next(update) - update
            update, now = update + step, now + step * 0.001
        step = pace.next(update) - update
        now += step * 1.0  # a second each from here on
        assert pace.next(update + step) - update - step == 1

    def test_a_clock_that_stands_still_is_no_excuse(self) -> None:
        found = self.looks(1.0, 1_000_000, speed=0.0)
        assert max(b - a for a, b in pairwise(found)) == MOST_UPDATES
