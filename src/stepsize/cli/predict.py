"""`stepsize predict`: the loss of schedules before they are run."""

from typing import Annotated

import typer

from stepsize.cli.fitting import (
    LossColumn,
    Png,
    RateColumn,
    Runs,
    RunSchedule,
    RunSteps,
    StepColumn,
    WeightDecay,
    bands,
    doubt,
    fitted,
    read_runs,
)
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


def predict(  # noqa: PLR0917 - typer calls it by name
    runs: Runs,
    schedule: Annotated[
        list[str],
        typer.Option(
            "--schedule",
            "-s",
            metavar="EXPR|FILE",
            help="A schedule as text, NAME=EXPRESSION, or a recipe file; repeatable.",
        ),
    ],
    total_steps: Total = None,
    epochs: Epochs = None,
    steps_per_epoch: StepsPerEpoch = None,
    tokens_per_step: TokensPerStep = None,
    samples_per_step: SamplesPerStep = None,
    step: StepColumn = None,
    loss: LossColumn = None,
    rate: RateColumn = None,
    run_schedule: RunSchedule = None,
    run_steps: RunSteps = None,
    weight_decay: WeightDecay = None,
    png: Png = None,
    json: AsJson = False,
    output: Output = None,
) -> None:
    """Predict and rank the final losses of schedules from recorded runs.

    stepsize predict runs/*.csv -s '1e-3 * warmup(300) >> linear()' --total-steps 50000
    """
    if output is not None and not json:
        raise typer.BadParameter("needs --json", param_hint="--output")
    run = horizon_of(
        total_steps, epochs, steps_per_epoch, tokens_per_step, samples_per_step
    )
    subjects = read(schedule, run)
    from stepsize.cli import screens

    screens.check_writable(output, png)
    resolved = {one.label: one.resolve() for one in subjects}
    curves = read_runs(
        runs,
        step=step,
        loss=loss,
        rate=rate,
        run_schedule=run_schedule,
        run_steps=run_steps,
    )
    law = fitted(curves, weight_decay)
    from stepsize.planner.best.predicting import predict as curve_of
    from stepsize.planner.best.ranking import rank

    ranked = rank(law, resolved, steps=total_steps)
    drawn = {
        one.name: curve_of(law, resolved[one.name], steps=total_steps) for one in ranked
    }
    for name, made in drawn.items():
        doubt(name, made.doubts)
    if png is not None:
        screens.write_file(png, bands(drawn, curves))
    if json:
        plain = {
            "law": law.to_dict(),
            "schedules": [
                {
                    **one._asdict(),
                    "schedule": str(resolved[one.name]),
                    "doubts": made.doubts,
                    "curve": {
                        "steps": made.steps.tolist(),
                        "mean": made.mean.tolist(),
                        "low": made.low.tolist(),
                        "high": made.high.tolist(),
                    },
                }
                for one, made in zip(ranked, drawn.values(), strict=True)
            ],
        }
        screens.write_data(screens.to_json(plain), output)
        return
    table = screens.table(
        "schedule", "updates", "loss", "90 % interval", "p(best)", left=(0,)
    )
    for one in ranked:
        table.add_row(
            one.name,
            f"{one.steps}",
            f"{one.mean:.4f}",
            f"{one.low:.4f} to {one.high:.4f}",
            f"{one.p_best:.0%}",
        )
    screens.console().print(table)
