"""`stepsize audit`: who changed what in a run, when, and why."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stepsize.cli.inputs import AsJson, Output

if TYPE_CHECKING:
    from stepsize.ledger.audit import Row

RunPlace = Annotated[
    str,
    typer.Argument(
        metavar="RUN", help="The run's folder, or the address of a database#run."
    ),
]


def audit(  # noqa: PLR0917 - typer calls it by name
    run: RunPlace,
    everything: Annotated[
        bool, typer.Option("--all", help="Answers, specs and notes too.")
    ] = False,
    json: AsJson = False,
    markdown: Annotated[
        bool, typer.Option("--markdown", help="Print Markdown.")
    ] = False,
    record: Annotated[
        bool,
        typer.Option(
            "--record",
            help="Print the training record: a document for the model's file, in "
            "Markdown.",
        ),
    ] = False,
    html: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write a page there; of --record, too."),
    ] = None,
    output: Output = None,
) -> None:
    """Show every change of a run's rates: when, by whom, why, and what came of it.

    stepsize audit runs/7
    """
    if json + markdown + record > 1:
        raise typer.BadParameter("give one of --json, --markdown and --record")
    if output is not None and not (json or markdown or record):
        raise typer.BadParameter(
            "needs --json, --markdown or --record", param_hint="--output"
        )
    from stepsize.cli import audit_pages, screens
    from stepsize.ledger.audit import rows
    from stepsize.ledger.history import History
    from stepsize.ledger.places import existing, name_of

    store = existing(run)
    history = History(store.read())
    name = history.run.run if history.run is not None else name_of(store)
    if record:
        from stepsize.ledger.training_record import training_record
        from stepsize.ledger.verify import verify

        verified = verify(store)
        if html is not None:
            page = audit_pages.of_record(name, history, verified)
            screens.write_file(html, page.encode())
        if html is None or output is not None:
            text = training_record(name, history, verified)
            screens.write_data(text, output)
        return
    shown = [row for row in rows(history) if everything or _is_change(row)]
    if html is not None:
        told = f"{history.n} records, {history.update} updates"
        table = [_cells(row) for row in shown]
        page = audit_pages.of_changes(name, told, _HEADERS, table)
        screens.write_file(html, page.encode())
    if json:
        from dataclasses import asdict

        content = {
            "run": name,
            "updates": history.update,
            "records": history.n,
            "rows": [asdict(row) for row in shown],
        }
        screens.write_data(screens.to_json(content), output)
    elif markdown:
        screens.write_data(_markdown(name, shown), output)
    elif html is None:
        _print(shown)
        screens.say(f"{name}: {history.n} records, {history.update} updates")


def _is_change(row: "Row") -> bool:
    return row.what != "spec" and not row.what.startswith(("applied", "note"))


def _cells(row: "Row") -> list[str]:
    effect = ""
    if row.before is not None and row.after is not None:
        effect = f"{row.before:.4g} -> {row.after:.4g}"
    what = f"{row.what} (late)" if row.late else row.what
    update = "" if row.update is None else str(row.update)
    return [row.time, update, row.who, what, effect, row.why]


_HEADERS = ("time", "update", "who", "what", "rate", "why")


def _print(shown: "list[Row]") -> None:
    from rich.text import Text

    from stepsize.cli import screens

    # what belongs together in one column, so that 80 columns are enough
    table = screens.table("update", "when, who", "what, why", "rate", left=(1, 2))
    for row in shown:
        when, update, who, what, effect, why = _cells(row)
        both = (
            Text(f"{one}\n{more}".rstrip()) for one, more in ((when, who), (what, why))
        )
        table.add_row(update, *both, effect)
    screens.console().print(table)


def _markdown(name: str, shown: "list[Row]") -> str:
    from stepsize.ledger.training_record import plain

    lines = [
        f"# Changes of run {plain(name)}",
        "",
        f"| {' | '.join(_HEADERS)} |",
        f"|{' --- |' * len(_HEADERS)}",
    ]
    for row in shown:
        lines.append(f"| {' | '.join(plain(one) for one in _cells(row))} |")
    return "\n".join(lines) + "\n"
