"""The guard on real trainings, in a loop of three lines."""

import copy
import functools
import json
import math
import random
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.adapters.torch.guard_training import RATES, UPDATES, Training, load, save
from tests.adapters.torch.snapshot_world import Lion as LionOfTheWhole
from tests.adapters.torch.snapshot_world import bits
from tests.adapters.torch.test_ranks import outcomes

import stepsize as ss
from stepsize.adapters.torch import Scheduler, SchedulerWarning
from stepsize.adapters.torch.deciding import Rewound
from stepsize.control import Guard, Plateau
from stepsize.errors import AdapterError, GaveUpError
from stepsize.ledger import EventLog
from stepsize.testing.faults import (
    BadBatch,
    Faults,
    GradientFactor,
    InfLoss,
    LabelNoise,
    NaNGradient,
    Overflow,
    RateFactor,
    RepeatedData,
)

START = {k: Faults(RateFactor(k)) for k in (10.0, 30.0, 100.0)}
BURST = {k: Faults(RateFactor(k, start=150, length=40)) for k in (30.0, 100.0)}
NAN = Faults(NaNGradient(160))


@functools.cache
def healthy(optimizer: str) -> Training:
    return Training(optimizer, []).to_the_end()


# --- nothing is wrong -------------------------------------------------------------


@pytest.mark.parametrize("optimizer", RATES)
@pytest.mark.parametrize("noisy", [False, True])
def test_a_healthy_run_is_the_same_to_the_bit_with_and_without(
    optimizer: str, noisy: bool
) -> None:
    found = []
    for policies in ([], [Guard()]):
        run = Training(optimizer, policies, noisy=noisy).to_the_end()
        assert run.scheduler.events == ()
        found.append((run.print(), torch.get_rng_state().tolist()))
    assert found[0] == found[1]


def test_an_observing_guard_changes_nothing_either() -> None:
    plain = Training("sgd", [], faults=BURST[30.0]).to_the_end()
    run = Training("sgd", [Guard(mode="observe")], faults=BURST[30.0]).to_the_end()
    assert run.print() == plain.print()
    assert run.backs == []
    first = run.scheduler.events[0]
    assert (first.kind, first.source) == ("note", "guard")
    assert first.reason.startswith("would go back to a snapshot: ")
    assert 150 < first.update <= 200


def test_an_observing_guard_says_once_that_a_run_is_lost() -> None:
    run = Training("sgd", [Guard(mode="observe")], faults=Faults(NaNGradient(160)))
    run.to_the_end()
    assert math.isnan(run.losses[-1])
    assert len(run.scheduler.events) < 10


# --- what goes wrong --------------------------------------------------------------


@pytest.mark.parametrize("optimizer", RATES)
@pytest.mark.parametrize("factor", START)
def test_a_rate_too_high_from_the_start(optimizer: str, factor: float) -> None:
    run = Training(optimizer, faults=START[factor]).to_the_end()
    run.check_replay()
    assert run.regret(healthy(optimizer)) < 0.1
    if optimizer == "sgd":  # it is lost without
        plain = Training(optimizer, [], faults=START[factor]).to_the_end()
        assert not plain.regret(healthy(optimizer)) < 1
        assert run.rewinds == [0]


@pytest.mark.parametrize("optimizer", RATES)
@pytest.mark.parametrize("factor", BURST)
def test_a_burst(optimizer: str, factor: float) -> None:
    run = Training(optimizer, faults=BURST[factor]).to_the_end()
    run.check_replay()
    assert run.regret(healthy(optimizer)) < 0.1
    if optimizer == "sgd":
        plain = Training(optimizer, [], faults=BURST[factor]).to_the_end()
        assert not plain.regret(healthy(optimizer)) < 1
        # back before it, at a rate as it was, and afterwards at the schedule's own
        assert [kind for _, kind, _ in run.told] == ["rewind", "scale", "scale"]
        assert run.rewinds == [100]
        assert run.scheduler.next_lr[0] == pytest.approx(
            run.schedule.resolve(UPDATES)(UPDATES)
        )


def test_gradients_too_large_which_no_schedule_tells_of() -> None:
    faults = Faults(GradientFactor(100.0, start=150, length=40))
    run = Training("sgd", faults=faults).to_the_end()
    run.check_replay()
    assert run.told[:2] == [
        (run.backs[0].update, "rewind", 100),
        (*run.told[1][:2], 0.1),
    ]
    assert run.regret(healthy("sgd")) < 0.1


