"""`stepsize demo`: the whole story on three data sets, in a few minutes."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stepsize.cli.outputs import REPORT, RESULTS, Outputs
from stepsize.errors import StepsizeError

if TYPE_CHECKING:
    from stepsize.finder import Found

PLAN: tuple[tuple[str, dict[str, Any]], ...] = (
    ("digits", {}),
    ("mnist5k", {}),
    # Its grid would take hours: few schedules, at the rates found beforehand.
    (
        "charlm",
        {"tuned": True, "seeds": 3, "schedules": ["warmup_cosine", "wsd"]},
    ),
)
_BATCHES = 28  # of the finder: an epoch of digits


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
    """Find a rate, compare schedules on three real data sets, write a report (minutes).

    Digits and MNIST-5k in full; the language model at rates that were tuned
    beforehand, with few schedules and seeds.
    """
    outputs = Outputs.check(json, report)
    from stepsize.cli.find_drawing import show_found
    from stepsize.cli.running import Screen
    from stepsize.proof import Comparison, ComparisonInterrupted, compare

    screen, done = Screen(), list[Comparison]()
    started = time.perf_counter()
    screen.say("finding the rate of digits, then comparing schedules")
    show_found(found(), "digits", screen.out)
    screen.out.print()
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


def found() -> "Found":
    """Find the peak rate of the smallest workload, in a second or two."""
    import torch
    from torch.nn.functional import cross_entropy

    from stepsize.adapters.torch.finder import find_lr
    from stepsize.proof.workloads import load

    workload = load("digits")
    model = workload.network()
    model.reset(torch.Generator().manual_seed(0))
    optimizer = torch.optim.SGD(
        model.parameters(),
        lr=workload.default_lr,
        momentum=workload.momentum,
        weight_decay=workload.weight_decay,
    )
    size = workload.batch_size
    numbers = workload.examples.training(0, _BATCHES, size)
    batches = [workload.examples.read(index, torch.float32) for index in numbers]
    horizon = workload.total_steps
    return find_lr(model, optimizer, cross_entropy, batches, horizon=horizon)
