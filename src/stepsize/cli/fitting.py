"""What the commands of laws share: runs from files, the fit, bands as pictures."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from stepsize.errors import FrameworkMissingError

if TYPE_CHECKING:
    from stepsize.planner.fitting.curve import Curve
    from stepsize.planner.fitting.fitted import FittedLaw, Prediction
    from stepsize.planner.laws.law import Floats, Ints

_T = TypeVar("_T")
_POINTS = 60
"""Points of a predicted curve."""

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
    from stepsize.cli.inputs import horizon_of, read
    from stepsize.planner import records

    texts = _each(run_schedule, len(paths), "--run-schedule")
    lengths = _each(run_steps, len(paths), "--run-steps")
    schedules = [
        None if text is None else read([text], horizon_of(length))[0].resolve()
        for text, length in zip(texts, lengths, strict=True)
    ]
    return records.read_runs(
        paths, schedules=schedules, step=step, loss=loss, rate=rate
    )


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


def bands(
    curves: "Sequence[tuple[str, Ints, Prediction]]", seen: "Sequence[Curve]"
) -> bytes:
    """Return a PNG of predicted curves with their intervals, over what was recorded.

    Args:
        curves: Name, steps, and the prediction there of each.
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
    for index, (name, steps, (mean, low, high)) in enumerate(curves):
        colour = COLOURS[index % len(COLOURS)]
        axes.plot(steps, mean, color=colour, linewidth=2, label=name)
        axes.fill_between(steps, low, high, color=colour, alpha=0.2, linewidth=0)
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
    tenth = [len(steps) // 10 for _, steps, _ in curves]
    shown = [made for _, _, made in curves]
    starts = [float(one.high[at]) for at, one in zip(tenth, shown, strict=True)]
    lowest = min(
        float(one.low[at:].min()) for at, one in zip(tenth, shown, strict=True)
    )
    top = max(*starts, *(float(run.losses[-1]) for run in seen))
    axes.set_ylim(lowest - 0.05 * (top - lowest), top + 0.05 * (top - lowest))
    axes.set_xlabel(UPDATE)
    axes.set_ylabel("loss, 90 % interval")
    axes.grid(visible=True, color="#dddddd", linewidth=0.8)
    axes.legend(frameon=False, fontsize=9)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()


def predicted(
    law: "FittedLaw", rates: "Floats", first: int
) -> "tuple[Ints, Prediction]":
    """Return some sixty steps of a run after its warmup, and its losses there."""
    import numpy as np

    from stepsize.planner.fitting.screening import warmup_end

    last = len(rates)
    begin = min(max(first, warmup_end(rates)), last - 1)
    steps = np.unique(np.linspace(begin, last, _POINTS).astype(np.int64))
    return steps, law.predict(rates, steps)
