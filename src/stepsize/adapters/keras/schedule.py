"""`Schedule`: a schedule as Keras' `LearningRateSchedule`, in the compiled step."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras

from stepsize.adapters.convert.keras_schedule import StepsizeSchedule
from stepsize.adapters.driving.arguments import as_horizon, check_count, resolve
from stepsize.schedules.horizon import Horizon
from stepsize.schedules.schedule import Schedule as PlainSchedule


@keras.saving.register_keras_serializable(package="stepsize")
class Schedule(StepsizeSchedule):
    """The learning rate of a Keras optimizer, saved and loaded with the model.

    With m the optimizer's count, which Keras raises for every batch, and k =
    `accumulation`, the rate is the schedule's at update floor(m / k), in Keras' floatx.

    Nothing steers it: for policies and events take `Scheduler`.

    Args:
        schedule: The schedule in absolute rates, or what its `to_dict` gave.
        total_steps: Updates in all, short for `Horizon(steps=total_steps)`.
        horizon: The horizon, or what its `to_dict` gave.
        accumulation: The optimizer's `gradient_accumulation_steps`. Unit: batches of an
            update; int >= 1.
        name: What Keras calls it.

    Raises:
        AdapterError: A value is outside its range.
        UnresolvedError: The schedule needs `total_steps` or `horizon`.

    Examples:
        >>> import stepsize as ss
        >>> rate = Schedule(0.5 * ss.linear(), total_steps=4, accumulation=2)
        >>> [round(float(rate(batch)), 4) for batch in range(4)]
        [0.5, 0.5, 0.375, 0.375]
        >>> again = Schedule.from_config(rate.get_config())
        >>> float(again(2)) == float(rate(2))
        True
    """

    def __init__(
        self,
        schedule: PlainSchedule | Mapping[str, Any],
        *,
        total_steps: int | None = None,
        horizon: Horizon | Mapping[str, Any] | None = None,
        accumulation: int = 1,
        name: str = "Schedule",
    ) -> None:
        if isinstance(horizon, Mapping):
            horizon = Horizon.from_dict(dict(horizon))
        plain = schedule if isinstance(schedule, Mapping) else None
        if plain is None:
            known = resolve(
                schedule,  # type: ignore[arg-type]  # no mapping
                "Schedule.schedule",
                as_horizon(total_steps, horizon),
            )
            plain, horizon = known.schedule.to_dict(), known.horizon
        self.accumulation = check_count(accumulation, "Schedule.accumulation", 1)
        super().__init__(plain, horizon and horizon.to_dict(), name)

    def __call__(self, step: Any) -> Any:
        """Return the rate at an optimizer's count, in Keras' floatx."""
        count = keras.ops.convert_to_tensor(step)
        updates = keras.ops.floor_divide(count, self.accumulation)
        flat = keras.ops.reshape(updates, (-1,))  # TensorFlow searches no scalar
        return keras.ops.reshape(super().__call__(flat), keras.ops.shape(count))

    def get_config(self) -> dict[str, Any]:
        """Return what Keras writes; `from_config` reads it."""
        return super().get_config() | {"accumulation": self.accumulation}
