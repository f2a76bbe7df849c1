"""`stepsize report`: what came of the runs below a folder, in a team's numbers."""

import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stepsize.cli.inputs import AsJson, Output
from stepsize.cli.runs import Folder
from stepsize.cli.steer import seconds_of

if TYPE_CHECKING:
    from stepsize.ledger.outcomes import Outcome

_ROWS = (
    ("runs", "runs", "{}"),
    ("diverged_share", "diverged", "{:.0%}"),
    ("updates", "updates made", "{}"),
    ("wasted_updates", "  of diverged runs, or made again", "{}"),
    ("wasted_share", "  as a share", "{:.1%}"),
    ("median_tuned_seconds", "median time to the tuned rate (s)", "{:.0f}"),
    ("changes_per_run", "changes of the rate per run", "{:.1f}"),
    ("commands_applied", "commands applied", "{}"),
    ("commands_refused", "commands refused", "{}"),
    ("changes_better", "changes by people: the loss fell faster after", "{}"),
    ("changes_worse", "changes by people: it did not", "{}"),
)


def report(
    folder: Folder = ".",
    since: Annotated[
        str, typer.Option(help="Runs with a record in this time: 12h, 30d.")
    ] = "30d",
    json: AsJson = False,
    output: Output = None,
) -> None:
    """Count what came of runs: divergence, waste, changes and their effect, seeds.

    stepsize report experiments --since 30d
    """
    if output is not None and not json:
        raise typer.BadParameter("needs --json", param_hint="--output")
    from stepsize.cli import screens
    from stepsize.errors import StepsizeError
    from stepsize.ledger.outcomes import outcome, summary
    from stepsize.ledger.places import name_of, stores_below
    from stepsize.ledger.sql_store import without_password

    start = time.time() - seconds_of(since, "--since")
    found: list[Outcome] = []
    broken = 0
    for place, store in stores_below(folder):
        try:
            one = outcome(store, name_of(store))
        except StepsizeError as error:
            broken += 1
            screens.say(f"{without_password(place)}: {error}")
            continue
        if one is not None and one.ended >= start:
            found.append(one)
    numbers = summary(found)
    if json:
        content = {"since": since, **numbers, "each": [asdict(one) for one in found]}
        screens.write_data(screens.to_json(content), output)
    else:
        _print(numbers)
    if broken:
        said = "1 run" if broken == 1 else f"{broken} runs"
        screens.say(f"left out: {said} that cannot be read")
        raise typer.Exit(1)


def _print(numbers: dict[str, Any]) -> None:
    from rich.text import Text

    from stepsize.cli import screens

    table = screens.table("what", "number", left=(0,))
    for key, words, form in _ROWS:
        value = numbers[key]
        table.add_row(words, "unknown" if value is None else form.format(value))
    for who, count in sorted(numbers["changes"].items()):
        table.add_row(Text(f"changes by {who}"), str(count))
    for one in numbers["seeds"]:
        words = f"last loss of {one['runs']} alike runs: {one['group']}"
        table.add_row(Text(words), f"{one['mean']:.4g} +- {one['deviation']:.2g}")
    screens.console().print(table)
