"""`stepsize show`: schedules drawn in the terminal, as a picture, a page, or values."""

from pathlib import Path
from typing import Annotated

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


def show(  # noqa: PLR0917 - typer calls it by name
    what: Annotated[
        list[str],
        typer.Argument(
            metavar="EXPR|FILE...",
            help="A schedule as text, NAME=EXPRESSION, or a recipe file. Several are "
            "drawn over each other.",
        ),
    ],
    total_steps: Total = None,
    epochs: Epochs = None,
    steps_per_epoch: StepsPerEpoch = None,
    tokens_per_step: TokensPerStep = None,
    samples_per_step: SamplesPerStep = None,
    of: Annotated[
        str, typer.Option(metavar="NAME", help="Which hyperparameter of a recipe file.")
    ] = "lr",
    json: AsJson = False,
    csv: Annotated[
        bool, typer.Option("--csv", help="Print the values as CSV.")
    ] = False,
    output: Output = None,
    png: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Draw a PNG there.")
    ] = None,
    svg: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Draw an SVG there.")
    ] = None,
    html: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write an interactive page there."),
    ] = None,
) -> None:
    """Draw schedules and list their key steps.

    stepsize show '3e-4 * warmup(500) >> cosine()' --total-steps 10000
    """
    if json and csv:
        raise typer.BadParameter("give --json or --csv, not both")
    if output is not None and not (json or csv):
        raise typer.BadParameter("needs --json or --csv", param_hint="--output")
    run = horizon_of(
        total_steps, epochs, steps_per_epoch, tokens_per_step, samples_per_step
    )
    subjects = read(what, run, of)
    from stepsize.cli import screens
    from stepsize.cli.curves import curves_of

    curves = curves_of(subjects)
    labels = ", ".join(curve.label for curve in curves)
    title = labels if len(curves) > 1 else "Schedule"
    for path, form in ((png, "png"), (svg, "svg")):
        if path is not None:
            from stepsize.cli.figures import picture

            screens.write_file(path, picture(curves, form))
    if html is not None:
        from stepsize.cli.figures import page

        screens.write_file(html, page(curves, title))
    if json:
        from stepsize.cli.listing import as_json

        screens.write_data(screens.to_json(as_json(curves)), output)
    elif csv:
        from stepsize.cli.listing import as_csv

        screens.write_data(as_csv(curves), output)
    elif png is None and svg is None and html is None:
        from stepsize.cli.listing import show_curves

        show_curves(curves, screens.console())