@pytest.mark.parametrize("optimizer", RATES)
def test_a_nan_gradient(optimizer: str) -> None:
    run = Training(optimizer, faults=NAN).to_the_end()
    run.check_replay()
    assert len(run.rewinds) == 1
    assert [kind for _, kind, _ in run.told] == ["rewind"]  # nothing is cut
    assert run.regret(healthy(optimizer)) < 0.1
    if optimizer != "lion":
        assert run.backs[0].update <= 162


def test_a_nan_gradient_that_lion_hides() -> None:
    plain = Training("lion", [], faults=NAN).to_the_end()
    assert all(math.isfinite(loss) for loss in plain.losses)
    assert _nonfinite_moments(plain) > 0  # these weights stand still for ever
    run = Training("lion", faults=NAN).to_the_end()
    assert run.backs[0].snapshot <= 160 < run.backs[0].update <= 160 + 25
    assert "moments of the optimizer are not finite" in run.backs[0].reason
    assert _nonfinite_moments(run) == 0


def _nonfinite_moments(run: Training) -> int:
    return sum(
        int((~value.isfinite()).sum())
        for state in run.optimizer.state.values()
        for value in state.values()
    )


@pytest.mark.parametrize(
    "fault",
    [BadBatch(160), BadBatch(160, 10), RepeatedData(160, 30), LabelNoise(160, 1)],
    ids=str,
)
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_bad_data_that_pass_are_no_harm(optimizer: str, fault: Any) -> None:
    run = Training(optimizer, faults=Faults(fault)).to_the_end()
    run.check_replay()
    assert run.regret(healthy(optimizer)) < 0.1
    assert all(kind != "scale" for _, kind, _ in run.told)


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "rmsprop"])
def test_label_noise_is_not_the_rates_fault(optimizer: str) -> None:
    run = Training(optimizer, faults=Faults(LabelNoise(160, 40))).to_the_end()
    run.check_replay()
    assert run.regret(healthy(optimizer)) < 0.1
    # good weights are as bad on these labels, so the rate is given back
    assert [kind for _, kind, _ in run.told] == ["rewind", "scale", "scale"]
    assert "the data have changed" in run.scheduler.events[2].reason
    assert run.scheduler.next_lr[0] == pytest.approx(
        run.schedule.resolve(UPDATES)(UPDATES)
    )


def test_a_loss_that_is_infinite_once() -> None:
    run = Training("sgd", faults=Faults(InfLoss(160))).to_the_end()
    run.check_replay()
    assert run.told == [(161, "rewind", 100)]  # at once, a loss on the CPU


# --- overflows --------------------------------------------------------------------


def scaled(*faults: Any, **options: Any) -> Training:
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**16, growth_interval=20)
    return Training("sgd", faults=Faults(*faults), scaler=scaler, **options)


def test_overflows_that_a_scaler_skips_are_no_harm() -> None:
    run = scaled(Overflow(60, 3), Overflow(160, 20)).to(UPDATES)
    assert len(run.losses) == UPDATES + 23
    assert run.scheduler.events == ()
    run.check_replay()


def test_25_overflows_in_a_row_are_harm_and_the_scale_goes_back_too() -> None:
    run = scaled(Overflow(160, 30))
    while not run.backs:
        run.attempt()
    assert "attempts in a row overflowed and were skipped" in run.backs[0].reason
    assert run.scaler.get_scale() >= 2.0**16
    run.to(UPDATES).check_replay()


def test_the_loss_of_the_first_attempt_that_is_skipped_does_not_count() -> None:
    run = scaled(InfLoss(60), Overflow(60)).to(100)
    assert run.scaler.get_scale() > 2.0**16  # it has grown before
    assert run.scheduler.events == ()


def test_overflows_without_end_are_harm_before_an_update_ends_them() -> None:
    run = scaled(Overflow(160, 1000))
    for _ in range(160 + 60):
        run.attempt()
    assert run.scheduler.events


# --- what comes back --------------------------------------------------------------


def test_step_tells_the_loop() -> None:
    run = Training("sgd", faults=Faults(InfLoss(160)))
    backs = [run.attempt() for _ in range(UPDATES)]
    assert [place for place, back in enumerate(backs) if back] == [160]
    assert backs[160] == Rewound(161, 100, "the loss is inf")
    assert backs[0] is None


def test_weights_and_moments_are_those_of_the_snapshot() -> None:
    run = Training("adam", noisy=True, faults=Faults(InfLoss(160))).to(100)
    before = run.print()
    while not run.backs:
        run.attempt()
    after = run.print()
    assert run.backs[0].snapshot == 100
    assert after["model"] == before["model"]  # buffers of BatchNorm among them
    assert after["optimizer"] == before["optimizer"]
    assert run.data.at == 161  # the data go on


