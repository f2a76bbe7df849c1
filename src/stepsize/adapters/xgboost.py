"""Schedules in XGBoost: a rate for every boosting round."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, final

from stepsize.adapters.driving.rounds import Boosting
from stepsize.adapters.missing import missing

try:
    from xgboost.callback import TrainingCallback
except ImportError as error:
    raise missing("XGBoost", "xgboost") from error

__all__ = ["Scheduler"]

ATTRIBUTE = "stepsize"  # of the booster: saved in its file


@final
class Scheduler(Boosting, TrainingCallback):
    """Drive `learning_rate` round by round, in `train`, `cv` and scikit-learn's API.

    Round u of the model uses the trajectory's value at u, also where it goes on from
    an earlier model (`xgb_model`). The state is an attribute of the booster, saved with
    it: a resume needs nothing else. Put it before `TrainingCheckPoint`.

    After each round the policies are shown every metric as "DATA-METRIC"
    ("validation-rmse"), and that of the last data set as "METRIC" too.

    Takes the arguments of `Driver`, and `stop`; see `Boosting`.

    Examples:
        >>> import numpy as np, stepsize as ss, xgboost as xgb
        >>> data = xgb.DMatrix(np.arange(8.0).reshape(8, 1), np.arange(8.0))
        >>> schedule = 0.5 * ss.warmup(2) >> ss.hold() >> ss.decay("20%")
        >>> scheduler = Scheduler(lr=schedule, total_steps=10)
        >>> model = xgb.train({}, data, 10, callbacks=[scheduler])
        >>> scheduler.update, round(scheduler.last_lr["0"], 4)
        (10, 0.25)
    """

    def before_training(self, model: Any) -> Any:
        """Go on where the model stands."""
        rounds = 0 if _is_packed(model) else model.num_boosted_rounds()
        saved = None if _is_packed(model) else model.attr(ATTRIBUTE)
        if saved is not None:
            state = json.loads(saved)
            if state["update"] == rounds:  # else it was cut, to its best rounds say
                self.load_state_dict(state)
        self._begin(rounds)
        return model

    def before_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
        """Set the round's rate; True ends the training."""
        if self._stops and self.done:
            return True
        model.set_param("learning_rate", self.rate())
        return False

    def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
        """Count the round, ask the policies, keep the state in the model."""
        self._after(_metrics(evals_log))
        if not _is_packed(model):
            model.set_attr(**{ATTRIBUTE: json.dumps(self.state_dict())})
        return False


def _is_packed(model: Any) -> bool:
    """Whether it is the folds of `cv`."""
    return hasattr(model, "cvfolds")


def _metrics(evals_log: Mapping[str, Mapping[str, Any]]) -> dict[str, float]:
    found: dict[str, float] = {}
    for data, metrics in evals_log.items():
        for name, values in metrics.items():
            last = values[-1]
            value = float(last[0] if isinstance(last, tuple) else last)  # cv: mean, std
            found[f"{data}-{name}"] = found[name] = value
    return found
