"""`Driver`: the suite of every adapter over a plain loop, and its own rules."""

import itertools
import json
from pathlib import Path
from typing import Any, ClassVar

import pytest

import stepsize as ss
from stepsize.adapters.driving import Driver, SchedulerWarning
from stepsize.control import Event, Guard, MetricTarget, Plateau, Target, Trajectory
from stepsize.errors import AdapterError, HorizonChangedError, InvalidScheduleError
from stepsize.ledger.event_log import EventLog
from stepsize.testing import AdapterSuite, Case, Trained
from stepsize.testing.adapter_suite import EPOCH

COSINE = 0.1 * ss.cosine()


def drive(**given: Any) -> Driver:
    defaults: dict[str, Any] = {"lr": COSINE, "total_steps": 10}
    return Driver(**(defaults | given))


class TestSuite(AdapterSuite):
    stops: ClassVar = tuple(range(1, 12))

    def train(self, case: Case) -> Trained:
        def build() -> Driver:
            names = [f"group{index}" for index in range(len(case.bases))]
            return Driver(
                lr=None if case.bases else case.schedule,
                lr_factor=case.schedule if case.bases else None,
                groups=dict(zip(names, case.bases, strict=True)) or None,
                total_steps=case.total_steps,
                policies=case.policies,
            )

        driver, metrics = build(), iter(case.metrics)
        rates: list[list[float]] = []
        weights = [1.0] * len(driver.groups)
        for attempt in itertools.count():
            if len(rates) == case.updates:
                break
            if case.cooldown is not None and len(rates) == case.cooldown[0]:
                driver.cooldown(case.cooldown[1])
            if attempt in case.overflows:
                continue
            rates.append(list(driver.next_lr.values()))
            weights = [
                weight - lr for weight, lr in zip(weights, rates[-1], strict=True)
            ]
            driver.step()
            if len(rates) % EPOCH == 0 and case.metrics:
                driver.observe(val_loss=next(metrics))
            if len(rates) in case.stops:
                saved, driver = json.dumps(driver.state_dict()), build()
                driver.load_state_dict(json.loads(saved))
        return Trained(
            rates=rates, weights=weights, update=driver.update, events=driver.events
        )


class Wrong(TestSuite):
    """Forgets to count: every test of rates must see it."""

    __test__ = False

    def train(self, case: Case) -> Trained:
        trained = super().train(case)
        rates = [trained.rates[0], *trained.rates[:-1]]
        return Trained(
            rates=rates,
            weights=[len(case.stops)],
            update=trained.update,
            events=trained.events,
        )


@pytest.mark.parametrize(
    "test", [name for name in dir(AdapterSuite) if name.startswith("test_")]
)
def test_the_suite_fails_where_rates_come_late(test: str) -> None:
    with pytest.raises(AssertionError, match=r"update|0\.|interrupted"):
        getattr(Wrong(), test)()


def test_groups_multiply_and_events_reach_those_they_name() -> None:
    driver = drive(groups={"encoder": 0.5, "head": 1.0})
    driver.step(3)
    driver.scale(0.1, target=Target(groups="enc*"))
    wanted = COSINE.resolve(10)(3)
    assert driver.next_lr == {"encoder": wanted * 0.1 * 0.5, "head": wanted}
    assert driver.rate("head") == wanted
    assert driver.last_lr["head"] == COSINE.resolve(10)(2)


def test_other_hyperparameters_follow_their_own_schedule() -> None:
    driver = drive(hyperparameters={"weight_decay": 0.3, "b1": 0.9 * ss.linear(to=0.5)})
    driver.step(5)
    assert driver.hyperparameters == ("lr", "weight_decay", "b1")
    assert driver.value_at(5, "weight_decay") == 0.3
    assert driver.values(2, "b1") == (0.9 * ss.linear(to=0.5)).resolve(10).block(5, 7)
    alone = Driver(hyperparameters={"b1": 0.9 * ss.linear(to=0.5)}, total_steps=2)
    alone.step(2)
    assert alone.done
    with pytest.raises(AdapterError, match="value_at must be one of those driven"):
        alone.rate()


