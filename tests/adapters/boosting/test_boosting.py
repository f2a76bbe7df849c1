"""Boosting: the hosts' own miscounts, their other interfaces, ends, new trainings."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import lightgbm as lgb
import numpy as np
import pytest
import xgboost as xgb
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import GridSearchCV

import stepsize as ss
from stepsize.adapters import lightgbm, xgboost
from stepsize.control import CooldownOnPlateau, Guard, MetricTarget, Plateau
from stepsize.errors import AdapterError

SCHEDULE = 0.4 * ss.warmup(3) >> ss.cosine(to=0.1)
RATES = SCHEDULE.resolve(12).block(0, 12)
X, y = load_breast_cancer(return_X_y=True)

# One leaf and squared error: f += rate * (1 - f), so predictions say each rate.
ONES = np.ones(8)
STUMP = {"base_score": 0.0, "reg_lambda": 0.0, "max_depth": 1, "nthread": 1}
LEAF: dict[str, Any] = {
    "verbose": -1,
    "boost_from_average": False,
    "min_data_in_leaf": 1,
    "min_data_in_bin": 1,
    "num_leaves": 2,
    "num_threads": 1,
}


def rates_of_xgboost(model: Any, rounds: int) -> list[float]:
    data, rates, before = xgb.DMatrix(np.arange(8.0).reshape(8, 1)), [], 0.0
    for made in range(1, rounds + 1):
        now = float(model.predict(data, iteration_range=(0, made))[0])
        rates.append((now - before) / (1 - before))
        before = now
    return rates


def stump(callbacks: list[Any], rounds: int, model: Any = None) -> Any:
    data = xgb.DMatrix(np.arange(8.0).reshape(8, 1), ONES)
    return xgb.train(
        STUMP, data, rounds, xgb_model=model, callbacks=callbacks, verbose_eval=False
    )


def test_xgboost_runs_its_own_schedule_one_round_late_and_ours_right() -> None:
    """The trap: LearningRateScheduler sets the rate after a round, for the next."""
    theirs = stump([xgb.callback.LearningRateScheduler(RATES)], 12)
    ours = stump([xgboost.Scheduler(lr=SCHEDULE, total_steps=12)], 12)
    found = rates_of_xgboost(theirs, 12)
    assert found[1:] == pytest.approx(RATES[:-1], rel=1e-3)
    assert found[0] == pytest.approx(0.3, rel=1e-3)  # XGBoost's default
    assert rates_of_xgboost(ours, 12) == pytest.approx(RATES, rel=1e-3)


def test_both_begin_their_own_schedules_anew_in_a_resume_and_ours_go_on() -> None:
    half = stump([xgb.callback.LearningRateScheduler(RATES)], 6)
    theirs = stump([xgb.callback.LearningRateScheduler(RATES)], 6, half)
    again = rates_of_xgboost(theirs, 12)[7:12]
    assert again == pytest.approx(RATES[:5], rel=1e-2)
    half = stump([xgboost.Scheduler(lr=SCHEDULE, total_steps=12)], 6)
    ours = stump([xgboost.Scheduler(lr=SCHEDULE, total_steps=12)], 6, half)
    assert rates_of_xgboost(ours, 12) == pytest.approx(RATES, rel=1e-2)

    def train(callbacks: list[Any], model: Any) -> Any:
        data = lgb.Dataset(X, y)
        return lgb.train(LEAF, data, 6, init_model=model, callbacks=callbacks)

    def shrinkages(model: Any) -> list[float]:
        return [tree["shrinkage"] for tree in model.dump_model()["tree_info"]]

    def reset() -> list[Any]:
        return [lgb.reset_parameter(learning_rate=lambda made: RATES[made])]

    found = shrinkages(train(reset(), train(reset(), None)))
    assert found == pytest.approx(RATES[:6] * 2, rel=1e-5)
    scheduler = lightgbm.Scheduler(lr=SCHEDULE, total_steps=12)
    half = train(scheduler.callbacks, None)
    found = shrinkages(train(scheduler.callbacks, half))
    assert found == pytest.approx(RATES, rel=1e-5)


def test_lightgbm_really_shrinks_by_the_rate_from_the_first_round_on() -> None:
    signs = np.repeat([1.0, -1.0], 4)  # two leaves: f += rate * (sign - f)
    data = lgb.Dataset(np.arange(8.0).reshape(8, 1), signs)
    scheduler = lightgbm.Scheduler(lr=SCHEDULE, total_steps=12)
    model: Any = lgb.train(LEAF, data, 12, callbacks=scheduler.callbacks)
    before = 0.0
    for made, rate in enumerate(RATES, 1):
        now = float(model.predict([[0.0]], num_iteration=made)[0])
        assert (now - before) / (1 - before) == pytest.approx(rate, rel=1e-4)
        before = now


@pytest.mark.parametrize("host", ["xgboost", "lightgbm"])
def test_real_data_through_an_interruption_reach_the_same_model(
    host: str, tmp_path: Path
) -> None:
    def plan(kind: Any) -> Any:
        plateau = Plateau(
            "binary_logloss" if host == "lightgbm" else "logloss",
            factor=0.5,
            patience=3,
            convention="keras",
            margin_abs=0.01,
        )
        return kind(lr=SCHEDULE, total_steps=40, policies=[plateau])

    def train(rounds: list[int]) -> tuple[Any, Any]:
        model: Any = None
        state: Any = None
        for part in rounds:
            if host == "xgboost":
                data, test = (
                    xgb.DMatrix(X[:400], y[:400]),
                    xgb.DMatrix(X[400:], y[400:]),
                )
                scheduler = plan(xgboost.Scheduler)
                model = xgb.train(
                    {"objective": "binary:logistic", "nthread": 1},
                    data,
                    part,
                    xgb_model=model,
                    evals=[(test, "test")],
                    verbose_eval=False,
                    callbacks=[scheduler],
                )
                model.save_model(tmp_path / "model.ubj")
                model = xgb.Booster(model_file=tmp_path / "model.ubj")
            else:
                rows = lgb.Dataset(X[:400], y[:400], free_raw_data=False)
                scheduler = plan(lightgbm.Scheduler)
                if state is not None:
                    scheduler.load_state_dict(state)
                model = lgb.train(
                    {"objective": "binary", "verbose": -1, "num_threads": 1},
                    rows,
                    part,
                    init_model=model,
                    valid_sets=[lgb.Dataset(X[400:], y[400:], reference=rows)],
                    callbacks=scheduler.callbacks,
                )
                state = scheduler.state_dict()
        predicted = xgb.DMatrix(X) if host == "xgboost" else X
        return model.predict(predicted), scheduler.events

    whole, resumed = train([40]), train([7, 20, 13])
    assert [(one.update, one.kind) for one in whole[1]] == [
        (one.update, one.kind) for one in resumed[1]
    ]
    assert whole[1]
    assert ((whole[0] > 0.5) == y).mean() > 0.95
    if host == "xgboost":
        np.testing.assert_array_equal(whole[0], resumed[0])
    else:  # its init_model's scores are sums of another order
        np.testing.assert_allclose(whole[0], resumed[0], rtol=1e-3)


def test_cross_validation_drives_every_fold() -> None:
    target = MetricTarget("logloss", 0.0)
    scheduler = xgboost.Scheduler(lr=SCHEDULE, total_steps=12, policies=[target])
    data = xgb.DMatrix(X, y)
    found = xgb.cv(
        {"objective": "binary:logistic", "nthread": 1},
        data,
        12,
        nfold=2,
        callbacks=[scheduler],
    )
    assert scheduler.update == len(found) == 12
    other = lightgbm.Scheduler(lr=SCHEDULE, total_steps=12)
    given = LEAF | {"objective": "binary"}
    result: Any = lgb.cv(
        given,
        lgb.Dataset(X, y),
        12,
        nfold=2,
        callbacks=other.callbacks,
        return_cvbooster=True,
    )
    for booster in result["cvbooster"].boosters:
        trees = booster.dump_model()["tree_info"]
        assert [tree["shrinkage"] for tree in trees] == pytest.approx(RATES, rel=1e-5)


def test_the_scikit_learn_interfaces_and_a_search() -> None:
    model = xgb.XGBClassifier(
        n_estimators=12,
        max_depth=2,
        n_jobs=1,
        callbacks=[xgboost.Scheduler(lr=SCHEDULE, total_steps=12)],
    )
    search = GridSearchCV(model, {"max_depth": [1, 2]}, cv=2).fit(X, y)
    assert search.best_score_ > 0.9
    first = model.fit(X, y).predict_proba(X)
    again = model.fit(X, y).predict_proba(X)  # the same Scheduler, a new training
    np.testing.assert_array_equal(first, again)
    scheduler = lightgbm.Scheduler(lr=SCHEDULE, total_steps=12)
    other = lgb.LGBMClassifier(n_estimators=12, verbose=-1, n_jobs=1)
    for _ in range(2):
        other.fit(X, y, callbacks=scheduler.callbacks)
        assert scheduler.update == 12
    assert other.score(X, y) > 0.9


@pytest.mark.parametrize("host", ["xgboost", "lightgbm"])
def test_a_cooldown_may_end_the_training(host: str) -> None:
    """The rounds after it would add trees of weight nothing."""
    metric = "logloss" if host == "xgboost" else "binary_logloss"
    plateau = Plateau(metric, patience=2, convention="keras", margin_abs=0.05)
    policies = [CooldownOnPlateau(plateau, length=4)]
    kind: Any = xgboost.Scheduler if host == "xgboost" else lightgbm.Scheduler
    lr = 0.3 * ss.warmup(2) >> ss.hold()
    scheduler = kind(lr=lr, total_steps=200, policies=policies, stop=True)
    if host == "xgboost":
        data = xgb.DMatrix(X, y)
        model = xgb.train(
            {"objective": "binary:logistic", "nthread": 1},
            data,
            200,
            evals=[(data, "train")],
            verbose_eval=False,
            callbacks=[scheduler],
        )
        rounds = model.num_boosted_rounds()
    else:
        rows = lgb.Dataset(X, y)
        booster = lgb.train(
            {"objective": "binary", "verbose": -1, "num_threads": 1},
            rows,
            200,
            valid_sets=[rows],
            callbacks=scheduler.callbacks,
        )
        rounds = booster.num_trees()
    [event] = scheduler.events
    assert event.kind == "cooldown"
    assert rounds == scheduler.update == event.update + 4 < 100


@pytest.mark.parametrize("host", [xgboost, lightgbm])
def test_a_guard_is_refused(host: Any) -> None:
    with pytest.raises(AdapterError, match="be other than a guard"):
        host.Scheduler(lr=SCHEDULE, total_steps=12, policies=[Guard()])


def test_lightgbm_is_given_the_callbacks() -> None:
    scheduler = lightgbm.Scheduler(lr=SCHEDULE, total_steps=12)
    with pytest.raises(AdapterError, match=r"hint: callbacks=scheduler\.callbacks"):
        lgb.train({"verbose": -1}, lgb.Dataset(X, y), 5, callbacks=[scheduler])


def test_a_model_with_rounds_that_nobody_counted_is_refused(tmp_path: Path) -> None:
    plain = xgb.train(STUMP, xgb.DMatrix(X, y), 5)
    late = xgboost.Scheduler(lr=SCHEDULE, total_steps=12)
    with pytest.raises(AdapterError, match=r"model must have 0 rounds.*update=5"):
        xgb.train(STUMP, xgb.DMatrix(X, y), 5, xgb_model=plain, callbacks=[late])
    there = xgboost.Scheduler(lr=SCHEDULE, total_steps=12, update=5)
    xgb.train(STUMP, xgb.DMatrix(X, y), 5, xgb_model=plain, callbacks=[there])
    assert there.update == 10
    logged = xgboost.Scheduler(
        lr=SCHEDULE, total_steps=12, ledger=tmp_path / "events.jsonl"
    )
    xgb.train(STUMP, xgb.DMatrix(X, y), 3, callbacks=[logged])
    with pytest.raises(AdapterError, match="have 3 rounds, as the Scheduler has"):
        xgb.train(STUMP, xgb.DMatrix(X, y), 3, callbacks=[logged])


def test_a_model_that_was_cut_to_its_best_rounds_is_trained_on() -> None:
    """XGBoost's `save_best` drops rounds; the state that is saved is of more."""
    scheduler = xgboost.Scheduler(lr=SCHEDULE, total_steps=12)
    best = xgb.callback.EarlyStopping(rounds=2, save_best=True, min_delta=9.0)
    data = xgb.DMatrix(np.arange(8.0).reshape(8, 1), ONES)
    model = xgb.train(STUMP, data, 12, evals=[(data, "d")], callbacks=[scheduler, best])
    assert (model.num_boosted_rounds(), scheduler.update) == (1, 3)
    with pytest.raises(AdapterError, match=r"got 1. hint: .*update=1\) to start"):
        stump([xgboost.Scheduler(lr=SCHEDULE, total_steps=12)], 11, model)
    again = xgboost.Scheduler(lr=SCHEDULE, total_steps=12, update=1)
    whole = stump([again], 11, model)
    assert again.done
    assert rates_of_xgboost(whole, 12) == pytest.approx(RATES, rel=1e-3)


def test_a_rate_that_lightgbm_resets_too_is_the_schedules() -> None:
    """LightGBM sorts callbacks by their order, wherever they are in the list."""
    data = lgb.Dataset(np.arange(80.0).reshape(80, 1), np.arange(80.0))
    other = lgb.reset_parameter(learning_rate=lambda made: 0.7)
    scheduler = lightgbm.Scheduler(lr=SCHEDULE, total_steps=4)
    model = lgb.train(LEAF, data, 4, callbacks=[*scheduler.callbacks, other])
    found = [tree["shrinkage"] for tree in model.dump_model()["tree_info"]]
    assert found == pytest.approx(SCHEDULE.resolve(4).rates(), rel=1e-6)


@pytest.mark.parametrize("name", ["xgboost", "lightgbm"])
def test_without_the_host_the_import_says_what_to_install(name: str) -> None:
    code = (
        f"import sys; sys.modules['{name}'] = None\n"
        "import stepsize, stepsize.adapters.driving\n"
        "from stepsize.errors import FrameworkMissingError\n"
        f"try:\n    import stepsize.adapters.{name}\n"
        "except FrameworkMissingError as error:\n    print(error)\n"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert f"pip install 'stepsize[{name}]'" in found.stdout
