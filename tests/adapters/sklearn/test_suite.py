"""The suite of every adapter, for scikit-learn's `partial_fit`."""

import pickle
import sys
from typing import Any, ClassVar

import numpy as np
from sklearn.linear_model import SGDRegressor
from sklearn.neural_network import MLPRegressor

from stepsize.adapters.sklearn import ScheduledRegressor
from stepsize.testing import AdapterSuite, Case, Trained
from stepsize.testing.adapter_suite import EPOCH

USED: list[list[float]] = []  # rates of the estimators' own updates


class RecordingSGD(SGDRegressor):  # type: ignore[misc]  # untyped
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> Any:
        USED.append([self.eta0])
        return super().partial_fit(X, y, sample_weight)


class RecordingMLP(MLPRegressor):  # type: ignore[misc]  # untyped
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> Any:
        before = getattr(self, "_optimizer", None)
        USED.append([before.learning_rate if before else self.learning_rate_init])
        return super().partial_fit(X, y, sample_weight)


class OnScikitLearn(AdapterSuite):
    estimator: ClassVar[Any]
    stops: ClassVar = (1, 4, 6, 11)
    lacks: ClassVar = {
        "groups": "an estimator has one rate",
        "accumulation": "a batch is an update",
        "overflows": "there is no mixed precision",
    }

    def held(self, rate: float) -> float:
        return max(rate, sys.float_info.min)  # scikit-learn refuses 0

    def train(self, case: Case) -> Trained:
        USED.clear()
        rng = np.random.default_rng(0)
        x, y = rng.normal(size=(case.updates, 8, 3)), rng.normal(size=(case.updates, 8))
        metrics = iter(case.metrics)
        model = ScheduledRegressor(
            self.estimator,
            schedule=str(case.schedule),
            lr=1.0,
            epochs=case.total_steps,  # one batch a call
            policies=list(case.policies),
            random_state=0,
        )
        for made in range(case.updates):
            if case.cooldown is not None and made == case.cooldown[0]:
                model.scheduler_.cooldown(case.cooldown[1])
            model.partial_fit(x[made], y[made])
            if (made + 1) % EPOCH == 0 and case.metrics:
                model.observe(val_loss=next(metrics))
            if made + 1 in case.stops:
                model = pickle.loads(pickle.dumps(model))
        inner = model.estimator_
        coefs = inner.coefs_ if hasattr(inner, "coefs_") else [inner.coef_]
        return Trained(
            rates=list(USED),
            weights=[coef.tolist() for coef in coefs],
            update=model.scheduler_.update,
            events=model.scheduler_.events,
        )


class TestSGD(OnScikitLearn):
    estimator: ClassVar = RecordingSGD()


class TestMLP(OnScikitLearn):
    estimator: ClassVar = RecordingMLP(hidden_layer_sizes=(4,), solver="sgd")
