"""Each rule of the guard, by the losses that it is shown."""

import json
import math
from typing import Any

import pytest
from tests.control.guard.watched import Watched, acted, falling, level

from stepsize.control import Guard, Observation
from stepsize.control.policies.policy import Rewinds
from stepsize.errors import InvalidScheduleError

NAN, INF = math.nan, math.inf
LOOKS = (10, 20, 30, 40, 50, 60, 80, 100, 120, 160)
"""Updates at which the weights of a young run are looked at."""


def healthy(guard: Guard | None = None) -> Watched:
    """A run whose snapshots of updates 100 and 150 have proven good."""
    run = Watched(guard).see(falling(170))
    assert run.changes == []
    assert run.held == {0, 100, 150}
    return run


def lost(far: float, *, high: float = 4.0) -> Watched:
    """A run whose weights move far at once, and whose loss only rises."""
    run = Watched().see([2.3])
    return run.see(level(100, high), displacement=dict.fromkeys(LOOKS, far))


def first_action(run: Watched, losses: list[float], **more: Any) -> Watched:
    run.see(losses, until=acted, **more)
    assert run.changes, "nothing was done"
    return run


# --- nothing is wrong -------------------------------------------------------------


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("noise", [0.0, 0.05, 0.5])
def test_a_healthy_run_is_left_alone(seed: int, noise: float) -> None:
    run = Watched().see(falling(1000, noise=noise, seed=seed))
    assert run.changes == []
    assert len(run.held) <= 2 + 2  # those that are good, those that wait


@pytest.mark.parametrize("shift", [-10.0, -1.0, 100.0])
def test_losses_may_have_any_sign(shift: float) -> None:
    run = Watched().see(loss + shift for loss in falling(170))
    assert run.changes == []
    first_action(run, level(60, 2.5 + shift))
    assert run.told() == [(184, "rewind", 150), (184, "scale", 0.1)]


def test_losses_may_come_near_zero() -> None:
    steps = [3 * 0.97**index for index in range(600)]
    assert Watched().see(steps).changes == []


def test_without_a_loss_nothing_is_decided() -> None:
    run = Watched().see([None] * 300)
    assert run.changes == []
    assert run.state == Watched().state


def test_a_plateau_is_no_harm() -> None:
    run = Watched().see(falling(100)).see(level(900, 0.65))
    assert run.changes == []


# --- what is not finite -----------------------------------------------------------


@pytest.mark.parametrize("loss", [NAN, INF, -INF])
def test_a_loss_that_breaks_once_goes_back_at_the_same_rate(loss: float) -> None:
    run = healthy().see([loss])
    assert run.told() == [(171, "rewind", 150)]
    assert run.changes[0][1].reason == f"the loss is {loss}"
    assert dict(run.changes[0][1].values) == {
        "to": 150,
        "snapshot": 150,
        "clock": "run",
    }
    assert run.see(falling(300, first=150)).told() == [(171, "rewind", 150)]


def test_a_loss_that_breaks_soon_again_goes_further_back_and_cuts() -> None:
    run = healthy().see([NAN]).see(level(30, 0.5)).see([NAN])
    assert run.told()[1:] == [(202, "rewind", 100), (202, "scale", 0.1)]
    run.see(level(100, 0.5))  # and, clean for 50 updates, gets its rate back
    assert run.told()[3:] == [(252, "scale", 10.0)]
    assert run.factor == pytest.approx(1.0, rel=1e-12)


def test_a_loss_that_rose_before_it_broke_is_cut() -> None:
    run = healthy().see([0.9, 1.5, NAN])
    assert run.told() == [(173, "rewind", 150), (173, "scale", 0.1)]


def test_a_rate_that_was_raised_before_the_loss_broke_is_cut_by_what_it_rose() -> None:
    run = healthy().see([NAN], times=50.0)
    assert run.told() == [(171, "rewind", 150), (171, "scale", 1 / 50)]


def test_a_first_loss_that_is_not_finite_goes_back_to_the_start() -> None:
    run = Watched().see([NAN]).see(falling(200))
    assert run.told() == [(1, "rewind", 0), (1, "scale", 0.1)]


def test_weights_or_moments_that_are_not_finite_go_back_at_a_finite_loss() -> None:
    run = healthy().see([0.5], nonfinite=3.0)
    assert run.told() == [(171, "rewind", 150)]
    assert run.changes[0][1].reason.startswith("3 weights or moments of the optimizer")


