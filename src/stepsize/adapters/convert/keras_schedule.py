"""The class that carries a schedule through Keras; importing this needs Keras."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras

from stepsize.schedules.horizon import Horizon
from stepsize.schedules.plain import from_dict

__all__ = ["StepsizeSchedule"]


@keras.saving.register_keras_serializable(package="stepsize")
class StepsizeSchedule(keras.optimizers.schedules.LearningRateSchedule):  # type: ignore[misc]  # untyped
    """A schedule as Keras wants it; made by `to_keras`.

    Args:
        schedule: What `Schedule.to_dict` gave.
        horizon: What `Horizon.to_dict` gave; {} where the schedule needs none.
        name: What Keras calls it.

    Attributes:
        rates: The schedule, with every length known.
        largest_difference: Between Keras' values and ours over the horizon, where
            `to_keras` compared them; else None. Unit: the largest rate.
        at: Step of the largest difference; None as above.
        exact: Whether that is round-off of single precision; None as above.
        notes: What is lost, in words.
    """

    def __init__(
        self,
        schedule: Mapping[str, Any],
        horizon: Mapping[str, Any] | None = None,
        name: str = "StepsizeSchedule",
    ) -> None:
        self.name = name
        made = from_dict(dict(schedule))
        self.rates = made.resolve(horizon=Horizon.from_dict(dict(horizon or {})))
        self.largest_difference: float | None = None
        self.at: int | None = None
        self.exact: bool | None = None
        single = keras.config.floatx() != "float64"
        self.notes = ("Keras computes in single precision",) if single else ()

    def __call__(self, step: Any) -> Any:
        """Return the rate at a step, in Keras' floatx."""
        rate = self.rates(keras.ops.convert_to_tensor(step))
        return keras.ops.cast(rate, keras.config.floatx())

    def values(self, count: int) -> list[float]:
        """Return what Keras gets at the steps 0 .. count - 1."""
        steps = keras.ops.arange(count, dtype="int32")
        return [float(rate) for rate in keras.ops.convert_to_numpy(self(steps))]

    def get_config(self) -> dict[str, Any]:
        """Return what Keras writes; `from_config` reads it."""
        return {
            "schedule": self.rates.schedule.to_dict(),
            "horizon": self.rates.horizon.to_dict(),
            "name": self.name,
        }
