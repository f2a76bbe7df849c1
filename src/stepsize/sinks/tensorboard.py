"""Rates as scalars and events as text in TensorBoard."""

from __future__ import annotations

from typing import Any

from stepsize.sinks.reading import Reader, Source, told

__all__ = ["TensorBoardSink"]


class TensorBoardSink:
    """Writes the values of each update to a `SummaryWriter`, and every event as text.

    Scalars are "lr/GROUP" (and "weight_decay/GROUP", ...) at step k: the value that
    update k used. Events are the text "stepsize/events" at the update that they take
    effect at.

    Args:
        writer: A `torch.utils.tensorboard.SummaryWriter`, or one of tensorboardX; it
            remains its owner's to flush and close.

    Examples:
        >>> import stepsize as ss, torch
        >>> from stepsize.adapters.torch import Scheduler
        >>> class Printed:
        ...     def add_scalar(self, tag, value, step):
        ...         print(tag, value, step)
        ...     add_text = add_scalar
        >>> optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=0.1)
        >>> scheduler = Scheduler(optimizer, lr=0.5 * ss.hold(), total_steps=9)
        >>> sink = TensorBoardSink(Printed())
        >>> optimizer.step()
        >>> sink.log(scheduler)
        stepsize/schedule Scheduler(lr=0.5 * hold(), update=1) 0
        lr/0 0.5 0
    """

    def __init__(self, writer: Any) -> None:
        self.writer = writer
        self._reader = Reader()
        self._begun = False

    def log(self, source: Source) -> None:
        """Write what is new; call it after an update, as often as is wanted.

        Args:
            source: A Scheduler.
        """
        step = source.update - 1
        if not self._begun:
            self._begun = True
            self.writer.add_text("stepsize/schedule", repr(source), max(step, 0))
        for name, value in self._reader.values(source).items():
            self.writer.add_scalar(name, value, step)
        for event in self._reader.events(source):
            self.writer.add_text("stepsize/events", told(event), event.update)
