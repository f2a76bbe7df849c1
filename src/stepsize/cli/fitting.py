"""What the commands of laws share: runs from files, the fit, bands as pictures."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from stepsize.errors import FrameworkMissingError, UnitError, UnresolvedError

if TYPE_CHECKING:
    from stepsize.planner.best.predicting import PredictedCurve
    from stepsize.planner.fitting.curve import Curve
    from stepsize.planner.fitting.fitted import FittedLaw
    from stepsize.schedules.schedule import ResolvedSchedule

_T = TypeVar("_T")

Runs = Annotated[
    list[str],
    typer.Argument(
        metavar="RUN...",
        help="Recorded runs: a ledger's folder or address, CSV, JSON, JSON lines, or "
        "TensorBoard event files.",
    ),
]
StepColumn = Annotated[str | None, typer.Option("--step", help="Column of the step.")]
LossColumn = Annotated[str | None, typer.Option("--loss", help="Column of the loss.")]
RateColumn = Annotated[str | None, typer.Option("--rate", help="Column of the rate.")]
RunSchedule = Annotated[
    list[str] | None,
    typer.Option(
        metavar="EXPR",
        help="Schedule that the runs were made with, if not logged: one, or one each.",
    ),
]
RunSteps = Annotated[
    list[int] | None,
    typer.Option(min=1, help="Their updates, if it needs them: one, or one each."),
]
WeightDecay = Annotated[float | None, typer.Option(help="Of AdamW; 0.1 unless said.")]
Png = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Draw a PNG there, with bands.")
]


def read_runs(
    paths: Sequence[str],
    *,
    step: str | None,
    loss: str | None,
    rate: str | None,
    run_schedule: Sequence[str] | None,
    run_steps: Sequence[int] | None,
) -> "list[Curve]":
    """Read runs from files.

    Raises:
        FitError: One cannot be read.
    """
    from stepsize.planner import records

    texts = _each(run_schedule, len(paths), "--run-schedule")
    lengths = _each(run_steps, len(paths), "--run-steps")
    schedules = [
        None if text is None else _resolved(text, length)
        for text, length in zip(texts, lengths, strict=True)
    ]
    return records.read_runs(
        paths, schedules=schedules, step=step, loss=loss, rate=rate
    )


def _resolved(text: str, length: int | None) -> "ResolvedSchedule":
    """Return the schedule of a run; what it needs has options of its own."""
    from stepsize.cli.inputs import horizon_of, read

    try:
        return read([text], horizon_of(length))[0].resolve()
    except UnresolvedError as error:
        message = str(error).partition(" hint: ")[0]
        raise UnresolvedError(f"{message} hint: add --run-steps N") from error
    except UnitError as error:
        message = str(error).partition(" hint: ")[0]
        hint = "write the schedule of a run in updates, or in percent with --run-steps"
        raise UnitError(f"{message} hint: {hint}") from error


def _each(given: Sequence[_T] | None, runs: int, option: str) -> Sequence[_T | None]:
    """Return what was given for each run: nothing, the same, or one each."""
    if not given:
        return [None] * runs
    if len(given) not in (1, runs):
        message = f"once, or once for each of the {runs} runs; given {len(given)} times"
        raise typer.BadParameter(message, param_hint=option)
    return list(given) * (runs if len(given) == 1 else 1)


def fitted(curves: "Sequence[Curve]", weight_decay: float | None) -> "FittedLaw":
    """Fit a law, and say on stderr what the runs do not identify."""
    from stepsize.cli.screens import say
    from stepsize.planner.fitting import fit

    law = fit(curves, weight_decay=weight_decay)
    for one in law.diagnosis:
        say(f"note: {one}")
    return law


def doubt(name: str, doubts: Sequence[str]) -> None:
    """Say on stderr what sets a schedule apart from the runs seen."""
    from stepsize.cli.screens import say

    for one in doubts:
        say(f"note: {name}: {one}")


def bands(curves: "Mapping[str, PredictedCurve]", seen: "Sequence[Curve]") -> bytes:
    """Return a PNG of predicted curves with their intervals, over what was recorded.

    Args:
        curves: The predictions, by name.
        seen: The runs that the law was fitted to.

    Raises:
        FrameworkMissingError: matplotlib is not installed.
    """
    import io

    from stepsize.cli.figures import COLOURS, UPDATE

    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        message = "--png needs matplotlib. hint: pip install 'stepsize[plot]'"
        raise FrameworkMissingError(message) from error
    figure = Figure(figsize=(9, 4.8), dpi=120, layout="constrained")
    axes = figure.subplots()
    for index, (name, made) in enumerate(curves.items()):
        colour = COLOURS[index % len(COLOURS)]
        axes.plot(made.steps, made.mean, color=colour, linewidth=2, label=name)
        axes.fill_between(
            made.steps, made.low, made.high, color=colour, alpha=0.2, linewidth=0
        )
    for number, run in enumerate(seen):
        axes.plot(
            run.steps,
            run.losses,
            ".",
            color="#888888",
            markersize=2.5,
            zorder=0,
            label=None if number else "recorded",
        )
    # not as high as a run begins, where all schedules are alike
    tails = [(one, len(one.steps) // 10) for one in curves.values()]
    starts = [float(one.high[at]) for one, at in tails]
    lowest = min(float(one.low[at:].min()) for one, at in tails)
    top = max(*starts, *(float(run.losses[-1]) for run in seen))
    axes.set_ylim(lowest - 0.05 * (top - lowest), top + 0.05 * (top - lowest))
    axes.set_xlabel(UPDATE)
    axes.set_ylabel("loss, 90 % interval")
    axes.grid(visible=True, color="#dddddd", linewidth=0.8)
    axes.legend(frameon=False, fontsize=9)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()
