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
    fitted,
    predicted,
    read_runs,
)
from stepsize.cli.inputs import AsJson, Output, Total, horizon_of, read


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
    subjects = read(schedule, horizon_of(total_steps))
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
    from stepsize.cli import screens
    from stepsize.planner.best.ranking import rank, rates_of

    ranked = rank(law, resolved, steps=total_steps)
    drawn = []
    doubts: dict[str, list[str]] = {}
    for one in ranked:
        rates = rates_of(resolved[one.name], one.name, steps=total_steps)
        drawn.append((one.name, *predicted(law, rates, law.first)))
        doubts[one.name] = list(law.doubts(rates))
    for name, listed in doubts.items():
        for doubt in listed:
            screens.say(f"note: {name}: {doubt}")
    if png is not None:
        screens.write_file(png, bands(drawn, curves))
    if json:
        plain = {
            "law": law.to_dict(),
            "schedules": [
                {
                    **one._asdict(),
                    "schedule": str(resolved[one.name]),
                    "doubts": doubts[one.name],
                    "curve": {
                        "steps": steps.tolist(),
                        **{k: v.tolist() for k, v in made._asdict().items()},
                    },
                }
                for one, (_, steps, made) in zip(ranked, drawn, strict=True)
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
