"""`stepsize scale`: a recipe file for another batch."""

from pathlib import Path
from typing import Annotated

import typer

from stepsize.cli.inputs import AsJson, Output
from stepsize.cli.steps import Accumulation, Batch, MicroBatch, WorldSize


def scale(  # noqa: PLR0917 - typer calls it by name
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="A recipe file, as stepsize.yaml.")
    ],
    batch: Batch = None,
    micro_batch: MicroBatch = None,
    accumulation: Accumulation = None,
    world_size: WorldSize = None,
    to_steps: Annotated[
        int | None,
        typer.Option("--to-steps", min=1, help="Scale the length, not the batch."),
    ] = None,
    from_batch: Annotated[
        float | None,
        typer.Option("--from-batch", help="The recipe's batch, if it does not say it."),
    ] = None,
    optimizer: Annotated[
        str | None, typer.Option(help="Its name, if the recipe does not say it.")
    ] = None,
    rule: Annotated[
        str,
        typer.Option(
            help="auto, linear, linear-sqrt, sqrt, adam, noise, surge or none."
        ),
    ] = "auto",
    noise_scale: Annotated[
        float | None, typer.Option(help="Measured gradient noise scale, in samples.")
    ] = None,
    keep: Annotated[
        str, typer.Option(help="What stays: samples, or updates.")
    ] = "samples",
    yaml: Annotated[
        Path | None, typer.Option("--yaml", metavar="FILE", help="Write the recipe.")
    ] = None,
    json: AsJson = False,
    output: Output = None,
) -> None:
    """Scale a recipe to another batch or length: what changes, why, what to doubt.

    The recipe file is not changed: --yaml FILE writes the new one.
    """
    if output is not None and not json:
        raise typer.BadParameter("needs --json", param_hint="--output")
    from stepsize.cli import screens
    from stepsize.planner.recipe_file import load_recipe
    from stepsize.planner.scaling import effective_batch, scale_horizon
    from stepsize.planner.scaling.scale import scale as scaled

    if to_steps is not None:
        if (batch, micro_batch, accumulation, world_size) != (None,) * 4:
            raise typer.BadParameter("goes without a batch", param_hint="--to-steps")
        if (from_batch, noise_scale, rule, keep) != (None, None, "auto", "samples"):
            raise typer.BadParameter(
                "goes without --from-batch, --rule, --noise-scale and --keep, which "
                "are of another batch",
                param_hint="--to-steps",
            )
        result = scale_horizon(
            load_recipe(file), to_steps=to_steps, optimizer=optimizer
        )
    else:
        if batch is None and micro_batch is None:
            raise typer.BadParameter("give --batch or --micro-batch, or --to-steps")
        result = scaled(
            load_recipe(file),
            to_batch=effective_batch(
                batch=batch,
                micro_batch=micro_batch,
                accumulation=accumulation,
                world_size=world_size,
            ),
            from_batch=from_batch,
            optimizer=optimizer,
            rule=rule,
            noise_scale=noise_scale,
            keep=keep,
        )
    text = screens.to_json(result.to_dict()) if json else f"{result}\n"
    screens.write_data(text, output)
    if yaml is not None:
        screens.say(f"wrote {result.recipe.save(yaml)}")
