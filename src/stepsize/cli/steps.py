"""`stepsize steps`: from data, batch and ranks to updates, for every framework."""

from typing import Annotated

import typer

from stepsize.cli.inputs import AsJson, Output

Batch = Annotated[
    int | None,
    typer.Option("--batch", min=1, help="Samples in an update, over all ranks."),
]
MicroBatch = Annotated[
    int | None,
    typer.Option("--micro-batch", min=1, help="Samples in a pass of one rank."),
]
Accumulation = Annotated[
    int | None, typer.Option("--accumulation", min=1, help="Micro-batches an update.")
]
WorldSize = Annotated[
    int | None, typer.Option("--world-size", min=1, help="Ranks (GPUs).")
]


def steps(  # noqa: PLR0917 - typer calls it by name
    dataset_size: Annotated[
        int, typer.Option("--dataset-size", min=1, help="Samples in the training set.")
    ],
    epochs: Annotated[
        float | None, typer.Option("--epochs", help="Passes over the data.")
    ] = None,
    total_steps: Annotated[
        int | None, typer.Option("--total-steps", min=1, help="Updates, or --epochs.")
    ] = None,
    batch: Batch = None,
    micro_batch: MicroBatch = None,
    accumulation: Accumulation = None,
    world_size: WorldSize = None,
    tokens_per_sample: Annotated[
        float | None, typer.Option("--tokens-per-sample", help="Tokens in a sample.")
    ] = None,
    warmup: Annotated[
        str | None, typer.Option("--warmup", help='As in "5%" or "2 epochs" or 500.')
    ] = None,
    drop_last: Annotated[
        bool, typer.Option("--drop-last", help="Incomplete micro-batches are dropped.")
    ] = False,
    json: AsJson = False,
    output: Output = None,
) -> None:
    """Plan a run: data, batch, accumulation and GPUs to updates, warmup and tokens.

    Prints what each framework must be told, in its own words.
    """
    if output is not None and not json:
        raise typer.BadParameter("needs --json", param_hint="--output")
    from stepsize.cli import screens
    from stepsize.planner.scaling.steps import plan_steps

    plan = plan_steps(
        dataset_size=dataset_size,
        epochs=epochs,
        steps=total_steps,
        batch=batch,
        micro_batch=micro_batch,
        accumulation=accumulation or 1,
        world_size=world_size or 1,
        tokens_per_sample=tokens_per_sample,
        warmup=_length(warmup),
        drop_last=drop_last,
    )
    text = screens.to_json(plan.to_dict()) if json else f"{plan}\n"
    screens.write_data(text, output)


def _length(text: str | None) -> int | str | None:
    return int(text) if text is not None and text.isdecimal() else text