def test_a_cut_is_not_undone_by_the_restore() -> None:
    run = Training("sgd", faults=START[30.0])
    while not run.backs:
        run.attempt()
    update, factor = run.backs[0].update, run.told[1][2]
    curve = run.schedule.resolve(UPDATES)
    for _ in range(5):
        assert run.optimizer.param_groups[0]["lr"] == curve(update) * factor
        assert run.optimizer.param_groups[1]["lr"] == curve(update) * factor * 0.5
        run.attempt()
        update += 1


def test_a_rewound_clock_takes_everything_along() -> None:
    plateau = Plateau("loss", patience=6, factor=0.8)
    run = Training(
        "adam",
        [Guard(clock="rewind"), plateau],
        noisy=True,
        faults=Faults(InfLoss(160)),
        rewinds_data=True,
    )
    run.to(100)
    before = (run.print()["model"], torch.get_rng_state().tolist(), _memory(run))
    rate = run.scheduler.next_lr
    while not run.backs:
        run.attempt()
    assert run.backs[0].snapshot == 100
    assert (
        run.print()["model"],
        torch.get_rng_state().tolist(),
        _memory(run),
    ) == before
    assert run.data.at == 100
    assert run.scheduler.update == 161  # never goes back
    assert run.scheduler.step_at(161) == 100
    assert run.scheduler.next_lr == rate
    while not run.scheduler.done:
        run.attempt()
    assert (run.scheduler.update, run.data.at) == (UPDATES + 61, UPDATES)
    run.check_replay()


def _memory(run: Training) -> Any:
    """What the plateau knows; its window begins anew at a rewind."""
    state = run.scheduler.state_dict()["policies"]["state"]["states"]["plateau"]
    return {name: state[name] for name in ("seen", "best", "product")}


def test_what_was_made_again_is_what_was_made_at_first() -> None:
    run = Training(
        "sgd",
        [Guard(clock="rewind")],
        noisy=True,
        faults=Faults(InfLoss(160)),
        rewinds_data=True,
    )
    run.to(161)
    first = (run.losses[100:160], run.applied[100:160])
    run.to(221)
    assert (run.losses[161:221], run.applied[161:221]) == first


def test_a_policys_cut_is_void_if_it_was_made_on_what_was_taken_back() -> None:
    plateau = Plateau("loss", patience=6, factor=0.8)
    run = Training("adam", [Guard(), plateau], faults=Faults(InfLoss(160)))
    run.to(161)
    cuts = [e.update for e in run.scheduler.events if e.source == "policy:plateau"]
    kept = [update for update in cuts if update < 100]
    assert kept
    assert kept != cuts
    curve = run.schedule.resolve(UPDATES)
    expected = curve(161) * 0.8 ** len(kept)
    assert run.scheduler.next_lr[0] == pytest.approx(expected, rel=1e-12)
    run.to(UPDATES).check_replay()


def test_a_cut_just_before_the_snapshot_is_void_and_forgotten() -> None:
    plateau = Plateau("loss", patience=4, factor=0.8)
    run = Training(
        "adam",
        [Guard(clock="rewind"), plateau],
        noisy=True,
        faults=Faults(InfLoss(160)),
        rewinds_data=True,
    )
    run.to(161)
    assert (100, "scale", 0.8) in run.told
    assert (161, "rewind", 100) in run.told
    rate = run.schedule.resolve(UPDATES)(100) * _memory(run)["product"]
    assert run.scheduler.next_lr[0] == pytest.approx(rate, rel=1e-12)


def test_every_hyperparameter_is_rewound() -> None:
    run = Training(
        "adamw",
        [Guard(clock="rewind")],
        faults=Faults(InfLoss(160)),
        hyperparameters={"weight_decay": 0.1 * ss.linear()},
        rewinds_data=True,
    )
    run.to(162)
    assert [e.target.hyperparameter for e in run.scheduler.events] == [
        "lr",
        "weight_decay",
    ]
    assert run.scheduler.step_at(161, "weight_decay") == 100


def test_the_start_is_held_from_before_the_first_update() -> None:
    run = Training("sgd", faults=Faults(InfLoss(0)))
    before = bits(run.model.state_dict())
    back = run.attempt()
    assert (back.update, back.snapshot) == (1, 0)
    assert bits(run.model.state_dict()) == before


@pytest.mark.parametrize(
    "ask",
    [
        lambda scheduler: scheduler.done,
        lambda scheduler: scheduler.state_dict(),
        lambda scheduler: scheduler.step_at(0),
    ],
    ids=["done", "state_dict", "step_at"],
)
def test_whatever_is_asked_before_it(ask: Callable[[Any], Any]) -> None:
    run = Training("sgd", faults=Faults(InfLoss(0)))
    ask(run.scheduler)
    assert run.attempt()


