"""`stepsize verify`: whether a run's records are whole, unchanged and consistent."""

from typing import Annotated

import typer

from stepsize.cli.audit import RunPlace
from stepsize.cli.inputs import AsJson


def verify(
    run: RunPlace,
    head: Annotated[
        str | None,
        typer.Option(
            metavar="DIGEST",
            help="A digest that was printed before and kept elsewhere: shows whether "
            "all of the file was written anew.",
        ),
    ] = None,
    json: AsJson = False,
) -> None:
    """Look for edits, gaps, and rates that do not follow from spec and events.

    stepsize verify runs/7
    """
    from dataclasses import asdict

    from stepsize.cli import screens
    from stepsize.ledger.places import existing
    from stepsize.ledger.verify import verify as verified

    found = verified(existing(run), head)
    if json:
        content = {**asdict(found), "sound": found.sound}
        screens.write_data(screens.to_json(content), None)
    else:
        from rich.text import Text

        if found.findings:
            table = screens.table("line", "code", "what", left=(1, 2))
            for one in found.findings:
                table.add_row(str(one.line), one.code, Text(one.text))
            screens.console().print(table)
        if found.count > len(found.findings):
            screens.say(f"and {found.count - len(found.findings)} more")
    many = "1 finding" if found.count == 1 else f"{found.count} findings"
    said = "nothing is wrong" if found.sound else many
    screens.say(f"{said}: {found.records} records, {found.rates} rates compared")
    if found.rounded:
        screens.say(
            f"{found.rounded} records of rates differ in their last bits only: another "
            "machine rounds in another way"
        )
    screens.say(f"head: {found.head}")
    if not found.sound:
        raise typer.Exit(1)