def test_values_are_those_of_the_trajectory_over_many_tables() -> None:
    driver = Driver(lr=COSINE, total_steps=5000)
    driver.extend(6000)
    rates = []
    for _ in range(6000):
        rates.append(driver.rate())
        driver.step()
    wanted = Trajectory(COSINE, ss.Horizon(steps=5000), driver.events)
    assert rates == wanted.block(0, 6000)
    assert driver.done


def test_a_policy_on_the_loss_sees_every_step() -> None:
    target = MetricTarget("loss", 0.5)
    driver = drive(policies=[target])
    assert driver.step(loss=1.0) == ()
    kinds = [event.kind for event in driver.step(loss=0.1)]
    assert kinds == ["shorten"]
    with pytest.raises(AdapterError, match=r"Scheduler.loss must be a single number"):
        driver.step(loss="high")


def test_a_metric_that_never_comes_is_told_of_once() -> None:
    names = [Plateau("val_los"), Plateau("accuracy", mode="max", name="second")]
    driver = drive(policies=names)
    for _ in range(30):
        driver.step()
        driver.observe(loss=1.0)  # of updates: a validation may come much later
    for _ in range(9):
        driver.observe(val_loss=1.0, accuracy=0.5)
    told = "'plateau' watches 'val_los', which none of 10 .*perhaps 'val_loss' is"
    with pytest.warns(SchedulerWarning, match=told):
        driver.observe(val_loss=1.0, accuracy=0.5)
    for _ in range(20):
        driver.observe(val_loss=1.0, accuracy=0.5)  # a second warning would be an error


def test_policies_are_needed_to_observe_and_a_guard_is_none_of_them() -> None:
    with pytest.raises(AdapterError, match="policies must be given for observe"):
        drive().observe(val_loss=1.0)
    with pytest.raises(AdapterError, match="be other than a guard"):
        drive(policies=[Guard()])
    for wrong in ([0.5], 0.5, "plateau"):
        with pytest.raises(AdapterError, match="must be policies"):
            drive(policies=wrong)
    drive(policies=Plateau()).observe(val_loss=1.0)  # one alone


def test_an_event_of_the_past_is_refused_and_changes_nothing() -> None:
    driver = drive()
    driver.step(4)
    with pytest.raises(InvalidScheduleError, match="update"):
        driver.add_event(Event(update=3, kind="scale", values={"factor": 0.5}))
    assert driver.events == ()
    assert driver.rate() == COSINE.resolve(10)(4)


def test_a_target_that_nothing_matches_and_a_rate_for_factors_are_refused() -> None:
    driver = drive(lr=None, lr_factor=ss.cosine(), groups={"a": 0.1})
    with pytest.raises(AdapterError, match="cover a hyperparameter that is driven"):
        driver.scale(0.5, target=Target(groups="b"))
    with pytest.raises(AdapterError, match=r"cooldown.to_lr must be left out"):
        driver.cooldown(2, to_lr=1e-3)
    assert driver.events == ()


@pytest.mark.parametrize("policy", ["keep", "adopt", "stretch", "bridge"])
def test_another_horizon_on_resume_needs_a_word(policy: Any) -> None:
    driver = drive()
    driver.step(4)
    state = driver.state_dict()
    with pytest.raises(HorizonChangedError, match=r"lr of update 4: 0\.0654508 saved"):
        drive(total_steps=20).load_state_dict(state)
    longer = drive(total_steps=20, on_horizon_change=policy)
    longer.load_state_dict(state)
    assert [event.source for event in longer.events] == ["resume"]
    values = {"total_steps": 20, "mode": policy}
    extend = Event(update=4, kind="extend", values=values)
    wanted = Trajectory(COSINE, ss.Horizon(steps=10), (extend,))
    assert longer.values(16) == wanted.block(4, 20)
    again = drive(total_steps=20)  # what was agreed on is no change any more
    again.load_state_dict(longer.state_dict())
    assert again.values(16) == wanted.block(4, 20)


