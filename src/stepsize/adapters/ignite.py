"""Schedules in Ignite: `SchedulerHandler` attaches a Scheduler to engines."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Self

from stepsize.adapters.hosted import measured
from stepsize.adapters.missing import missing
from stepsize.errors import AdapterError, describe
from stepsize.schedules.horizon import Horizon

try:
    from ignite import distributed
    from ignite.engine import Events
except ImportError as error:
    raise missing("Ignite", "ignite") from error

from stepsize.adapters.torch import Scheduler

__all__ = ["SchedulerHandler", "plan_horizon"]


def _output(output: Any) -> Any:
    return output


class SchedulerHandler:
    """Gives a Scheduler what the engines of a training measure.

    A Scheduler counts the updates of its optimizer by itself, so that no event of an
    engine stands for one: accumulation, skipped updates and a second engine that makes
    updates are right. The handler is for policies and for who logs rates.

    Both the handler and the Scheduler may be among the objects of a `Checkpoint`.

    Args:
        scheduler: The Scheduler.
        output_transform: Returns the loss of an iteration, of what the trainer's step
            returned; None: policies see none. Of iterations that accumulate, the mean.

    Raises:
        AdapterError: It is no Scheduler.

    Examples:
        >>> import stepsize as ss, torch
        >>> from ignite.engine import create_supervised_trainer
        >>> model = torch.nn.Linear(1, 1)
        >>> optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        >>> trainer = create_supervised_trainer(
        ...     model, optimizer, torch.nn.functional.mse_loss
        ... )
        >>> scheduler = Scheduler(optimizer, lr=0.1 * ss.cosine(), total_steps=4)
        >>> handler = SchedulerHandler(scheduler).attach(trainer)
        >>> batch = torch.ones(2, 1), torch.ones(2, 1)
        >>> _ = trainer.run([batch, batch], max_epochs=2)
        >>> scheduler.update, scheduler.done
        (4, True)
    """

    def __init__(
        self,
        scheduler: Scheduler,
        *,
        output_transform: Callable[[Any], Any] | None = _output,
    ) -> None:
        if not isinstance(scheduler, Scheduler):
            rule = "be a Scheduler of stepsize.adapters.torch"
            raise AdapterError(
                describe("SchedulerHandler.scheduler", rule, type(scheduler).__name__)
            )
        self.scheduler = scheduler
        self._loss = output_transform

    def attach(self, trainer: Any, evaluator: Any = None) -> Self:
        """Listen to engines, and return this handler.

        Args:
            trainer: The engine whose iterations make updates.
            evaluator: The one whose metrics policies are to see, under their names,
                whenever it has completed; None: none.
        """
        trainer.add_event_handler(Events.ITERATION_COMPLETED, self._iterated)
        if evaluator is not None:
            evaluator.add_event_handler(Events.COMPLETED, self._evaluated)
        return self

    def _iterated(self, engine: Any) -> None:
        loss = None if self._loss is None else self._loss(engine.state.output)
        self.scheduler.step(loss=loss)
        if self.scheduler.asked("stop"):
            engine.terminate()

    def _evaluated(self, engine: Any) -> None:
        self.scheduler.observe(**measured(engine.state.metrics))

    def state_dict(self) -> dict[str, Any]:
        """Return the Scheduler's state."""
        return self.scheduler.state_dict()

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Load the Scheduler's state; see `Scheduler.load_state_dict`."""
        self.scheduler.load_state_dict(state_dict)


def plan_horizon(loader: Any, *, epochs: int, accumulation: int = 1) -> Horizon:
    """Return the horizon of `trainer.run(loader, max_epochs=epochs)`.

    With B batches, accumulated by a, it has floor(epochs * B / a) updates: an engine's
    iterations go on from epoch to epoch, and so do those that wait for an update.

    Args:
        loader: The data, with a length: that of this process.
        epochs: `max_epochs`; int >= 1.
        accumulation: `gradient_accumulation_steps`; int >= 1.

    Raises:
        AdapterError: The loader has no length, or a number is outside its range.
        InvalidScheduleError: No update would be made.
    """
    try:
        batches = len(loader)
    except TypeError as error:
        rule = "have a length"
        hint = "Horizon(steps=...) says how many updates there are to be"
        raise AdapterError(
            describe("plan_horizon.loader", rule, type(loader).__name__, hint=hint)
        ) from error
    for name, value in (("epochs", epochs), ("accumulation", accumulation)):
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            field = f"plan_horizon.{name}"
            raise AdapterError(describe(field, "be an int >= 1", value))
    size = getattr(loader, "batch_size", None)
    world = distributed.get_world_size()
    return Horizon(
        steps=epochs * batches // accumulation,
        steps_per_epoch=batches / accumulation,
        samples_per_step=None if size is None else size * accumulation * world,
    )
