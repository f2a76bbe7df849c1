"""`stepsize plan`: the schedule with the lowest predicted loss."""

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
from stepsize.cli.inputs import AsJson, Output

_SHOWN = 5


def plan(  # noqa: PLR0917 - typer calls it by name
    runs: Runs,
    steps: Annotated[int, typer.Option("--steps", min=16, help="Updates of the run.")],
    peak_lr: Annotated[
        float | None, typer.Option(help="Highest rate; the best of those seen.")
    ] = None,
    warmup: Annotated[
        int | None, typer.Option(min=0, help="Its updates; the shortest seen.")
    ] = None,
    floor: Annotated[
        float, typer.Option(help="Lowest rate, as a share of the peak.")
    ] = 0.0,
    max_slope: Annotated[
        float | None,
        typer.Option(help="Steepest fall, in peaks per run after its warmup."),
    ] = None,
    monotone: Annotated[
        bool, typer.Option(help="Whether the rate may only fall after the warmup.")
    ] = True,
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
    """Find the best schedule for a budget, and what a simpler one would cost.

    stepsize plan runs/*.csv --steps 72000
    """
    if output is not None and not json:
        raise typer.BadParameter("needs --json", param_hint="--output")
    from stepsize.cli import screens

    screens.check_writable(output, png)
    curves = read_runs(
        runs,
        step=step,
        loss=loss,
        rate=rate,
        run_schedule=run_schedule,
        run_steps=run_steps,
    )
    law = fitted(curves, weight_decay)
    from stepsize.planner.best.predicting import predict

    if warmup is None and law.shortest_warmup == 0:
        screens.say(
            "note: no warmup was seen, so the plan has none: say --warmup if it "
            "needs one"
        )
    found = law.optimum(
        steps=steps,
        peak_lr=peak_lr,
        warmup=warmup,
        floor=floor,
        monotone=monotone,
        max_slope=max_slope,
    )
    made = predict(law, found.schedule, steps=steps)
    doubt("optimum", made.doubts)
    if png is not None:
        simple = predict(law, found.simple.schedule, steps=steps)
        drawn = {"optimum": made, found.simple.name: simple}
        screens.write_file(png, bands(drawn, curves))
    if json:
        plain = {
            "schedule": str(found.schedule),
            "steps": found.steps,
            "loss": found.loss,
            "low": float(made.low[-1]),
            "high": float(made.high[-1]),
            "doubts": made.doubts,
            "simple": str(found.simple.schedule),
            "cost_of_simplicity": found.cost_of_simplicity,
            "named": [
                {"name": one.name, "schedule": str(one.schedule), "loss": one.loss}
                for one in found.tried
            ],
            "law": law.to_dict(),
        }
        screens.write_data(screens.to_json(plain), output)
        return
    table = screens.table("schedule", "predicted loss", left=(0,))
    table.add_row("optimum", f"{found.loss:.4f}")
    for one in found.tried[:_SHOWN]:
        table.add_row(one.name, f"{one.loss:.4f}")
    out = screens.console()
    out.print(table)
    out.print(f"optimum: {found.schedule}")
    out.print(
        f"         90 % interval {made.low[-1]:.4f} to {made.high[-1]:.4f}\n"
        f"simple:  {found.simple.schedule}\n"
        f"         predicted {found.cost_of_simplicity:.4f} above the optimum"
    )
