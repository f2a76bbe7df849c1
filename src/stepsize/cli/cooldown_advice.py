"""`stepsize cooldown-advice`: start the cooldown now, or later?"""

from typing import Annotated

import typer

from stepsize.cli.fitting import (
    LossColumn,
    Png,
    RateColumn,
    RunSchedule,
    RunSteps,
    StepColumn,
    WeightDecay,
    bands,
    doubt,
    fitted,
    read_runs,
)
from stepsize.cli.inputs import AsJson, Output, Total


def cooldown_advice(  # noqa: PLR0917 - typer calls it by name
    run: Annotated[
        str, typer.Argument(metavar="RUN", help="The run so far; as for predict.")
    ],
    others: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[OTHER...]", help="Other runs of the model, one with a decay."
        ),
    ] = None,
    total_steps: Total = None,
    shape: Annotated[str, typer.Option(help="Of the cooldown.")] = "linear",
    step: StepColumn = None,
    loss: LossColumn = None,
    rate: RateColumn = None,
    run_schedule: RunSchedule = None,
    run_steps: RunSteps = None,
    weight_decay: WeightDecay = None,
    updates_per_hour: Annotated[
        float | None, typer.Option(min=1, help="What waiting is counted in.")
    ] = None,
    png: Png = None,
    json: AsJson = False,
    output: Output = None,
) -> None:
    """Predict what a cooldown from now would give, and what waiting is worth.

    stepsize cooldown-advice run.csv probe.csv --total-steps 50000
    """
    if output is not None and not json:
        raise typer.BadParameter("needs --json", param_hint="--output")
    from stepsize.cli import screens

    screens.check_writable(output, png)
    curves = read_runs(
        [run, *(others or [])],
        step=step,
        loss=loss,
        rate=rate,
        run_schedule=run_schedule,
        run_steps=run_steps,
    )
    law = fitted(curves, weight_decay)
    from stepsize.planner.best import cooldown
    from stepsize.planner.best.predicting import predicted

    rates = curves[0].rates[: int(curves[0].steps[-1])]
    notes = list(law.diagnosis)
    now, peak = float(rates[-1]), float(rates.max())
    if now < cooldown.SEEN * peak:
        notes.append(
            f"the rate is at {now:.3g}, {now / peak:.0%} of its peak: this run cools "
            "down already, and what is told here starts from there"
        )
        screens.say(f"note: {notes[-1]}")
    advice = cooldown.cooldown_advice(law, rates, total_steps=total_steps, shape=shape)
    if advice.best_start is not None and total_steps is not None:
        held, left = advice.best_start - advice.made, total_steps - advice.best_start
        doubts = law.doubts(cooldown.continued(rates, held, left, shape))
        doubt(f"of {total_steps} updates", doubts)
        notes += doubts
    if png is not None:
        drawn = {
            f"over {one.updates} updates": predicted(
                law, cooldown.continued(rates, 0, one.updates, shape), advice.made
            )
            for one in advice.starts
        }
        screens.write_file(png, bands(drawn, curves))
    if json:
        plain = advice._asdict() | {"starts": [one._asdict() for one in advice.starts]}
        screens.write_data(screens.to_json(plain | {"notes": notes}), output)
        return
    out = screens.console()
    out.print(f"{curves[0].name}: {advice.made} updates made")
    waited = "1000 updates" if updates_per_hour is None else "an hour"
    table = screens.table(
        "cooldown from now", "loss", "90 % interval", f"worth of {waited} more"
    )
    for one in advice.starts:
        table.add_row(
            f"{one.updates}",
            f"{one.mean:.4f}",
            f"{one.low:.4f} to {one.high:.4f}",
            f"{(updates_per_hour or 1000) * one.worth:.4f}",
        )
    out.print(table)
    if advice.best_start is not None and advice.best_loss is not None:
        out.print(
            f"of {total_steps} updates: start at {advice.best_start}, over "
            f"{(total_steps or 0) - advice.best_start}, for {advice.best_loss:.4f}"
        )
    if not advice.identifiable:
        out.print("not identifiable yet: no run given has a decay")
