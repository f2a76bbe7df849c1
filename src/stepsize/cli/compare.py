"""`stepsize compare`: schedules against a tuned constant on one workload."""

import sys
from contextlib import redirect_stdout
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from stepsize.cli.outputs import REPORT, RESULTS, Outputs
from stepsize.cli.texts import rates, schedules
from stepsize.errors import ProofError

STORE = Path(".stepsize/compare")


class Engine(StrEnum):
    """What `--engine` takes."""

    AUTO = "auto"
    POPULATION = "population"
    PROCESSES = "processes"
    RAY = "ray"


def compare(  # noqa: PLR0917 - typer calls it by name
    subject: Annotated[
        str,
        typer.Argument(
            metavar="NAME_OR_SCRIPT",
            help="A workload (digits, mnist5k, letters, diamonds, finetune, charlm, "
            "kjv, fashion_resnet, fashion_cnn) or your function as my_script.py:train.",
        ),
    ],
    schedule_texts: Annotated[
        list[str] | None,
        typer.Option(
            "--schedules",
            metavar="NAME[=EXPRESSION],...",
            help="Arms beside the constant: warmup_cosine, warmup_linear, wsd, "
            "one_cycle, step (these are the default), constant_ema, exponential, "
            "polynomial, cosine, restarts2, restarts3, plateau; all for every one of "
            "them; the optimizers schedule_free, prodigy, dadapt, momo; or your own as "
            "'long=warmup(\"20%\") >> cosine()'. May be repeated.",
        ),
    ] = None,
    total_steps: Annotated[
        int | None, typer.Option(min=1, help="Updates of every run.")
    ] = None,
    seeds: Annotated[
        int | None, typer.Option(min=1, max=1000, help="Seeds of every cell.")
    ] = None,
    select_seeds: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=1000,
            help="Further seeds that rates are chosen by; those reported on then "
            "choose nothing. Default: the same seeds do both.",
        ),
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
    halving: Annotated[
        bool,
        typer.Option(
            "--halving",
            help="Find each schedule's rate by successive halving: short complete "
            "trainings drop its worse rates.",
        ),
    ] = False,
    engine: Annotated[
        Engine,
        typer.Option(
            help="Who trains: a workload's runs as one program, a process each, or "
            "tasks of a Ray cluster."
        ),
    ] = Engine.AUTO,
    jobs: Annotated[
        int | None,
        typer.Option(min=1, help="Processes at a time. Default: one a core."),
    ] = None,
    address: Annotated[
        str | None,
        typer.Option(
            metavar="HOST:PORT",
            help="Ray cluster to train on; auto for the one this machine is in. "
            "Default: Ray on this machine alone.",
        ),
    ] = None,
    store: Annotated[
        Path,
        typer.Option(
            metavar="DIR",
            file_okay=False,
            help="Where finished runs are kept: started again, a comparison makes only "
            "the others.",
        ),
    ] = STORE,
    fresh: Annotated[
        bool,
        typer.Option("--fresh", help="Make every run, also those that are stored."),
    ] = False,
    timing: Annotated[
        bool,
        typer.Option(
            "--timing",
            help="Time a workload's updates with each schedule and without; your "
            "function's are always timed.",
        ),
    ] = False,
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

    Finished runs are kept in --store, so that a comparison that was stopped goes on
    where it was, and a further schedule is all that is trained.

    Your own function: train(schedule, *, total_steps, seed, policies=(), report) ->
    {"val": float, "test": float, "direction": "min" | "max", "updates": int}.

    The status is 0 where there was something to compare, whoever won; 1 where no run of
    the constant counts (table and report are written), or no run at all.
    """
    outputs = Outputs.check(json, report)
    wanted = schedules(schedule_texts)
    grid = rates(lrs, "--lrs")
    from stepsize.cli.running import Screen
    from stepsize.proof import ComparisonInterrupted
    from stepsize.proof import compare as run_comparison
    from stepsize.proof.report.legend import costs

    screen = Screen()
    try:
        # stdout is for the table: Ray tells there of workers that were lost.
        with screen.running(subject), redirect_stdout(sys.stderr):
            comparison = run_comparison(
                subject,
                schedules=wanted,
                total_steps=total_steps,
                seeds=seeds,
                select_seeds=select_seeds,
                lrs=grid,
                default_lr=default_lr,
                tuned=tuned,
                halving=halving,
                engine=engine.value,
                jobs=jobs,
                address=address,
                store=store,
                fresh=fresh,
                timing=timing,
                on_progress=screen.progress,
                on_failed_run=screen.failed_run,
                on_stored=screen.stored,
            )
    except ComparisonInterrupted as stop:
        screen.interrupted(stop)
        if stop.comparison.runs:
            screen.say(f"They are in {outputs.save_results([stop.comparison])}")
        raise typer.Exit(130) from stop
    screen.show(comparison)
    for line in costs(comparison):
        screen.say(f"\n{line}")
    screen.say_where(*outputs.save([comparison]))
    if comparison.arms[0].test is None:
        raise ProofError(comparison.verdict[0])
