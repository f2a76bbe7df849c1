"""What was recorded by an earlier version is read and replayed as it was.

`golden/` has one file for each version of the format. Files are only ever added:

    python tests/control/test_golden.py NAME    writes golden/NAME.json, if it is new
"""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

import stepsize as ss
from stepsize.control import Event, Trajectory, append
from stepsize.control.kinds import KINDS

FOLDER = Path(__file__).with_name("golden")
SPAN = 150
FILES = sorted(FOLDER.glob("*.json"))

_Change = tuple[int, str, dict[str, Any], str]
CASES: dict[str, list[_Change]] = {
    "scale": [
        (20, "scale", {"factor": 0.5, "over": 10}, "policy:plateau"),
        (60, "scale", {"factor": 0.1}, "guard"),
    ],
    "cooldown": [
        (40, "cooldown", {"steps": "10%", "to": 0.1, "shape": "rex", "beta": 0.3}, "x")
    ],
    "lengths": [
        (30, "extend", {"total_steps": 130}, "resume"),
        (40, "extend", {"total_steps": 140, "mode": "bridge", "over": 15}, "resume"),
        (70, "shorten", {"total_steps": 120, "mode": "adopt"}, "operator:ada"),
        (90, "shorten", {"total_steps": 110, "mode": "keep"}, "operator:ada"),
    ],
    "rewarm": [(50, "rewarm", {"steps": 10, "to": 0.5, "total_steps": 120}, "y")],
    "replace": [
        (20, "scale", {"factor": 0.5}, "policy:plateau"),
        (50, "replace", {"schedule": "0.02 * linear()", "over": 5}, "operator:ada"),
    ],
    "clocks": [
        (30, "hold", {}, "operator:ada"),
        (40, "release", {}, "operator:ada"),
        (45, "scale", {"factor": 0.5}, "policy:plateau"),
        (50, "rewind", {"to": 32, "clock": "rewind"}, "guard"),
        (50, "scale", {"factor": 0.5}, "guard"),
        (60, "note", {}, "resume"),
    ],
}


def _case(name: str) -> Trajectory:
    events: tuple[Event, ...] = ()
    for update, kind, values, source in CASES[name]:
        event = Event(update=update, kind=kind, values=values, source=source)
        events = append(events, event, made=0)
    schedule = 0.1 * ss.warmup(10) >> ss.cosine(to=0.01)
    return Trajectory(schedule, ss.Horizon(steps=100), events)


def test_every_kind_is_in_a_case() -> None:
    kinds = {kind for changes in CASES.values() for _, kind, _, _ in changes}
    assert kinds == set(KINDS)
    assert FILES


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_recorded_run_is_replayed(path: Path) -> None:
    for case in json.loads(path.read_text()):
        lr = Trajectory(
            ss.parse(case["schedule"]),
            ss.Horizon.from_dict(case["horizon"]),
            tuple(Event.from_dict(event) for event in case["events"]),
        )
        assert [event.to_dict() for event in lr.events] == case["events"]
        assert [lr.step_at(u) for u in range(SPAN)] == case["steps"]
        # other machines round cos otherwise
        assert lr.block(0, SPAN) == pytest.approx(case["rates"], abs=1e-13, rel=0)


def _write(path: Path) -> None:
    cases = [(name, _case(name)) for name in CASES]
    content = [
        {
            "name": name,
            "schedule": str(lr.schedule),
            "horizon": lr.horizon.to_dict(),
            "events": [event.to_dict() for event in lr.events],
            "steps": [lr.step_at(u) for u in range(SPAN)],
            "rates": lr.block(0, SPAN),
        }
        for name, lr in cases
    ]
    with path.open("x") as file:
        json.dump(content, file, indent=None, separators=(",", ":"))
        file.write("\n")


if __name__ == "__main__":
    _write(FOLDER / f"{sys.argv[1]}.json")
