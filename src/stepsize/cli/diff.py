"""`stepsize diff`: the largest difference of two schedules, and where it is."""

from typing import Annotated, Any

import typer

from stepsize.cli.inputs import (
    AsJson,
    Epochs,
    Output,
    SamplesPerStep,
    StepsPerEpoch,
    TokensPerStep,
    Total,
    horizon_of,
    read,
)
from stepsize.errors import InvalidScheduleError

_TWO = 2


def diff(  # noqa: PLR0917 - typer calls it by name
    first: Annotated[str, typer.Argument(metavar="A", help="Expression or file.")],
    second: Annotated[str, typer.Argument(metavar="B", help="Expression or file.")],
    total_steps: Total = None,
    epochs: Epochs = None,
    steps_per_epoch: StepsPerEpoch = None,
    tokens_per_step: TokensPerStep = None,
    samples_per_step: SamplesPerStep = None,
    of: Annotated[
        str, typer.Option(metavar="NAME", help="Which hyperparameter of a recipe file.")
    ] = "lr",
    tolerance: Annotated[
        float,
        typer.Option(min=0.0, help="What counts as equal, as a share of the peak."),
    ] = 1e-12,
    json: AsJson = False,
    output: Output = None,
) -> None:
    """Compare two schedules update by update.

    Exit status: 0 equal within the tolerance, 1 different (or an error), 2 wrong usage.
    """
    if output is not None and not json:
        raise typer.BadParameter("needs --json", param_hint="--output")
    if not tolerance < float("inf"):
        raise typer.BadParameter("must be a finite number", param_hint="--tolerance")
    run = horizon_of(
        total_steps, epochs, steps_per_epoch, tokens_per_step, samples_per_step
    )
    subjects = [read([text], run, of) for text in (first, second)]
    from stepsize.cli import screens
    from stepsize.cli.curves import curves_of
    from stepsize.cli.differences import compare

    if {len(one) for one in subjects} != {1}:
        screens.say(
            "note: only the first schedule of a file is compared, not its rules"
        )
    chosen = [one[0] for one in subjects]
    runs = {str(one.horizon) for one in chosen}
    if len(runs) > 1:
        screens.say(f"note: the runs differ: {', '.join(sorted(runs))}")
    if len({one.label for one in chosen}) < _TWO:
        chosen = [
            type(one)(f"{name}: {one.label}", one.schedule, one.horizon, one.recipe)
            for name, one in zip("AB", chosen, strict=True)
        ]
    curves = curves_of(chosen)
    found = compare(*curves)
    if found.peak == 0 and found.largest > 0:
        raise InvalidScheduleError("diff: the schedules have no peak")
    equal = found.largest <= tolerance * found.peak
    if json:
        content: dict[str, Any] = {
            "equal": equal,
            "tolerance": tolerance,
            "total_steps": curves[0].total,
            **found.to_dict(),
            "a": {"label": curves[0].label, "schedule": curves[0].text},
            "b": {"label": curves[1].label, "schedule": curves[1].text},
        }
        screens.write_data(screens.to_json(content), output)
    else:
        from stepsize.cli.differences import show

        show(curves, found, screens.console(), equal=equal, tolerance=tolerance)
    raise typer.Exit(0 if equal else 1)
