"""`stepsize check`: the linter; its exit status is for CI."""

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stepsize.cli.inputs import (
    AsJson,
    Epochs,
    Output,
    SamplesPerStep,
    StepsPerEpoch,
    Subject,
    TokensPerStep,
    Total,
    horizon_of,
    read,
)

if TYPE_CHECKING:
    from stepsize.planner.findings import Finding


class FailOn(StrEnum):
    """The mildest severity that makes the exit status 1."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


def check(  # noqa: PLR0917 - typer calls it by name
    what: Annotated[
        list[str],
        typer.Argument(
            metavar="EXPR|FILE...",
            help="A schedule as text, NAME=EXPRESSION, or a recipe file.",
        ),
    ],
    total_steps: Total = None,
    epochs: Epochs = None,
    steps_per_epoch: StepsPerEpoch = None,
    tokens_per_step: TokensPerStep = None,
    samples_per_step: SamplesPerStep = None,
    optimizer: Annotated[
        str | None, typer.Option(help="Its name, as in AdamW: usual rates are known.")
    ] = None,
    batch_scale: Annotated[
        float | None,
        typer.Option(help="How many times larger the batch is than the rate's own."),
    ] = None,
    base_lr: Annotated[
        float | None, typer.Option(help="What the schedule multiplies, if a factor.")
    ] = None,
    ignore: Annotated[
        list[str] | None,
        typer.Option(metavar="CODE", help="Leave a code out; may be repeated."),
    ] = None,
    fail_on: Annotated[
        FailOn, typer.Option(help="The mildest severity that gives exit status 1.")
    ] = FailOn.WARNING,
    json: AsJson = False,
    output: Output = None,
) -> None:
    """Find what is wrong with a schedule before the run starts.

    Exit status: 0 nothing found, 1 something found (or an error), 2 wrong usage.
    """
    if output is not None and not json:
        raise typer.BadParameter("needs --json", param_hint="--output")
    run = horizon_of(
        total_steps, epochs, steps_per_epoch, tokens_per_step, samples_per_step
    )
    subjects = read(what, run)
    from stepsize.cli import screens
    from stepsize.planner.check import check as find

    results: list[tuple[Subject, tuple[Finding, ...]]] = []
    for one in subjects:
        said = one.recipe
        found = find(
            one.schedule,
            one.horizon,
            optimizer=optimizer or (said.optimizer if said else None),
            batch_scale=batch_scale or (said.batch_scale if said else None),
            base_lr=base_lr,
            ignore=(*(ignore or ()), *(said.ignore if said else ())),
        )
        results.append((one, found))
    everything = [one for _, found in results for one in found]
    worst = _worst(everything, fail_on)
    if json:
        content: dict[str, Any] = {
            "ok": not worst,
            "schedules": [
                {
                    "label": subject.label,
                    "schedule": str(subject.schedule),
                    "findings": [one.to_dict() for one in found],
                }
                for subject, found in results
            ],
        }
        screens.write_data(screens.to_json(content), output)
    else:
        _print(results)
    raise typer.Exit(1 if worst else 0)


def _worst(found: "list[Finding]", fail_on: FailOn) -> bool:
    from stepsize.planner.findings import SEVERITIES

    limit = SEVERITIES.index(fail_on.value)
    return any(SEVERITIES.index(one.severity) <= limit for one in found)


def _print(results: "list[tuple[Subject, tuple[Finding, ...]]]") -> None:
    import textwrap

    from rich.text import Text

    from stepsize.cli import screens

    out = screens.console()
    styles = {"error": "bold red", "warning": "yellow", "note": "cyan"}
    width = min(out.width, 100)
    for subject, found in results:
        if found or len(results) > 1:
            out.print(Text(subject.label, style="bold"))
        for one in found:
            head = f"{one.code} {one.severity}"
            body = textwrap.wrap(one.sentence, width - len(head) - 3)
            out.print(Text(f"  {head}", styles[one.severity]), Text(body[0]))
            indent = " " * 4
            for line in body[1:]:
                out.print(Text(indent + line))
            for line in textwrap.wrap(f"hint: {one.hint}", width - len(indent)):
                out.print(Text(indent + line, style="dim"))
    total = sum(len(found) for _, found in results)
    if total:
        noun = "finding" if total == 1 else "findings"
        screens.say(f"{total} {noun}; docs/check/CODE.md explains each code")
    else:
        screens.say("nothing found")
