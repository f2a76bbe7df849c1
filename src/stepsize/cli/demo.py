"""`stepsize demo`: the whole story on three data sets, in a few minutes."""

import time
from pathlib import Path
from typing import Annotated, Any

import typer

from stepsize.cli.outputs import REPORT, RESULTS, Outputs
from stepsize.errors import StepsizeError

PLAN: tuple[tuple[str, dict[str, Any]], ...] = (
    ("digits", {}),
    ("mnist5k", {}),
    # Its grid would take hours: few schedules, at the rates found beforehand.
    (
        "charlm",
        {"tuned": True, "seeds": 3, "schedules": ["warmup_cosine", "wsd"]},
    ),
)


def demo(
    json: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help=f"Where to write {RESULTS}."),
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help=f"Where to write {REPORT}."),
    ] = None,
) -> None:
    """Compare schedules on three real data sets and write a report (minutes).

    Digits and MNIST-5k in full; the language model at rates that were tuned
    beforehand, with few schedules and seeds.
    """
    outputs = Outputs.check(json, report)
    from stepsize.cli.running import Screen
    from stepsize.proof import Comparison, ComparisonInterrupted, compare

    screen, done = Screen(), list[Comparison]()
    started = time.perf_counter()
    for name, settings in PLAN:
        try:
            with screen.running(name):
                comparison = compare(
                    name,
                    on_progress=screen.progress,
                    on_failed_run=screen.failed_run,
                    **settings,
                )
        except ComparisonInterrupted as stop:
            screen.say(f"interrupted while training on {name}")
            if done:
                screen.say_where(*outputs.save(done))
            raise typer.Exit(130) from stop
        except StepsizeError:
            if done:  # what was trained is not lost
                screen.say_where(*outputs.save(done))
            raise
        screen.show(comparison)
        screen.out.print()
        done.append(comparison)
    seconds = time.perf_counter() - started
    screen.say(f"{len(done)} comparisons in {seconds:.0f} s.")
    screen.say_where(*outputs.save(done))