def test_other_groups_on_resume_are_kept_or_adopted() -> None:
    driver = drive(groups={"a": 1.0})
    driver.step(2)
    state = driver.state_dict()
    with pytest.raises(HorizonChangedError, match="the rules differ, or the groups"):
        drive(groups={"a": 2.0}).load_state_dict(state)
    with pytest.raises(AdapterError, match="be 'keep' or 'adopt'"):
        drive(groups={"a": 2.0}, on_horizon_change="bridge").load_state_dict(state)
    rate = COSINE.resolve(10)(2)
    for policy, factor in (("keep", 1.0), ("adopt", 2.0)):
        resumed = drive(groups={"a": 2.0}, on_horizon_change=policy)
        resumed.load_state_dict(state)
        assert resumed.rate() == rate * factor


def test_policies_that_changed_start_afresh_and_none_is_a_warning() -> None:
    driver = drive(policies=[Plateau(patience=3)])
    driver.step()
    driver.observe(val_loss=1.0)
    state = driver.state_dict()
    other = drive(policies=[Plateau(patience=4)])
    other.load_state_dict(state)
    assert "plateau starts afresh" in other.events[0].reason
    with pytest.warns(SchedulerWarning, match="this Scheduler has none"):
        drive().load_state_dict(state)
    with pytest.raises(AdapterError, match="policies as state_dict writes them"):
        drive(policies=[Plateau()]).load_state_dict(state | {"policies": {"x": 1}})


def test_the_ledger_has_each_event_and_a_resume_takes_them(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    driver = drive(ledger=path)
    driver.step(2)
    state = driver.state_dict()
    driver.step(2)
    cut = driver.scale(0.5, source="operator:ada")
    assert list(EventLog(path).events()) == [cut]
    resumed = drive(ledger=path)
    resumed.load_state_dict(state)
    assert resumed.events == (cut,)
    assert resumed.values(8) == Trajectory(COSINE, ss.Horizon(steps=10), (cut,)).block(
        2, 10
    )


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"lr": None}, "Scheduler.lr must be given"),
        ({"lr_factor": COSINE}, "Scheduler.lr_factor must be left out"),
        ({"lr": "cosine()"}, "hint: for the text form"),
        ({"total_steps": None}, "total_steps"),
        ({"horizon": ss.Horizon(steps=4)}, "left out when horizon is given"),
        ({"horizon": 4, "total_steps": None}, "be a Horizon"),
        ({"lr": COSINE.resolve(4)}, "have the horizon"),
        ({"groups": {}}, "with one at least"),
        ({"groups": {"a": -1.0}}, r"Scheduler.groups\['a'\] must be a finite"),
        ({"groups": {1: 1.0}}, "be named by texts"),
        ({"hyperparameters": {"lr": 1.0}}, "other than lr"),
        ({"hyperparameters": 0.1}, "be a mapping of names"),
        ({"ledger": 3}, "Scheduler.ledger must be the path"),
        ({"on_horizon_change": "ignore"}, "on_horizon_change must be None or 'keep'"),
        ({"update": -1}, "Scheduler.update must be an int >= 0"),
    ],
)
def test_what_makes_no_sense_is_refused(given: dict[str, Any], message: str) -> None:
    with pytest.raises((AdapterError, InvalidScheduleError), match=message) as caught:
        drive(**given)
    notes = getattr(caught.value, "__notes__", [])
    assert not notes or "Scheduler.lr" in notes[0]


@pytest.mark.parametrize(
    "damage",
    [
        None,
        {"version": 2},
        {"version": 1},
        {"update": -1},
        {"program": {"parts": 3}},
        {"events": [{"version": 1}]},
    ],
)
def test_a_damaged_state_is_refused(damage: Any) -> None:
    driver = drive(on_horizon_change="keep")
    state = driver.state_dict()
    bad = damage if damage in (None, {"version": 1}) else state | damage
    if damage is not None and "program" in damage:
        bad |= {"given": damage["program"]}
    with pytest.raises((AdapterError, InvalidScheduleError), match=r"must"):
        driver.load_state_dict(bad)


def test_it_says_what_it_drives() -> None:
    driver = drive()
    driver.step(2)
    assert repr(driver) == 'Driver(lr=0.1 * decay(shape="cosine"), update=2)'
    assert driver.step_at(2) == 2