def test_a_start_that_was_given_up_is_kept_as_it_was() -> None:
    run = Training("sgd", faults=START[30.0])
    while not run.backs:
        run.attempt()
    label = run.backs[0].update
    store: Any = run.scheduler._deciding.holding.store  # type: ignore[union-attr]
    assert store.labels() == (0, label)
    begun, given_up = store.weights(0), store.weights(label)
    assert not any(torch.equal(begun[name], given_up[name]) for name in begun)


def test_an_optimizer_with_state_of_the_whole() -> None:
    weight = torch.nn.Parameter(torch.ones(3))
    optimizer = LionOfTheWhole([weight])
    scheduler = Scheduler(optimizer, lr=0.01, policies=[Guard()])
    for _ in range(30):
        optimizer.zero_grad()
        loss = weight.square().sum()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        scheduler.step(loss=loss)
    assert scheduler.events == ()


# --- giving up --------------------------------------------------------------------

HOPELESS = Faults(NaNGradient(160, 1000))


def test_giving_up_is_a_warning_with_a_diagnosis() -> None:
    run = Training("sgd", faults=HOPELESS)
    with pytest.warns(SchedulerWarning, match="rollbacks and .* did not help"):
        run.to(200)
    assert run.told[-1][1] == "note"
    assert len(run.rewinds) == 6
    run.check_replay()


def test_giving_up_can_be_an_error_and_leaves_good_weights() -> None:
    run = Training("sgd", [Guard(on_give_up="raise")], faults=HOPELESS)
    with pytest.raises(GaveUpError, match=r"it is not the rate\. Look at the data"):
        run.to_the_end()
    assert run.score() < run.first
    assert all(bool(one.isfinite().all()) for one in run.model.parameters())


def test_it_is_said_once_also_after_a_resume(tmp_path: Path) -> None:
    run = Training("sgd", faults=HOPELESS)
    with pytest.warns(SchedulerWarning):
        run.to(200)
    save(run, tmp_path / "checkpoint")
    again = Training("sgd", faults=HOPELESS)
    load(again, tmp_path / "checkpoint")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        again.to(210)


# --- snapshots on disk, resumes ---------------------------------------------------


@pytest.mark.parametrize("clock", ["run", "rewind"])
def test_snapshots_on_disk_give_the_same_run(tmp_path: Path, clock: str) -> None:
    made = []
    for snapshots in (None, tmp_path / "snapshots"):
        run = Training(
            "adam",
            [Guard(clock=clock)],
            noisy=True,
            faults=Faults(InfLoss(160), RateFactor(100.0, start=220, length=20)),
            rewinds_data=True,
            snapshots=snapshots,
        )
        run.to(UPDATES).check_replay()
        assert run.rewinds
        made.append((run.print(), run.told))
    assert made[0] == made[1]


def build(folder: Path | None = None, **options: Any) -> Training:
    """A run with a fault of each kind, and a policy beside the guard."""
    if folder is not None:
        options["ledger"] = folder / "events.jsonl"
    return Training(
        "adam",
        [Guard(), Plateau("loss", patience=6, factor=0.8)],
        noisy=True,
        faults=Faults(InfLoss(130), RateFactor(100.0, start=180, length=30)),
        **options,
    )


@functools.cache
def whole() -> Training:
    return build().to_the_end()


@pytest.mark.parametrize("seed", range(4))
def test_a_resume_is_the_uninterrupted_run(tmp_path: Path, seed: int) -> None:
    saved, died = sorted(random.Random(seed).sample(range(1, UPDATES), 2))
    first = build(tmp_path, snapshots=tmp_path).to(saved)
    save(first, tmp_path / "checkpoint")
    first.to(died)
    again = build(tmp_path, snapshots=tmp_path)
    load(again, tmp_path / "checkpoint")
    again.to(UPDATES)
    assert again.losses == whole().losses[saved:]
    assert again.applied == whole().applied[saved:]
    assert again.told == whole().told
    logged = EventLog(tmp_path / "events.jsonl").events()
    assert tuple(logged) == again.scheduler.events


