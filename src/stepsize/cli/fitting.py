"""What the commands of laws share: runs from files, the fit, bands as pictures."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stepsize.errors import FrameworkMissingError

if TYPE_CHECKING:
    from stepsize.planner.fitting.curve import Curve
    from stepsize.planner.fitting.fitted import FittedLaw

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
    str | None,
    typer.Option(
        metavar="EXPR", help="Schedule that the runs were made with, if not logged."
    ),
]
RunSteps = Annotated[
    int | None, typer.Option(min=1, help="Its updates, if it needs them.")
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
    run_schedule: str | None,
    run_steps: int | None,
) -> "list[Curve]":
    """Read runs from files.

    Raises:
        FitError: One cannot be read.
    """
    from stepsize.planner.records import read_run

    schedule = None
    if run_schedule is not None:
        from stepsize.cli.inputs import horizon_of, read

        schedule = read([run_schedule], horizon_of(run_steps))[0].resolve()
    return [
        read_run(path, schedule=schedule, step=step, loss=loss, rate=rate)
        for path in paths
    ]


def fitted(curves: "Sequence[Curve]", weight_decay: float | None) -> "FittedLaw":
    """Fit a law, and say on stderr what the runs do not identify."""
    from stepsize.cli.screens import say
    from stepsize.planner.fitting import fit

    law = fit(curves, weight_decay=weight_decay)
    for one in law.diagnosis:
        say(f"note: {one}")
    return law


def bands(
    curves: Sequence[tuple[str, Sequence[float], Sequence[Any]]],
) -> bytes:
    """Return a PNG of predicted curves with their intervals.

    Args:
        curves: Name, steps, and (mean, low, high) of each.

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
    for index, (name, steps, (mean, low, high)) in enumerate(curves):
        colour = COLOURS[index % len(COLOURS)]
        axes.plot(steps, mean, color=colour, linewidth=2, label=name)
        axes.fill_between(steps, low, high, color=colour, alpha=0.2, linewidth=0)
    axes.set_xlabel(UPDATE)
    axes.set_ylabel("loss, 90 % interval")
    axes.grid(visible=True, color="#dddddd", linewidth=0.8)
    axes.legend(frameon=False, fontsize=9)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()