def test_they_do_so_without_a_loss_too() -> None:
    assert healthy().see([None], nonfinite=1.0).told() == [(171, "rewind", 150)]


def test_some_skipped_attempts_are_no_harm_and_25_in_a_row_are() -> None:
    run = healthy().see([0.5], skips=24.0)
    assert run.changes == []
    run.see([0.5], skips=25.0)
    assert run.told() == [(172, "rewind", 150)]
    assert run.changes[0][1].reason.startswith("25 attempts in a row overflowed")


# --- harm -------------------------------------------------------------------------


def test_a_loss_that_stays_high_goes_back_and_cuts() -> None:
    run = first_action(healthy(), level(60, 2.5))
    assert run.told() == [(184, "rewind", 150), (184, "scale", 0.1)]
    reason = run.changes[0][1].reason
    assert reason.startswith("the loss is at 2.5")
    assert "(median of 12), was at 0.5" in reason
    assert "at the start" in reason


def test_a_slight_loss_of_the_gain_is_harm_if_it_stays() -> None:
    run = first_action(healthy(), level(100, 0.85, noise=0.02))
    assert run.rewinds == [150]
    assert "(median of 32)" in run.changes[0][1].reason
    assert run.update > 170 + 16  # slower than what is gross


def test_less_than_the_share_is_no_harm() -> None:
    assert healthy().see(level(200, 0.65)).changes == []
    few = Guard(harm=0.1)
    assert first_action(healthy(few), level(200, 0.75)).rewinds == [150]


def test_a_high_loss_that_falls_again_by_itself_is_left_alone() -> None:
    spike = [0.5 + 2.5 * 0.7**index for index in range(40)]
    for seed in range(5):
        run = healthy().see(spike).see(level(100, 0.5, seed=seed))
        assert run.changes == []


def test_so_is_one_that_has_fallen_again_already() -> None:
    run = healthy().see(falling(60, begin=3.0, over=8))
    assert run.changes == []


def test_noise_before_a_loss_that_breaks_does_not_cut_the_rate() -> None:
    for seed in range(12):
        run = healthy().see(level(100, 0.5, seed=seed)).see([NAN])
        assert run.scales == []


def test_a_few_high_losses_are_left_alone() -> None:
    run = healthy().see(level(5, 5.0)).see(level(200, 0.5))
    assert run.changes == []


def test_a_jump_of_the_schedule_is_cut_by_what_it_rose() -> None:
    run = first_action(healthy(), level(60, 2.5), times=30.0)
    assert run.rewinds == [150]
    assert run.scales == [pytest.approx(1 / 30)]
    small = first_action(healthy(), level(60, 2.5), times=3.0)
    assert small.scales == [0.1]


def test_in_the_last_cooldown_a_high_loss_is_left_alone_and_a_nan_is_not() -> None:
    run = healthy()
    for loss in level(60, 2.5):
        run.update += 1
        run.observe(
            Observation(
                update=run.update,
                step=run.update,
                rate=0.004,
                peak=0.1,
                metrics={"loss": loss},
            )
        )
    assert run.changes == []
    assert run.see([NAN]).rewinds[:1] == [150]


# --- never any good ---------------------------------------------------------------


def test_a_run_that_only_moved_away_starts_again_with_what_the_movement_tells() -> None:
    cuts = {}
    for far in (5.0, 10.0, 20.0, 1000.0):
        run = lost(far)
        (update, *back), (also, _, cut) = run.told()[:2]
        assert back == ["rewind", 0]
        assert update == also
        assert update <= 40
        assert f"the weights have moved by {far:.3g} times" in run.changes[0][1].reason
        cuts[far] = cut
    assert cuts[10.0] == pytest.approx(2 * cuts[20.0], rel=1e-12)
    assert cuts[5.0] == pytest.approx(4 * cuts[20.0], rel=1e-12)
    assert cuts[1000.0] == 0.01
    assert max(cuts.values()) <= 0.1


def test_weights_that_have_hardly_moved_may_take_their_time() -> None:
    assert lost(0.5).changes == []


