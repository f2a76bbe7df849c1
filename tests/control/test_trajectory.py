"""Trajectories: a schedule with its events folded in, to the bit."""

import math
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

import stepsize as ss
from stepsize.control import Event, Target, Trajectory
from stepsize.errors import InvalidScheduleError, UnresolvedError

N = 40
SCHEDULE = 0.1 * ss.warmup(5) >> ss.cosine(to=0.1)
events = st.builds(
    Event,
    update=st.integers(0, N + 5),
    kind=st.just("scale"),
    values=st.fixed_dictionaries(
        {"factor": st.floats(0.01, 10), "over": st.integers(0, 12)}
    ),
    target=st.sampled_from([Target(), Target("lr", "en*"), Target("momentum")]),
)


def _numbered(listed: list[Event]) -> tuple[Event, ...]:
    from dataclasses import replace

    return tuple(replace(event, sequence=i) for i, event in enumerate(listed))


def _scale(update: int, factor: float, over: int = 0, sequence: int = 0) -> Event:
    values = {"factor": factor, "over": over}
    return Event(update=update, kind="scale", values=values, sequence=sequence)


@given(st.lists(events, max_size=6), st.integers(-5, N), st.integers(0, 20))
def test_a_block_is_the_calls_to_the_bit(
    listed: list[Event], start: int, length: int
) -> None:
    lr = Trajectory(SCHEDULE, ss.Horizon(steps=N), _numbered(listed), group="encoder")
    stop = start + length
    assert lr.block(start, stop) == [lr(update) for update in range(start, stop)]


@given(st.lists(events, max_size=6), st.randoms())
def test_neither_the_order_of_the_list_nor_other_targets_matter(
    listed: list[Event], random: object
) -> None:
    numbered = list(_numbered(listed))
    shuffled = sorted(numbered, key=lambda _: random.random())  # type: ignore[attr-defined]  # Random
    horizon = ss.Horizon(steps=N)
    one = Trajectory(SCHEDULE, horizon, tuple(numbered), group="encoder")
    mine = tuple(event for event in shuffled if event.target.matches("lr", "encoder"))
    other = Trajectory(SCHEDULE, horizon, mine, group="encoder")
    assert one.block(0, N) == other.block(0, N)


@given(st.lists(events, max_size=6), events)
def test_an_event_replaces_the_future_only(listed: list[Event], late: Event) -> None:
    before = Trajectory(SCHEDULE, ss.Horizon(steps=N), _numbered(listed))
    after = before.with_event(late, made=late.update)
    assert after.block(0, late.update) == before.block(0, late.update)


def test_without_events_it_is_the_schedule() -> None:
    lr = Trajectory(SCHEDULE, ss.Horizon(steps=N))
    assert lr.block(0, N) == SCHEDULE.resolve(N).rates()
    assert [lr(-1), lr(N + 9)] == [SCHEDULE.resolve(N)(0), SCHEDULE.resolve(N)(N)]


def test_a_scale_acts_after_the_schedule_floors_included() -> None:
    floor = ss.constant(0.1) * ss.hold()
    lr = Trajectory(floor, ss.Horizon(), (_scale(3, 0.5),))
    assert lr.block(0, 6) == [0.1, 0.1, 0.1, 0.05, 0.05, 0.05]


def test_an_eased_scale_is_a_straight_line_in_log() -> None:
    lr = Trajectory(ss.constant(1.0), ss.Horizon(), (_scale(2, 0.01, over=4),))
    logs = [math.log10(value) for value in lr.block(0, 9)]
    assert logs == pytest.approx([0, 0, 0, -0.5, -1, -1.5, -2, -2, -2], abs=1e-12)
    assert lr(6) == 0.01


def test_scales_multiply_and_equal_updates_fold_in_sequence_order() -> None:
    values = (0.1, 0.7, 1.9)
    folded = tuple(_scale(1, v, sequence=i) for i, v in enumerate(values))
    lr = Trajectory(ss.constant(1.0), ss.Horizon(), folded[::-1])
    assert lr(1) == 1.0 * 0.1 * 0.7 * 1.9
    assert lr(0) == 1.0


def test_the_step_is_the_update_as_long_as_nothing_moves_it() -> None:
    assert Trajectory(SCHEDULE, ss.Horizon(steps=N)).step_at(17) == 17


def test_a_trajectory_survives_pickle() -> None:
    lr = Trajectory(SCHEDULE, ss.Horizon(steps=N), (_scale(3, 0.5),), group="head")
    again = pickle.loads(pickle.dumps(lr))
    assert again == lr
    assert hash(again) == hash(lr)
    assert again.block(0, N) == lr.block(0, N)


def test_events_of_the_same_place_are_refused() -> None:
    with pytest.raises(InvalidScheduleError, match=r"Event\.sequence must differ"):
        Trajectory(SCHEDULE, ss.Horizon(steps=N), (_scale(1, 0.5), _scale(1, 0.2)))


def test_the_past_is_refused() -> None:
    lr = Trajectory(SCHEDULE, ss.Horizon(steps=N))
    with pytest.raises(InvalidScheduleError, match="at least 8, the next update"):
        lr.with_event(_scale(7, 0.5), made=8)


def test_a_missing_horizon_is_named() -> None:
    with pytest.raises(UnresolvedError, match="total_steps"):
        Trajectory(SCHEDULE)


@pytest.mark.parametrize("update", [1.5, "3", None])
def test_an_update_is_an_int(update: object) -> None:
    lr = Trajectory(SCHEDULE, ss.Horizon(steps=N))
    with pytest.raises(
        InvalidScheduleError, match=r"Trajectory\.update must be an int"
    ):
        lr(update)  # the point of the test
