"""scikit-learn: its own checks, searches, policies, interruptions on real data."""

import pickle
import subprocess
import sys
import warnings
from typing import Any

import numpy as np
import pytest
from scipy import sparse
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.datasets import load_digits
from sklearn.linear_model import LinearRegression, SGDClassifier, SGDRegressor
from sklearn.model_selection import GridSearchCV
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler
from sklearn.utils.estimator_checks import check_estimator

import stepsize as ss
from stepsize.adapters.sklearn import ScheduledClassifier, ScheduledRegressor
from stepsize.control import Guard, MetricTarget, Plateau
from stepsize.errors import AdapterError, InvalidScheduleError

X, y = load_digits(return_X_y=True)
X = X / 16


@pytest.mark.parametrize(
    "estimator",
    [
        ScheduledClassifier(),
        ScheduledRegressor(),
        pytest.param(
            ScheduledClassifier(MLPClassifier(hidden_layer_sizes=(8,))),
            marks=pytest.mark.slow,
        ),
        pytest.param(
            ScheduledRegressor(MLPRegressor(hidden_layer_sizes=(8,))),
            marks=pytest.mark.slow,
        ),
    ],
    ids=lambda one: f"{type(one).__name__}({one.estimator})",
)
def test_scikit_learns_own_checks_pass(estimator: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the checks' own
        found = check_estimator(estimator, on_skip=None)
    skipped = {one["check_name"] for one in found if one["status"] != "passed"}
    assert skipped <= {"check_array_api_input"}  # wants an environment variable
    assert len(found) > 40


def test_sgd_steps_at_exactly_the_schedules_rate() -> None:
    """On one sample with target 1 and no penalty: w += 2 * rate * (1 - w) / 2."""
    schedule = 0.1 * ss.warmup(3) >> ss.cosine()
    inner = SGDRegressor(penalty=None, fit_intercept=False)
    model = ScheduledRegressor(
        inner, schedule=schedule, lr=1.0, epochs=12, batch_size=1
    ).fit(np.ones((1, 1)), np.ones(1))
    weight = 0.0
    for rate in schedule.resolve(12).block(0, 12):
        weight += rate * (1 - weight)
    assert model.estimator_.coef_[0] == pytest.approx(weight, rel=1e-12)
    assert model.rates_ == schedule.resolve(12).block(0, 12)


def test_mlp_steps_at_exactly_the_schedules_rate_and_adam_is_not_scaled_twice() -> None:
    """Two runs with half the rate: the first Adam step is half as long."""
    steps = []
    for lr in (0.01, 0.005):
        inner = MLPRegressor(hidden_layer_sizes=(4,), solver="adam", random_state=0)
        model = ScheduledRegressor(
            inner, schedule="hold()", lr=lr, epochs=1, batch_size=8, random_state=0
        ).fit(X[:8], y[:8])
        start = ScheduledRegressor(
            inner, schedule="hold()", lr=0.0, epochs=1, batch_size=8, random_state=0
        ).fit(X[:8], y[:8])
        steps.append(model.estimator_.coefs_[1] - start.estimator_.coefs_[1])
    assert np.allclose(steps[0], 2 * steps[1], rtol=1e-5)
    assert np.abs(steps[0]).max() == pytest.approx(0.01, rel=1e-3)


def test_rates_and_schedules_are_searched_as_text_and_numbers() -> None:
    model = make_pipeline(MinMaxScaler(), ScheduledClassifier(epochs=2, random_state=0))
    schedules = ["hold()", 'warmup("10%") >> decay(shape="cosine")']
    grid = {
        "scheduledclassifier__lr": [1e-6, 0.1],
        "scheduledclassifier__schedule": schedules,
    }
    search = GridSearchCV(model, grid, cv=2).fit(X[:600], y[:600])
    assert search.best_params_["scheduledclassifier__lr"] == 0.1
    assert search.best_score_ > 0.8
    with pytest.raises(ValueError, match=r"InvalidScheduleError|must"):
        GridSearchCV(model, {"scheduledclassifier__schedule": ["hodl()"]}, cv=2).fit(
            X[:100], y[:100]
        )


def test_a_training_that_is_interrupted_ends_at_the_same_weights() -> None:
    def make() -> ScheduledClassifier:
        inner = MLPClassifier(hidden_layer_sizes=(16,))
        return ScheduledClassifier(inner, lr=0.01, epochs=6, random_state=0)

    whole, cut = make(), make()
    for _ in range(6):
        whole.partial_fit(X, y)
    for epoch in range(6):
        cut.partial_fit(X, y)
        if epoch in (0, 3):
            cut = pickle.loads(pickle.dumps(cut))
    for one, other in zip(whole.estimator_.coefs_, cut.estimator_.coefs_, strict=True):
        np.testing.assert_array_equal(one, other)
    assert cut.rates_ == whole.rates_
    assert whole.score(X, y) > 0.95
    assert whole.scheduler_.done


def test_policies_see_the_score_on_what_was_held_out() -> None:
    plateau = Plateau("val_score", mode="max", patience=1, convention="torch", margin=1)
    model = ScheduledClassifier(
        schedule="hold()",
        lr=0.1,
        epochs=4,
        policies=[plateau],
        validation_fraction=0.2,
        random_state=0,
    ).fit(X, y)
    per_epoch = len(model.rates_) // 4
    assert [event.source for event in model.scheduler_.events] == ["policy:plateau"]
    assert model.rates_[:-per_epoch] == [0.1] * (3 * per_epoch)
    assert model.rates_[-1] == 0.1 * 0.1
    stop = MetricTarget("val_score", 0.5, mode="max")
    early = ScheduledClassifier(
        epochs=50, lr=0.1, policies=[stop], validation_fraction=0.2, random_state=0
    ).fit(X, y)
    assert len(early.rates_) < 5 * per_epoch


def test_sparse_data_and_units_of_epochs_and_samples() -> None:
    model = ScheduledClassifier(
        schedule='warmup("1 epochs") >> hold("64 samples") >> decay(shape="linear")',
        lr=1.0,
        epochs=3,
        random_state=0,
    ).fit(sparse.csr_matrix(X[:320]), y[:320])
    assert len(model.rates_) == 30
    assert model.rates_[9] < 1.0
    assert model.rates_[10:13] == [1.0, 1.0, 1.0]
    assert model.rates_[13] < 1.0


def test_numbers_of_numpy_are_searched() -> None:
    grid = {
        "lr": np.logspace(-2, -1, 2, dtype="float32"),
        "epochs": np.arange(1, 3),
        "batch_size": np.array([16, 50]),
    }
    search = GridSearchCV(ScheduledClassifier(random_state=0), grid, cv=2)
    search.fit(X[:200], y[:200])
    assert set(search.best_params_) == set(grid)


def test_a_class_that_is_all_held_out_is_known() -> None:
    rare = y[:100].copy()
    rare[0] = 17
    counts = []
    for seed in range(6):
        model = ScheduledClassifier(
            epochs=1, validation_fraction=0.5, random_state=seed
        )
        counts.append(len(model.fit(X[:100], rare).classes_))
    assert counts == [11] * 6


def test_tables_of_targets_are_the_estimators_own() -> None:
    several = np.stack([y[:100] % 2, y[:100] % 3 == 0], axis=1).astype(int)
    labels = ScheduledClassifier(MLPClassifier((8,)), lr=0.1, epochs=2, random_state=0)
    assert labels.fit(X[:100], several).predict(X[:5]).shape == (5, 2)
    inner = MLPRegressor(hidden_layer_sizes=(8,))
    values = ScheduledRegressor(inner, epochs=2, random_state=0)
    assert values.fit(X[:100], several).predict(X[:5]).shape == (5, 2)
    with pytest.raises(ValueError, match="y should be a 1d array"):
        ScheduledRegressor().fit(X[:100], several)


def test_samples_have_weights() -> None:
    weights = np.linspace(2, 0.1, 200)
    by_hand = SGDClassifier(learning_rate="constant", eta0=0.1, random_state=0)
    for rows in np.split(np.arange(200), 4):
        by_hand.partial_fit(
            X[rows], y[rows], classes=np.arange(10), sample_weight=weights[rows]
        )
    model = ScheduledClassifier(
        schedule="hold()", lr=0.1, epochs=1, batch_size=50, shuffle=False
    ).set_params(random_state=0)
    model.fit(X[:200], y[:200], sample_weight=weights)
    np.testing.assert_array_equal(model.estimator_.coef_, by_hand.coef_)
    parts = ScheduledClassifier(**model.get_params())
    parts.partial_fit(X[:200], y[:200], sample_weight=list(weights))
    np.testing.assert_array_equal(parts.estimator_.coef_, by_hand.coef_)


def test_samples_of_weight_0_are_left_out() -> None:
    weights = np.where(np.arange(200) % 3, 1.0, 0.0)
    model = ScheduledClassifier(epochs=2, random_state=0)
    whole = clone(model).fit(X[:200], y[:200], sample_weight=weights)
    rest = clone(model).fit(X[:200][weights > 0], y[:200][weights > 0])
    np.testing.assert_array_equal(whole.estimator_.coef_, rest.estimator_.coef_)
    assert whole.rates_ == rest.rates_


def test_a_search_hands_on_weights_that_the_held_out_score_has_too() -> None:
    weights = np.where(y[:300] < 5, 0.0, 1.0)  # only these digits count
    plateau = Plateau("val_score", mode="max", patience=1)
    model = ScheduledClassifier(
        MLPClassifier(hidden_layer_sizes=(16,)),
        epochs=20,
        validation_fraction=0.3,
        policies=[MetricTarget("val_score", 0.8, mode="max"), plateau],
        random_state=0,
    )
    search = GridSearchCV(make_pipeline(model), {"scheduledclassifier__lr": [0.02]})
    search.fit(X[:300], y[:300], scheduledclassifier__sample_weight=weights)
    [event, *_] = search.best_estimator_[0].scheduler_.events
    assert event.source.startswith("policy:target")
    assert set(search.predict(X[:300])) <= {5, 6, 7, 8, 9}


def test_weights_that_mean_nothing_are_refused() -> None:
    with pytest.raises(ValueError, match=r"sample_weight.shape == \(9,\), expected"):
        ScheduledClassifier().fit(X[:64], y[:64], sample_weight=np.ones(9))
    with pytest.raises(AdapterError, match=r"fit\(coef_init=\) must be sample_weight"):
        ScheduledClassifier().fit(X[:64], y[:64], coef_init=0)
    with pytest.raises(ValueError, match="at least one non-zero"):
        ScheduledClassifier().fit(X[:64], y[:64], sample_weight=np.zeros(64))
    with pytest.raises(ValueError, match="must not be 0 for all samples but those of"):
        ScheduledClassifier().fit(X[:64], y[:64], sample_weight=(y[:64] == 3) * 1.0)
    inner = Unweighted()
    with pytest.raises(AdapterError, match=r"must be left out: the estimator's part"):
        ScheduledClassifier(inner).fit(X[:64], y[:64], sample_weight=np.ones(64))
    held = ScheduledClassifier(
        inner, validation_fraction=0.5, policies=[Plateau("val_score", mode="max")]
    )
    assert held.fit(X[:64], y[:64]).scheduler_.done  # its score takes none either


class Unweighted(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # untyped
    """An estimator of somebody else's, without weights."""

    def __init__(self, eta0: float = 0.1) -> None:
        self.eta0 = eta0

    def partial_fit(self, X: Any, y: Any, classes: Any = None) -> Any:
        self.classes_ = classes
        return self

    def score(self, X: Any, y: Any) -> float:
        return 0.5


def test_methods_are_those_of_the_estimator() -> None:
    plain = ScheduledClassifier(epochs=1).fit(X[:200], y[:200])
    assert plain.decision_function(X[:5]).shape == (5, 10)
    assert not hasattr(plain, "predict_proba")  # of the hinge loss
    log = ScheduledClassifier(SGDClassifier(loss="log_loss"), epochs=1)
    assert log.fit(X[:200], y[:200]).predict_proba(X[:5]).shape == (5, 10)
    assert not hasattr(ScheduledRegressor(), "decision_function")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"epochs": 0}, "ScheduledClassifier.epochs must be an int >= 1"),
        ({"batch_size": 2.5}, "ScheduledClassifier.batch_size must be an int >= 1"),
        ({"estimator": LinearRegression()}, "estimator must have partial_fit"),
        ({"estimator": MLPClassifier(solver="lbfgs")}, "estimator must have partial"),
        ({"policies": [Plateau()]}, "validation_fraction must be more than 0"),
        ({"policies": [Guard()], "validation_fraction": 0.2}, "other than a guard"),
        ({"validation_fraction": 1.0}, r"validation_fraction must be in \[0, 1\)"),
        ({"validation_fraction": None}, r"validation_fraction must be in \[0, 1\)"),
        ({"lr": "0.1"}, "ScheduledClassifier.lr must be a finite number >= 0"),
        ({"lr": float("nan")}, "ScheduledClassifier.lr must be a finite number >= 0"),
        ({"lr": True}, "ScheduledClassifier.lr must be a finite number >= 0"),
        ({"estimator": SGDRegressor()}, "estimator must be a classifier"),
        ({"estimator": SGDClassifier}, "estimator must have partial_fit"),
        ({"schedule": "warmup("}, "."),
        ({"schedule": None}, "ScheduledClassifier.schedule must be"),
    ],
)
def test_what_makes_no_sense_is_refused(given: dict[str, Any], message: str) -> None:
    with pytest.raises((AdapterError, InvalidScheduleError), match=message):
        ScheduledClassifier(**given).fit(X[:64], y[:64])


def test_without_scikit_learn_the_import_says_what_to_install() -> None:
    code = (
        "import sys; sys.modules['sklearn'] = None\n"
        "import stepsize, stepsize.adapters.driving\n"
        "from stepsize.errors import FrameworkMissingError\n"
        "try:\n    import stepsize.adapters.sklearn\n"
        "except FrameworkMissingError as error:\n    print(error)\n"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert "pip install 'stepsize[sklearn]'" in found.stdout
