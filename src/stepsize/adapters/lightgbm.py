"""Schedules in LightGBM: a rate for every boosting round."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, final

from stepsize.adapters.driving.rounds import Boosting
from stepsize.adapters.missing import missing
from stepsize.errors import AdapterError, describe

try:
    from lightgbm.callback import EarlyStopException
except ImportError as error:
    raise missing("LightGBM", "lightgbm") from error

__all__ = ["Scheduler"]

LEAST = sys.float_info.min  # LightGBM refuses a rate of 0


@final
class Scheduler(Boosting):
    """Drive `learning_rate` round by round, in `train`, `cv` and scikit-learn's API.

    Give LightGBM its `callbacks`. Round u of the model uses the trajectory's value at
    u, also where it goes on from an earlier model (`init_model`); a model's file has no
    room for the state, so keep `state_dict` beside it.

    After each round the policies are shown every metric as "DATA-METRIC"
    ("valid_0-l2"), and that of the last data set as "METRIC" too.

    Takes the arguments of `Driver`, and `stop`; see `Boosting`.

    Examples:
        >>> import lightgbm as lgb, numpy as np, stepsize as ss
        >>> data = lgb.Dataset(np.arange(80.0).reshape(80, 1), np.arange(80.0))
        >>> schedule = 0.5 * ss.warmup(2) >> ss.hold() >> ss.decay("20%")
        >>> scheduler = Scheduler(lr=schedule, total_steps=10)
        >>> given = {"verbose": -1, "boost_from_average": False}
        >>> model = lgb.train(given, data, 10, callbacks=scheduler.callbacks)
        >>> [round(one["shrinkage"], 4) for one in model.dump_model()["tree_info"]][:3]
        [0.1667, 0.3333, 0.5]
    """

    @property
    def callbacks(self) -> list[Callable[[Any], None]]:
        """What LightGBM calls before and after each round."""
        return [_Before(self), _After(self)]

    def __call__(self, env: Any) -> None:
        """Say that LightGBM is given the `callbacks`, not the Scheduler.

        Raises:
            AdapterError: Always.
        """
        rule = "be given to LightGBM as its callbacks"
        hint = "callbacks=scheduler.callbacks"
        raise AdapterError(describe("Scheduler", rule, self, hint=hint))

    def before(self, env: Any) -> None:
        """Set the round's rate.

        Args:
            env: LightGBM's `CallbackEnv`.
        """
        if env.iteration == env.begin_iteration:
            self._begin(env.iteration)
        rate = {"learning_rate": max(self.rate(), LEAST)}
        for booster in getattr(env.model, "boosters", [env.model]):
            booster.reset_parameter(rate)

    def after(self, env: Any) -> None:
        """Count the round, ask the policies, and end the training where it is to stop.

        Args:
            env: LightGBM's `CallbackEnv`.
        """
        metrics: dict[str, float] = {}
        results = env.evaluation_result_list or []
        for data, name, value, *_ in results:
            metrics[f"{data}-{name}"] = metrics[name] = float(value)
        self._after(metrics)
        if self._stops and self.done:
            raise EarlyStopException(env.iteration, results)


class _Before:
    """A callback as LightGBM sorts them, by what the object itself has as `order`."""

    def __init__(self, scheduler: Scheduler) -> None:
        self.before_iteration = True
        self.order = 11  # after `reset_parameter`
        self._scheduler = scheduler

    def __call__(self, env: Any) -> None:
        self._scheduler.before(env)


class _After:
    """The same, after a round."""

    def __init__(self, scheduler: Scheduler) -> None:
        self.before_iteration = False
        self.order = 25  # before early stopping, which may raise
        self._scheduler = scheduler

    def __call__(self, env: Any) -> None:
        self._scheduler.after(env)
