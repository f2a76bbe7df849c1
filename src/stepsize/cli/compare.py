"""`stepsize compare`: schedules against a tuned constant on one workload."""

from pathlib import Path
from typing import Annotated

import typer

from stepsize.cli.outputs import REPORT, RESULTS, Outputs
from stepsize.cli.texts import rates, schedules


def compare(  # noqa: PLR0917 - typer calls it by name
    subject: Annotated[
        str,
        typer.Argument(
            metavar="NAME_OR_SCRIPT",
            help="A workload (digits, mnist5k, charlm) or your function as "
            "my_script.py:train.",
        ),
    ],
    schedule_texts: Annotated[
        list[str] | None,
        typer.Option(
            "--schedules",
            metavar="NAME[=EXPRESSION],...",
            help="Arms beside the constant: constant, warmup_cosine, warmup_linear, "
            "wsd, one_cycle, step, or your own as 'long=warmup(\"20%\") >> cosine()'. "
            "May be repeated. Default: all named.",
        ),
    ] = None,
    total_steps: Annotated[
        int | None, typer.Option(min=1, help="Updates of every run.")
    ] = None,
    seeds: Annotated[
        int | None, typer.Option(min=1, max=1000, help="Seeds of every cell.")
    ] = None,
    lrs: Annotated[
        str | None,
        typer.Option(
            metavar="1e-3,3e-3,...", help="Peak rates, the same for every schedule."
        ),
    ] = None,
    default_lr: Annotated[
        float | None,
        typer.Option(help="A fixed rate at which schedules are compared besides."),
    ] = None,
    tuned: Annotated[
        bool,
        typer.Option(
            "--tuned",
            help="Only the rates found beforehand (workloads that have them).",
        ),
    ] = False,
    jobs: Annotated[
        int | None,
        typer.Option(min=1, help="Processes for your function. Default: one a core."),
    ] = None,
    json: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help=f"Where to write {RESULTS}."),
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help=f"Where to write {REPORT}."),
    ] = None,
) -> None:
    """Did it help? Train with schedules and without, under equal budgets.

    Every schedule and the constant get the same updates, the same grid of peak rates
    and the same seeds. Validation chooses each one's rate; test is read once, there.

    Your own function: train(schedule, *, total_steps, seed, policies=(), report) ->
    {"val": float, "test": float, "direction": "min" | "max", "updates": int}.
    """
    outputs = Outputs.check(json, report)
    wanted = schedules(schedule_texts)
    grid = rates(lrs, "--lrs")
    from stepsize.cli.running import Screen
    from stepsize.proof import ComparisonInterrupted
    from stepsize.proof import compare as run_comparison

    screen = Screen()
    try:
        with screen.running(subject):
            comparison = run_comparison(
                subject,
                schedules=wanted,
                total_steps=total_steps,
                seeds=seeds,
                lrs=grid,
                default_lr=default_lr,
                tuned=tuned,
                jobs=jobs,
                on_progress=screen.progress,
                on_failed_run=screen.failed_run,
            )
    except ComparisonInterrupted as stop:
        screen.interrupted(stop)
        if stop.comparison.runs:
            screen.say(f"They are in {outputs.save_results([stop.comparison])}")
        raise typer.Exit(130) from stop
    screen.show(comparison)
    screen.say_where(*outputs.save([comparison]))
