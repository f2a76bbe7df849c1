"""`stepsize replay`: the rates of a run again, from its records alone."""

from typing import Annotated

import typer

from stepsize.cli.audit import RunPlace
from stepsize.cli.inputs import AsJson, Output
from stepsize.errors import LedgerError, describe


def replay(  # noqa: PLR0917 - typer calls it by name
    run: RunPlace,
    first: Annotated[int, typer.Option("--from", min=0, help="The first update.")] = 0,
    last: Annotated[
        int | None,
        typer.Option(
            "--to", min=0, help="The last one; beyond the present: as planned."
        ),
    ] = None,
    every: Annotated[int, typer.Option(min=1, help="Updates between two rows.")] = 1,
    of: Annotated[
        str, typer.Option(metavar="NAME", help="Which hyperparameter.")
    ] = "lr",
    json: AsJson = False,
    output: Output = None,
) -> None:
    """Print the rate of every update, as it follows from the spec and the events.

    stepsize replay runs/7 --every 100
    """
    from stepsize.cli import screens
    from stepsize.ledger.history import History
    from stepsize.ledger.places import existing

    history = History(existing(run).read())
    rates = history.rates()
    if of not in rates.paths:
        rule = f"be one of {', '.join(rates.paths)}"
        raise LedgerError(describe("--of", rule, of))
    end = max(history.update - 1, 0) if last is None else last
    if first > end:
        rule = f"be at most {end}, the last one (unit: updates)"
        hint = "--to goes beyond what was made"
        raise LedgerError(describe("--from", rule, first, hint=hint))
    updates = range(first, end + 1, every)
    groups = rates.spec.groups
    table = [(u, rates.at(u, of)) for u in updates]
    if json:
        content = {
            "hyperparameter": of,
            "groups": list(groups),
            "updates": [u for u, _ in table],
            "values": [list(row) for _, row in table],
        }
        screens.write_data(screens.to_json(content), output)
        return
    import csv
    import io

    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["update", *(f"{of}/{name}" for name in groups)])
    for u, row in table:
        writer.writerow([u, *("" if one is None else repr(one) for one in row)])
    screens.write_data(text.getvalue(), output)