def test_a_run_that_overshoots_and_falls_again_is_left_alone() -> None:
    run = Watched().see([2.3])
    run.see(
        falling(200, begin=6.0, end=0.5, over=10),
        displacement=dict.fromkeys(LOOKS, 3.0),
    )
    assert run.changes == []


def begun_anew() -> Watched:
    run = Watched().see([2.3])
    run.see(level(19, 4.0), displacement={10: 20.0, 20: 20.0})
    assert [kind for _, kind, _ in run.told()] == ["rewind", "scale"]
    assert run.rewinds == [0]
    return run


def test_a_new_start_that_is_better_goes_on() -> None:
    run = begun_anew()
    assert run.held == {0, 20}  # the one that was given up, for now
    run.see(falling(40, begin=2.3))
    assert run.rewinds == [0]
    assert 20 not in run.held


def test_a_new_start_that_is_worse_is_undone() -> None:
    run = begun_anew()
    cut = run.factor
    run.see(level(60, 8.0))
    assert run.told()[2:] == [
        (40, "rewind", 20),
        (40, "scale", pytest.approx(1 / cut, rel=1e-12)),
    ]
    assert run.factor == pytest.approx(1.0, rel=1e-12)
    assert "the lower rate is at 8" in run.changes[2][1].reason
    run.see(level(200, 4.0), displacement=20.0)  # and it is not tried again
    assert len(run.rewinds) == 2


# --- mistakes that are undone -----------------------------------------------------


def test_if_good_weights_are_as_bad_the_data_are_to_blame() -> None:
    run = first_action(healthy(), level(60, 2.5))
    run.see(level(300, 2.5, seed=2))
    assert run.told()[2:] == [(188, "scale", 10.0)]
    assert "the data have changed" in run.changes[2][1].reason
    assert run.factor == pytest.approx(1.0, rel=1e-12)


def test_the_new_normal_of_the_data_is_guarded_as_the_old_one_was() -> None:
    run = first_action(healthy(), level(60, 2.5)).see(level(200, 2.5, seed=2))
    count = len(run.changes)
    run.see(level(60, 5.0), until=lambda one: len(one.changes) > count)
    assert run.told()[count][1] == "rewind"


def test_one_high_loss_after_a_rewind_does_not_blame_the_data() -> None:
    run = first_action(healthy(), level(60, 2.5))
    run.see([2.5, 2.5, 2.5, 0.5]).see(level(20, 0.5))
    assert len(run.changes) == 2


# --- giving the rate back ---------------------------------------------------------


def test_a_cut_is_given_back_after_clean_updates() -> None:
    guard = Guard(give_back_after=70, over=13)
    run = first_action(healthy(guard), level(60, 2.5)).see(level(200, 0.5))
    assert run.told()[2:] == [(184 + 70, "scale", 10.0)]
    assert dict(run.changes[2][1].values) == {"factor": 10.0, "over": 13}
    assert "clean for 70 updates" in run.changes[2][1].reason


def test_a_cut_is_not_given_back_while_the_loss_is_suspicious() -> None:
    run = first_action(healthy(), level(60, 2.5))
    run.see(level(43, 0.5)).see(level(7, 2.5))
    assert run.update == 234
    assert len(run.changes) == 2


def test_a_rate_that_broke_again_when_it_was_given_back_stays_cut() -> None:
    run = first_action(healthy(), level(60, 2.5)).see(level(60, 0.5))
    assert run.factor == pytest.approx(1.0, rel=1e-12)
    first_action(_forgetting(run), level(60, 2.5, seed=3))
    assert run.rewinds == [200]
    assert run.scales == [0.1]
    run.see(level(400, 0.5))
    assert run.factor == pytest.approx(0.1, rel=1e-12)


def _forgetting(run: Watched) -> Watched:
    run.changes.clear()
    return run


def test_a_rate_that_was_never_any_good_is_not_given_back() -> None:
    run = begun_anew()
    run.see(falling(500, begin=2.3))
    assert len(run.changes) == 2


# --- limits -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("guard", "most"), [(Guard(most=2), 2), (Guard(most_lately=3), 3), (Guard(), 5)]
)
def test_it_gives_up_after_so_many_rollbacks_with_a_diagnosis(
    guard: Guard, most: int
) -> None:
    run = healthy(guard)
    for _ in range(10):
        run.see([NAN]).see(level(30, 0.5))
    assert len(run.rewinds) == most + 1  # it leaves the run at a good snapshot
    assert run.told()[-1][1] == "note"
    assert run.notes[0].startswith(f"gives up: {most} rollbacks")
    assert run.state["gave_up"] in run.notes[0]
    count = len(run.changes)
    run.see([NAN] * 5).see(level(100, 9.0))
    assert len(run.changes) == count