def test_a_note_is_made_once(tmp_path: Path) -> None:
    def hopeless() -> Training:
        return Training(
            "sgd",
            faults=HOPELESS,
            ledger=tmp_path / "events.jsonl",
            snapshots=tmp_path / "snapshots",
        )

    first = hopeless().to(150)
    save(first, tmp_path / "checkpoint")
    again = hopeless()
    for run in (first, again):
        if run is again:
            load(again, tmp_path / "checkpoint")
        with pytest.warns(SchedulerWarning, match="did not help"):
            run.to(200)
    assert again.told == first.told
    assert EventLog(tmp_path / "events.jsonl").events() == list(first.scheduler.events)


def test_a_persons_event_is_noticed_at_the_same_update_after_a_resume(
    tmp_path: Path,
) -> None:
    def speak(run: Training, end: int) -> list[Any]:
        memory = []
        while run.scheduler.update < end:
            known = [event.update for event in run.scheduler.events]
            if run.scheduler.update == 33 and 33 not in known:
                run.scheduler.scale(0.8, source="operator:ada")
            run.attempt()
            states = run.scheduler.state_dict()["policies"]["state"]["states"]
            memory.append(states["plateau"])
        return memory

    def begin() -> Training:
        plateau = Plateau("loss", patience=4)
        return Training("adam", [Guard(), plateau], ledger=tmp_path / "events.jsonl")

    first = begin()
    speak(first, 30)
    save(first, tmp_path / "checkpoint")
    wanted = speak(first, 40)
    again = begin()
    load(again, tmp_path / "checkpoint")
    assert speak(again, 40) == wanted


def test_a_copy_has_snapshots_of_its_own() -> None:
    run = build().to(120)
    twin = copy.deepcopy(run)
    random_state = torch.get_rng_state()
    for one in (run, twin):
        torch.set_rng_state(random_state)
        one.to(UPDATES)
        assert one.told == whole().told
        assert one.losses == whole().losses


def test_snapshots_in_memory_are_lost_with_the_process(tmp_path: Path) -> None:
    first = build().to(110)
    save(first, tmp_path / "checkpoint")
    again = build()
    load(again, tmp_path / "checkpoint")
    again.to(131)
    assert again.losses == whole().losses[110:131]
    assert whole().rewinds[0] < 110
    assert again.rewinds == [110]  # of itself, from where it went on


def test_a_checkpoint_holds_its_snapshots_for_every_resume(tmp_path: Path) -> None:
    fault = Faults(InfLoss(115))

    def build() -> Training:
        return Training("sgd", faults=fault, snapshots=tmp_path / "snapshots")

    whole = Training("sgd", faults=fault).to(290)
    assert whole.rewinds == [50]
    save(build().to(110), tmp_path / "checkpoint")
    for _ in range(3):  # lives that are killed before a checkpoint of their own
        again = build()
        load(again, tmp_path / "checkpoint")
        again.to(290)
        assert again.told == whole.told
        assert again.losses == whole.losses[110:]


def test_a_run_that_begins_anew_takes_no_snapshot_of_the_life_before(
    tmp_path: Path,
) -> None:
    Training("sgd", seed=1, snapshots=tmp_path).to(120)
    run = Training("sgd", faults=Faults(InfLoss(5)), snapshots=tmp_path)
    before = bits(run.model.state_dict())
    run.to(6)
    assert [(back.update, back.snapshot) for back in run.backs] == [(6, 0)]
    assert bits(run.model.state_dict()) == before


def test_the_state_is_plain_json() -> None:
    run = Training("sgd", faults=START[100.0]).to(60)
    assert run.rewinds
    json.dumps(run.scheduler.state_dict(), allow_nan=False)


def test_so_it_is_when_the_weights_are_huge_and_finite() -> None:
    weight = torch.nn.Parameter(torch.ones(4))
    optimizer = torch.optim.SGD([weight], lr=1.0)
    scheduler = Scheduler(optimizer, lr=1e30, policies=[Guard()])
    for _ in range(10):
        weight.grad = torch.ones(4)
        optimizer.step()
        scheduler.step(loss=2.0)  # as of a model that normalises
    assert bool(weight.isfinite().all())
    json.dumps(scheduler.state_dict(), allow_nan=False)


# --- several processes ------------------------------------------------------------


@pytest.mark.skipif(sys.platform == "win32", reason="fork")
def test_a_loss_that_is_infinite_on_one_rank(tmp_path: Path) -> None:
    first, second = outcomes("guard_ranks", tmp_path)
    assert first == second
    assert first["told"] == [[80, "rewind", 50]]
    assert first["backs"] == [[80, 50, "the loss is inf"]]


# --- bad input --------------------------------------------------------------------


def test_a_rewound_clock_needs_no_data_but_what_is_given_has_a_state() -> None:
    with pytest.raises(AdapterError, match=r"Subject\.data must have state_dict"):
        Training("sgd", data=iter([1]))
