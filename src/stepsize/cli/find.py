"""`stepsize find`: the rate of a training, or what a recorded ramp says of it."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stepsize.cli.inputs import AsJson, Output

if TYPE_CHECKING:
    from stepsize.finder import Found

STEPS = 500


def find(  # noqa: PLR0917 - typer calls it by name
    script: Annotated[
        str | None,
        typer.Argument(
            metavar="SCRIPT",
            help="Your function as my_script.py:setup; it returns a dict with model, "
            "optimizer, loss_fn and batches.",
        ),
    ] = None,
    curve: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Read a recorded ramp instead: CSV with the columns lr and loss.",
        ),
    ] = None,
    steps: Annotated[
        int | None, typer.Option(min=1, help=f"Most updates to make. Default: {STEPS}.")
    ] = None,
    fast: Annotated[
        bool, typer.Option("--fast", help="At most 100 updates: one ramp, no probes.")
    ] = False,
    seed: Annotated[
        int | None, typer.Option(help="Of batches and dropout. Default: 0.")
    ] = None,
    total_steps: Annotated[
        int | None,
        typer.Option(min=1, help="Updates of the training that the rate is for."),
    ] = None,
    cache: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Look there first, and keep the result."),
    ] = None,
    json: AsJson = False,
    output: Output = None,
    png: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Draw a PNG there.")
    ] = None,
    html: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write an interactive page there."),
    ] = None,
) -> None:
    """Find the learning rate, say how sure that is, and draw the evidence.

    setup() -> {"model": ..., "optimizer": ..., "loss_fn": ..., "batches": ...}, and
    what else find_lr takes: accumulate, clip, scaler, autocast, device, data, horizon,
    validation, pretrained. Exit status 1 if no rate can be suggested.
    """
    if (script is None) == (curve is None):
        raise typer.BadParameter("give my_script.py:setup, or --curve FILE")
    if output is not None and not json:
        raise typer.BadParameter("needs --json", param_hint="--output")
    from stepsize.cli import screens

    if curve is not None:
        if fast or any(one is not None for one in (steps, seed, total_steps, cache)):
            raise typer.BadParameter(
                "takes no options of a search", param_hint="--curve"
            )
        from stepsize.cli.find_inputs import read_curve

        lrs, losses = read_curve(curve)
        from stepsize.finder import analyse

        found, title = analyse(lrs, losses), curve.name
    else:
        from stepsize.cli.find_running import search

        screens.check_writable(output, png, html)
        title = str(script)
        found = search(
            title,
            steps=STEPS if steps is None else steps,
            fast=fast,
            seed=seed or 0,
            horizon=total_steps,
            cache=cache,
        )
    _show(found, title, png, html)
    if json:
        screens.write_data(screens.to_json(found.to_dict()), output)
    else:
        from stepsize.cli.find_drawing import show_found

        show_found(found, title, screens.console())
    if found.suggestion is None:
        raise typer.Exit(1)


def _show(found: "Found", title: str, png: Path | None, html: Path | None) -> None:
    if png is None and html is None:
        return
    from stepsize.cli import find_figures, screens

    if png is not None:
        screens.write_file(png, find_figures.picture(found, title))
    if html is not None:
        screens.write_file(html, find_figures.page(found, title))
