"""What holds for every kind of event, over random schedules and lists of events."""

import json
import pickle
from dataclasses import replace
from typing import Any

import numpy as np
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import stepsize as ss
from stepsize.control import Event, Target, Trajectory, append
from stepsize.errors import StepsizeError
from stepsize.testing.strategies import resolved

N = 40
SPAN = 3 * N
SCHEDULES = (
    0.1 * ss.warmup(5) >> ss.cosine(to=0.1),
    3e-4 * ss.warmup("10%") >> ss.hold() >> ss.decay("20%", shape="1-sqrt"),
    0.5 * ss.repeat(ss.cosine(to=0.01), 3, shrink_peak=0.5),
    1e-3 * ss.inverse_sqrt(7),
    0.1 * ss.linear(N),
)
lengths = st.one_of(st.integers(1, 30), st.sampled_from(("10%", "50%", "100%")))
totals = st.integers(1, 2 * N)
modes = st.sampled_from(("stretch", "bridge", "adopt", "keep"))
shapes = st.sampled_from(("linear", "1-sqrt", "cosine", "rex"))
VALUES: dict[str, st.SearchStrategy[dict[str, Any]]] = {
    "scale": st.fixed_dictionaries(
        {"factor": st.floats(0.01, 10), "over": st.integers(0, 12)}
    ),
    "cooldown": st.fixed_dictionaries(
        {"steps": lengths, "shape": shapes},
        optional={"to": st.sampled_from((0.0, 0.1, 1.0))},
    ),
    "extend": st.fixed_dictionaries(
        {"total_steps": totals, "mode": modes, "over": lengths}
    ),
    "shorten": st.fixed_dictionaries({"total_steps": totals, "mode": modes}),
    "rewarm": st.fixed_dictionaries(
        {"steps": lengths, "shape": shapes, "end": st.sampled_from((0.0, 0.1))},
        optional={"total_steps": totals, "to_lr": st.floats(1e-3, 1)},
    ),
    "replace": st.fixed_dictionaries(
        {
            "schedule": st.sampled_from(SCHEDULES),
            "at": st.sampled_from(("now", "step")),
            "scales": st.sampled_from(("keep", "drop")),
        },
        optional={"total_steps": totals, "over": lengths},
    ),
    "hold": st.just({}),
    "release": st.fixed_dictionaries(
        {"resume": st.sampled_from(("clock", "catch-up"))}
    ),
    "rewind": st.fixed_dictionaries(
        {"to": st.integers(0, N), "clock": st.sampled_from(("run", "rewind"))}
    ),
    "note": st.just({}),
}
SMOOTH = {"cooldown", "rewarm", "hold", "note"}
TARGETS = (Target(), Target(), Target(), Target("lr", "en*"), Target("momentum"))


@st.composite
def events(draw: st.DrawFn, update: int | None = None) -> Event:
    kind = draw(st.sampled_from(sorted(VALUES)))
    return Event(
        update=draw(st.integers(0, 2 * N)) if update is None else update,
        kind=kind,
        values=draw(VALUES[kind]),
        source=draw(st.sampled_from(("operator:ada", "policy:plateau", "guard"))),
        target=draw(st.sampled_from(TARGETS)),
    )


def _admitted(lr: Trajectory, listed: list[Event]) -> Trajectory:
    """Add those events of a list that make sense where they come."""
    for event in sorted(listed, key=lambda one: one.update):
        try:
            lr = lr.with_event(event, made=event.update)
        except StepsizeError:
            continue
    return lr


@st.composite
def trajectories(draw: st.DrawFn, *, most: int = 8) -> Trajectory:
    schedule = draw(st.sampled_from(SCHEDULES))
    lr = Trajectory(schedule, ss.Horizon(steps=N), group="encoder")
    return _admitted(lr, draw(st.lists(events(), max_size=most)))


@given(trajectories(), st.integers(-5, SPAN), st.integers(0, SPAN))
def test_a_block_is_the_calls_to_the_bit(
    lr: Trajectory, start: int, length: int
) -> None:
    stop = start + length
    assert lr.block(start, stop) == [lr(update) for update in range(start, stop)]


