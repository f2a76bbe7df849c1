"""Rates and events in the history of a Weights & Biases run, offline too."""

from __future__ import annotations

from typing import Any

from stepsize.sinks.reading import Reader, Source, told

__all__ = ["WandbSink"]

STEP = "stepsize/update"


class WandbSink:
    """Logs the values of each update to a run, and every event as text.

    Values are "lr/GROUP" (and "weight_decay/GROUP", ...); they are drawn over
    "stepsize/update": the update that used them. W&B's own step is left alone, because
    it only ever grows and is everybody's. Events are the text "stepsize/event"; the
    last one is in the run's summary. The run's config is not touched.

    Args:
        run: What `wandb.init` returned, with `mode="offline"` too.
    """

    def __init__(self, run: Any) -> None:
        self.run = run
        self._reader = Reader()
        self._drawn: set[str] = set()

    def log(self, source: Source) -> None:
        """Log what is new; call it after an update, as often as is wanted.

        Args:
            source: A Scheduler.
        """
        values = self._reader.values(source)
        if not self._drawn:
            self.run.define_metric(STEP, hidden=True)
            self.run.summary["stepsize/schedule"] = repr(source)
        for family in {name.split("/", 1)[0] for name in values} - self._drawn:
            self._drawn.add(family)
            self.run.define_metric(f"{family}/*", step_metric=STEP)
        if values:
            self.run.log({**values, STEP: source.update - 1})
        for event in self._reader.events(source):
            self.run.log({"stepsize/event": told(event), STEP: event.update})
