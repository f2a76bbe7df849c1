"""`stepsize runs`: the runs below a folder, and where each stands."""

import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated, final

import typer

from stepsize.cli.inputs import AsJson, Output

if TYPE_CHECKING:
    from stepsize.ledger.glance import Glance


@final
@dataclass(frozen=True, slots=True)
class _Line:
    """What is said of a run."""

    run: str
    place: str
    state: str
    update: int
    total: int | None
    rate: float | None
    loss: float | None
    changes: int
    silent_seconds: float | None


Folder = Annotated[
    str,
    typer.Argument(
        metavar="FOLDER", help="Where to look for runs; or the address of a database."
    ),
]


def runs(
    folder: Folder = ".",
    json: AsJson = False,
    prometheus: Annotated[
        bool,
        typer.Option("--prometheus", help="Print the text that Prometheus reads."),
    ] = False,
    output: Output = None,
) -> None:
    """List the runs below a folder: where each stands, and how often it was changed.

    stepsize runs experiments
    """
    if json and prometheus:
        raise typer.BadParameter("give --json or --prometheus, not both")
    if output is not None and not (json or prometheus):
        raise typer.BadParameter("needs --json or --prometheus", param_hint="--output")
    from stepsize.cli import screens
    from stepsize.errors import StepsizeError
    from stepsize.ledger.following import Follower
    from stepsize.ledger.glance import of_history
    from stepsize.ledger.history import History
    from stepsize.ledger.places import name_of, stores_below
    from stepsize.ledger.sql_store import without_password

    found: list[_Line] = []
    histories: list[tuple[str, str, History]] = []
    broken = 0
    for place, store in stores_below(folder):
        shown = without_password(place)
        try:
            history = History(Follower(store, metrics=False).entries())
            found.append(_line(shown, of_history(history, name_of(store))))
            histories.append((found[-1].run, shown, history))
        except StepsizeError as error:
            broken += 1
            screens.say(f"{shown}: {error}")
    if json:
        plain = [asdict(one) for one in found]
        screens.write_data(screens.to_json(plain), output)
    elif prometheus:
        from stepsize.ledger.prometheus import exposition

        screens.write_data(exposition(histories), output)
    elif found:
        _print(found)
    if not found and not broken:
        screens.say(f"no runs below {folder!r}")
    if broken:
        raise typer.Exit(1)


def _line(place: str, seen: "Glance") -> _Line:
    silent = None if seen.time is None else max(time.time() - seen.time, 0.0)
    return _Line(
        run=seen.name,
        place=place,
        state=seen.state,
        update=seen.update,
        total=seen.total,
        rate=seen.rate,
        loss=seen.loss,
        changes=seen.changes or 0,
        silent_seconds=silent,
    )


def _print(found: list[_Line]) -> None:
    from rich.text import Text

    from stepsize.cli import screens

    table = screens.table(
        "run",
        "state",
        "update",
        "of",
        "rate",
        "loss",
        "changes",
        "place",
        left=(0, 1, 7),
    )
    for one in found:
        table.add_row(
            Text(one.run),
            one.state,
            str(one.update),
            "" if one.total is None else str(one.total),
            "" if one.rate is None else f"{one.rate:.4g}",
            "" if one.loss is None else f"{one.loss:.4g}",
            str(one.changes),
            Text(one.place),
        )
    screens.console().print(table)
