"""The suite of every adapter, for boosting rounds of XGBoost and LightGBM."""

import json
from pathlib import Path
from typing import Any, ClassVar

import lightgbm as lgb
import numpy as np
import pytest
import xgboost as xgb
from xgboost.callback import TrainingCallback

from stepsize.adapters import lightgbm, xgboost
from stepsize.adapters.driving.rounds import Boosting
from stepsize.testing import AdapterSuite, Case, Trained
from stepsize.testing.adapter_suite import EPOCH

rng = np.random.default_rng(0)
X = rng.normal(size=(64, 3))
Y = X @ [1.0, -2.0, 0.5] + 0.1 * rng.normal(size=64)


class OnBoosting(AdapterSuite):
    stops: ClassVar = (1, 4, 6, 11)
    lacks: ClassVar = {
        "groups": "all trees have one rate",
        "accumulation": "a round is an update",
        "overflows": "there is no mixed precision",
    }

    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path: Path) -> None:
        self.folder = tmp_path

    def scheduler_of(self, kind: type[Boosting], case: Case) -> Any:
        return kind(
            lr=case.schedule, total_steps=case.total_steps, policies=case.policies
        )

    def metric(self, case: Case, made: int) -> float:
        """Return what is measured after a round: something after each epoch only."""
        if not case.metrics or made % EPOCH:
            return float("nan")
        return case.metrics[made // EPOCH - 1]


class Watching(TrainingCallback):
    """Reads the rate out of the booster, and calls for a cooldown."""

    def __init__(self, case: Case, scheduler: Any, rates: list[list[float]]) -> None:
        self.case = case
        self.scheduler = scheduler
        self.rates = rates

    def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
        config = json.loads(model.save_config())["learner"]["gradient_booster"]
        self.rates.append([float(config["tree_train_param"]["learning_rate"])])
        if self.case.cooldown and self.scheduler.update == self.case.cooldown[0]:
            self.scheduler.cooldown(self.case.cooldown[1])
            state = json.dumps(self.scheduler.state_dict())
            model.set_attr(stepsize=state)
        return False


class TestXGBoost(OnBoosting):
    tolerance: ClassVar = 1e-6  # float32, as XGBoost prints it

    def train(self, case: Case) -> Trained:
        data = xgb.DMatrix(X, Y)
        rates: list[list[float]] = []
        file = self.folder / "model.ubj"
        model: Any = None
        for end in (*case.stops, case.updates):
            scheduler = self.scheduler_of(xgboost.Scheduler, case)
            model = xgb.train(
                {"max_depth": 2, "disable_default_eval_metric": 1, "nthread": 1},
                data,
                end - len(rates),
                xgb_model=model,
                evals=[(data, "train")],
                verbose_eval=False,
                custom_metric=lambda _, __: (
                    "val_loss",
                    self.metric(case, len(rates) + 1),  # before Watching counts it
                ),
                callbacks=[scheduler, Watching(case, scheduler, rates)],
            )
            model.save_model(file)
            model = xgb.Booster(model_file=file)
        return Trained(
            rates=rates,
            weights=model.predict(data).tolist(),
            update=scheduler.update,
            events=scheduler.events,
        )


class TestLightGBM(OnBoosting):
    tolerance: ClassVar = 5e-6  # LightGBM's file has six digits of the rate

    def held(self, rate: float) -> float:
        return max(rate, lightgbm.LEAST)

    def train(self, case: Case) -> Trained:
        file, made = self.folder / "model.txt", 0
        model: Any = None
        state: dict[str, Any] = {}
        for end in (*case.stops, case.updates):
            scheduler = self.scheduler_of(lightgbm.Scheduler, case)
            if state:
                scheduler.load_state_dict(state)
            data = lgb.Dataset(X, Y, free_raw_data=False)

            def cool(env: Any, scheduler: Any = scheduler) -> None:
                if case.cooldown and scheduler.update == case.cooldown[0]:
                    scheduler.cooldown(case.cooldown[1])

            cool.order = 40  # type: ignore[attr-defined]  # read by LightGBM
            model = lgb.train(
                {
                    "verbose": -1,
                    "num_leaves": 4,
                    "boost_from_average": False,
                    "metric": "custom",
                    "num_threads": 1,
                },
                data,
                end - made,
                init_model=model,
                valid_sets=[data],
                feval=lambda _, __, scheduler=scheduler: (
                    "val_loss",
                    self.metric(case, scheduler.update + 1),
                    False,
                ),
                callbacks=[*scheduler.callbacks, cool],
            )
            made = end
            model.save_model(file)
            model = lgb.Booster(model_file=file)
            state = json.loads(json.dumps(scheduler.state_dict()))
        trees = model.dump_model()["tree_info"]
        return Trained(
            rates=[[tree["shrinkage"]] for tree in trees],
            weights=model.predict(X).tolist(),
            update=scheduler.update,
            events=scheduler.events,
        )