def test_the_diagnosis_says_when_it_is_not_the_rate() -> None:
    run = Watched().see([NAN] * 20)
    assert run.rewinds == [0] * 6
    assert "it is not the rate. Look at the data" in run.notes[0]
    mild = healthy(Guard(most=1)).see([NAN]).see(level(30, 0.5)).see([NAN])
    assert "Start again with a peak rate" in mild.notes[0]


def test_old_rollbacks_do_not_count_as_recent() -> None:
    run = healthy(Guard(most_lately=1))
    run.see([NAN]).see(level(1100, 0.5)).see([NAN])
    assert len(run.rewinds) == 2
    assert run.state["gave_up"] is None


def test_without_any_snapshot_it_can_only_give_up() -> None:
    guard = Guard()
    seen = Observation(update=1, step=1, rate=0.1, peak=0.1, metrics={"loss": NAN})
    state, changes = guard.observe(guard.start(), seen)
    assert [change.kind for change in changes] == ["note"]
    assert "no snapshot to go back to (the loss is nan)" in state["gave_up"]


def test_it_does_not_look_any_more_when_it_has_given_up() -> None:
    run = Watched().see([NAN] * 20)
    assert all(not run.guard.inspects(run.state, update) for update in range(20, 200))


# --- modes and clocks -------------------------------------------------------------


def test_an_observing_guard_only_makes_notes() -> None:
    run = Watched(Guard(mode="observe")).see(falling(170))
    run.see(level(100, 2.5)).see(falling(200)).see([NAN]).see(level(50, 0.5))
    assert {kind for _, kind, _ in run.told()} == {"note"}
    assert [one[0] for one in run.told()] == [184, 471]
    assert run.notes[0].startswith("would go back to a snapshot: the loss is at 2.5")
    assert run.factor == 1.0


def test_an_observing_guard_notes_what_an_acting_one_first_does() -> None:
    for losses in (level(60, 2.5), [NAN], [0.9, 1.5, INF], level(100, 0.85)):
        does = first_action(healthy(), losses)
        says = first_action(healthy(Guard(mode="observe")), losses)
        assert (says.update, says.notes) == (
            does.update,
            [f"would go back to a snapshot: {does.changes[0][1].reason}"],
        )


def test_a_clock_that_is_rewound_is_asked_for() -> None:
    run = healthy(Guard(clock="rewind")).see([NAN])
    assert run.changes[0][1].values["clock"] == "rewind"


def test_a_known_begin_stands_in_for_a_first_loss_that_is_not_typical() -> None:
    lucky = [0.45, *falling(169)]
    high = level(100, 2.5)
    assert Watched().see(lucky).see(high).changes == []
    run = Watched(Guard(begin=2.3)).see(lucky)
    assert first_action(run, high).rewinds == [150]


# --- snapshots --------------------------------------------------------------------


def test_it_asks_for_few_snapshots_and_lets_go_of_the_rest() -> None:
    run = Watched(Guard(snapshot_every=20, keep=3, prove_after=5))
    most = 0
    for loss in falling(600):
        run.see([loss])
        most = max(most, len(run.held))
    assert run.held == {540, 560, 580, 600}  # three good ones, and one that waits
    assert most <= 3 + 2 + 1
    assert 0 not in run.held


def test_a_snapshot_is_good_only_after_clean_updates() -> None:
    run = Watched().see(falling(100))
    assert run.state["good"] == [50]
    run.see(level(8, 2.5))  # 100 waits, and is not proven in these
    assert run.see([NAN]).rewinds == [50]


def test_the_look_of_a_young_run_is_closer() -> None:
    guard = Guard()
    state = Watched(guard).state
    looks = {update: tuple(guard.inspects(state, update)) for update in range(1, 301)}
    close = [update for update, what in looks.items() if "displacement" in what]
    assert close == list(LOOKS)
    some = [update for update, what in looks.items() if what]
    assert set(some) == {*LOOKS, *range(25, 301, 25)}
    assert all("nonfinite" in looks[update] for update in some)


