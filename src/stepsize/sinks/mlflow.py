"""Rates as metrics, events as tags and an artifact in MLflow."""

from __future__ import annotations

import json
import re

from stepsize.errors import FrameworkMissingError
from stepsize.sinks.reading import Reader, Source, told

try:
    from mlflow import MlflowClient, active_run
except ImportError as error:
    raise FrameworkMissingError(
        "MLflow cannot be imported. hint: pip install 'stepsize[mlflow]'."
    ) from error

from stepsize.errors import LedgerError, describe

__all__ = ["MlflowSink"]

FILE = "stepsize/events.jsonl"
LONGEST = 250  # letters of a metric's name


class MlflowSink:
    """Logs the values of each update as metrics of a run, and every event.

    Metrics are "lr/GROUP" (and "weight_decay/GROUP", ...) at step k: the value that
    update k used. The schedule and each event are tags ("stepsize.schedule",
    "stepsize.event.3"), and the events as a whole the artifact "stepsize/events.jsonl":
    MLflow's parameters can be written once only, and a run's schedule may change. In a
    metric's name "_" stands for what MLflow allows in none: "betas_0_/GROUP", and
    what is more than 250 letters is left out.

    Args:
        run_id: Which run; None: the one that is active.

    Raises:
        LedgerError: No run is active.
    """

    def __init__(self, run_id: str | None = None) -> None:
        if run_id is None:
            run = active_run()
            if run is None:
                rule = "be given, or a run be active"
                hint = "with mlflow.start_run(): ..."
                raise LedgerError(describe("MlflowSink.run_id", rule, None, hint=hint))
            run_id = run.info.run_id
        self.run_id = run_id
        self._client = MlflowClient()
        self._reader = Reader()
        self._begun = False

    def log(self, source: Source) -> None:
        """Log what is new; call it after an update, as often as is wanted.

        Args:
            source: A Scheduler.
        """
        client, run = self._client, self.run_id
        if not self._begun:
            self._begun = True
            client.set_tag(run, "stepsize.schedule", repr(source))
        for name, value in self._reader.values(source).items():
            client.log_metric(run, _allowed(name), value, step=source.update - 1)
        new = self._reader.events(source)
        for event in new:
            client.set_tag(run, f"stepsize.event.{event.sequence}", told(event))
        if new:
            lines = [json.dumps(event.to_dict()) for event in source.events]
            client.log_text(run, "\n".join([*lines, ""]), FILE)


def _allowed(name: str) -> str:
    """Return a metric's name as MLflow allows it: in characters, parts and length.

    "betas[0]/encoder" is betas_0_/encoder, "lr/a//../b" is lr/a/_/_/b.
    """
    parts = re.sub(r"[^\w\-./: ]", "_", name).split("/")
    kept = ("_" if part in ("", ".", "..") else part for part in parts)
    return "/".join(kept)[:LONGEST]
