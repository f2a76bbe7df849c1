"""What is seen while a comparison runs and when it is done."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import final

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from stepsize.proof import Comparison, ComparisonInterrupted
from stepsize.proof.report.terminal import show
from stepsize.proof.report.words import count, rate
from stepsize.proof.results import Run

_FAILURES_SHOWN = 5
_PLAIN_WIDTH = 100
"""Width where the terminal does not say: a pipe or a file."""


@final
class Screen:
    """Tables on stdout; progress and messages on stderr."""

    def __init__(self) -> None:
        self.out = _console(stderr=False)
        self.messages = _console(stderr=True)
        self._bar: Progress | None = None
        self._failures = 0
        self._quarter = -1
        self._name = ""

    @contextmanager
    def running(self, name: str) -> Iterator[None]:
        """Show a bar with the time left while the body runs."""
        self._name, self._failures, self._quarter = name, 0, -1
        if not self.messages.is_terminal:
            yield
        else:
            bar = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                TaskProgressColumn(),
                TimeElapsedColumn(),
                TextColumn("left"),
                TimeRemainingColumn(),
                console=self.messages,
                transient=True,
            )
            bar.add_task(name, total=None)
            with bar:
                self._bar = bar
                try:
                    yield
                finally:
                    self._bar = None
        hidden = self._failures - _FAILURES_SHOWN
        if hidden > 0:
            self.say(f"... and {count(hidden, 'more run')} that did not finish")

    def progress(self, done: int, total: int) -> None:
        """Move the bar; without a terminal, say each quarter."""
        if self._bar is not None:
            self._bar.update(self._bar.task_ids[0], completed=done, total=total)
            return
        quarter = 4 * done // max(total, 1)
        if quarter > self._quarter:
            self._quarter = quarter
            self.say(f"{self._name}: {25 * quarter} %")

    def failed_run(self, run: Run) -> None:
        """Say which run did not finish and why; only the first few."""
        self._failures += 1
        if self._failures <= _FAILURES_SHOWN:
            why = run.reason.splitlines()[0] if run.reason else ""
            self.say(
                f"{run.status.replace('_', ' ')}: {run.arm} at {rate(run.peak_lr)}, "
                f"seed {run.seed}: {why}"
            )

    def stored(self, stored: int, planned: int) -> None:
        """Say how many runs are not made again."""
        self.say(
            f"{stored} of {count(planned, 'run')} had finished before and are taken "
            "from the store (--fresh makes them again)"
        )

    def interrupted(self, stop: ComparisonInterrupted) -> None:
        """Say what an interrupted comparison leaves."""
        finished = len(stop.comparison.runs)
        if finished:
            self.say(
                f"interrupted: {finished} of {count(stop.planned, 'run')} had "
                "finished. No table: the schedules were not trained on equal grids."
            )
        else:
            self.say(
                f"interrupted: none of {count(stop.planned, 'run')} had finished, so "
                "nothing was written."
            )

    def show(self, comparison: Comparison) -> None:
        """Print the table and the verdict."""
        show(comparison, self.out)

    def say(self, message: str) -> None:
        """Print a message to stderr."""
        self.messages.print(Text(message), soft_wrap=True)

    def say_where(self, results: Path, report: Path) -> None:
        """Say where the two files are."""
        self.say(f"\nReport:  {report.absolute()}\nResults: {results.absolute()}")


def _console(*, stderr: bool) -> Console:
    stream = sys.stderr if stderr else sys.stdout
    plain = not stream.isatty()
    console = Console(stderr=stderr, highlight=False)
    if plain and "COLUMNS" not in os.environ:
        console.width = _PLAIN_WIDTH
    return console