def test_of_lost_snapshots_none_is_asked_for() -> None:
    run = healthy()
    there = {100, 170}
    state = run.guard.without(run.state, there)
    assert run.guard.snapshots(state) == (100,)
    only = run.guard.without(run.state, {170})
    assert run.guard.snapshots(only) == (170,)
    assert run.guard.without(run.state, run.held | {170}) is run.state


def test_a_lost_start_of_a_trial_ends_the_trial() -> None:
    run = begun_anew()
    state = run.guard.without(run.state, {0})
    assert state["trial"] is None
    assert run.guard.snapshots(state) == (0,)


def test_a_guard_rewinds_by_its_protocol() -> None:
    assert isinstance(Guard(), Rewinds)


# --- plain forms ------------------------------------------------------------------


@pytest.mark.parametrize(
    "guard",
    [
        Guard(),
        Guard(mode="observe", name="watcher"),
        Guard(factor=0.5, harm=0.2, moved=3.0, snapshot_every=20, keep=3),
        Guard(most=3, most_lately=2, on_give_up="raise", clock="rewind", begin=-1.5),
        Guard(prove_after=5, give_back_after=9, over=0),
    ],
    ids=str,
)
def test_a_guard_survives_its_plain_form(guard: Guard) -> None:
    plain = json.loads(json.dumps(guard.to_dict(), allow_nan=False))
    assert Guard.from_dict(plain) == guard
    assert hash(Guard.from_dict(plain)) == hash(guard)
    json.dumps(guard.start(), allow_nan=False)


def test_a_damaged_plain_form_is_refused() -> None:
    plain = Guard().to_dict()
    for damaged in (plain | {"version": 2}, plain | {"policy": "Plateau"}):
        with pytest.raises(InvalidScheduleError, match=r"Guard\.from_dict must be"):
            Guard.from_dict(damaged)
    with pytest.raises(InvalidScheduleError, match="fields that to_dict writes"):
        Guard.from_dict(plain | {"window": 3})


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("mode", "watch", r"Guard\.mode must be .*got 'watch'"),
        ("on_give_up", "stop", r"Guard\.on_give_up must be .*got 'stop'"),
        ("clock", "back", r"Guard\.clock must be .*got 'back'"),
        ("name", "", r"Guard\.name must be a text that is not empty"),
        ("factor", 0.0, r"Guard\.factor must be .*got 0\.0"),
        ("factor", 1.0, r"Guard\.factor must be < 1; got 1\.0"),
        ("factor", 1.5, r"Guard\.factor must be .*got 1\.5"),
        ("harm", 0.0, r"Guard\.harm must be .*got 0\.0"),
        ("harm", 1.1, r"Guard\.harm must be .*got 1\.1"),
        ("moved", 0.0, r"Guard\.moved must be .*got 0\.0"),
        ("begin", NAN, r"Guard\.begin must be .*got nan"),
        ("snapshot_every", 9, r"Guard\.snapshot_every must be an int >= 10.*got 9"),
        ("keep", 0, r"Guard\.keep must be an int >= 1; got 0"),
        ("prove_after", 0, r"Guard\.prove_after must be an int >= 1.*got 0"),
        ("give_back_after", 0, r"Guard\.give_back_after must be an int >= 1.*got 0"),
        ("over", -1, r"Guard\.over must be an int >= 0.*got -1"),
        ("most", 0, r"Guard\.most must be an int >= 1; got 0"),
        ("most_lately", 0.5, r"Guard\.most_lately must be an int >= 1; got 0\.5"),
    ],
)
def test_bad_values(field: str, value: Any, message: str) -> None:
    with pytest.raises(InvalidScheduleError, match=message):
        Guard(**{field: value})


# --- states -----------------------------------------------------------------------


def test_a_state_is_never_changed_in_place() -> None:
    run = first_action(healthy(Guard(give_back_after=400)), level(60, 2.5))
    run.see(level(120, 0.5, noise=0.0))
    before = json.dumps(run.state)
    seen = Observation(
        update=run.update + 1, step=0, rate=0.01, peak=0.1, metrics={"loss": NAN}
    )
    _, changes = run.guard.observe(run.state, seen)
    assert [change.kind for change in changes] == ["rewind"]
    assert json.dumps(run.state) == before