@given(trajectories())
def test_an_array_is_the_calls_within_rounding(lr: Trajectory) -> None:
    updates = np.arange(-4, SPAN).reshape(4, -1)
    found = lr(updates)
    wanted = np.array([[lr(int(u)) for u in row] for row in updates])
    assert found.shape == updates.shape
    assert found.dtype == np.float64
    assert np.abs(found - wanted).max() <= 1e-12 * np.abs(wanted).max()


@given(trajectories(), st.data())
def test_an_event_replaces_the_future_only(lr: Trajectory, data: Any) -> None:
    last = max((event.update for event in lr.events), default=0)
    event = data.draw(events(update=data.draw(st.integers(last, 2 * N))))
    try:
        after = lr.with_event(event, made=event.update)
    except StepsizeError:
        assume(False)
        raise
    u = event.update
    assert after.block(-2, u) == lr.block(-2, u)
    assert [after.step_at(i) for i in range(u)] == [lr.step_at(i) for i in range(u)]
    if event.kind in SMOOTH:
        assert abs(after(u) - lr(u)) <= 1e-12 * lr(u)
    if event.kind in ("extend", "shorten") and event.values["mode"] != "adopt":
        assert abs(after(u) - lr(u)) <= 1e-9 * max(lr.block(-1, SPAN))


@given(trajectories(), st.randoms())
def test_only_the_numbering_of_events_matters(lr: Trajectory, random: Any) -> None:
    shuffled = sorted(lr.events, key=lambda _: random.random())
    mine = tuple(event for event in shuffled if event.target.matches("lr", "encoder"))
    assert replace(lr, events=mine).block(-1, SPAN) == lr.block(-1, SPAN)


@given(trajectories())
def test_a_replay_from_json_is_the_same_to_the_bit(lr: Trajectory) -> None:
    text = json.dumps(
        {
            "schedule": str(lr.schedule),
            "horizon": lr.horizon.to_dict(),
            "events": [event.to_dict() for event in lr.events],
        }
    )
    plain = json.loads(text)
    again = Trajectory(
        ss.parse(plain["schedule"]),
        ss.Horizon.from_dict(plain["horizon"]),
        tuple(Event.from_dict(event) for event in plain["events"]),
        group="encoder",
    )
    assert again == lr
    assert again.block(-1, SPAN) == lr.block(-1, SPAN)
    assert pickle.loads(pickle.dumps(lr)).block(-1, SPAN) == lr.block(-1, SPAN)


@given(trajectories(), st.permutations(range(SPAN)))
def test_the_order_of_calls_does_not_matter(lr: Trajectory, order: list[int]) -> None:
    fresh = replace(lr)
    assert {u: fresh(u) for u in order} == dict(enumerate(lr.block(0, SPAN)))


@given(trajectories())
def test_the_clock_never_jumps_but_by_a_release_or_a_rewind(lr: Trajectory) -> None:
    jumps = {e.update for e in lr.events if e.kind in ("release", "rewind")}
    for u in range(SPAN):
        moved = lr.step_at(u + 1) - lr.step_at(u)
        assert moved in (0, 1) or u + 1 in jumps
        left = lr.left_at(u)
        assert left is not None
        assert left >= 0
        assert lr.held_at(u) == (lr.held_at(u) and moved == 0) or u + 1 in jumps


@settings(max_examples=50)
@given(resolved(depth=1), st.lists(events(), max_size=5))
def test_any_schedule_takes_events(
    schedule: ss.ResolvedSchedule, listed: list[Event]
) -> None:
    lr = _admitted(Trajectory.of(schedule, (), group="encoder"), listed)
    values = lr.block(-1, SPAN)
    assert all(0 <= value < float("inf") for value in values)
    assert values[1:] == [lr(update) for update in range(SPAN)]


@given(st.lists(events(), max_size=12))
def test_recorded_events_fold_in_any_combination(listed: list[Event]) -> None:
    # as after a rewind that took away what they were decided on
    numbered: tuple[Event, ...] = ()
    for event in listed:
        numbered = append(numbered, event, made=0)
    lr = Trajectory(SCHEDULES[0], ss.Horizon(steps=N), numbered, group="encoder")
    values = lr.block(0, SPAN)
    assert all(0 <= value < float("inf") for value in values)
