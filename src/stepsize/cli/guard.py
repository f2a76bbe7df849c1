"""`stepsize guard replay`: what the guard would have said of a recorded run."""

import csv
import io
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stepsize.cli.inputs import AsJson, Output
from stepsize.errors import InvalidScheduleError, StepsizeError, describe

if TYPE_CHECKING:
    from stepsize.control.guard.guard import Guard
    from stepsize.control.guard.replay import Verdict

__all__ = ["app"]

_NAMES: Mapping[str, tuple[str, ...]] = {
    "update": ("update", "step", "global_step", "iteration", "iter"),
    "loss": ("loss", "train_loss", "train/loss"),
    "lr": ("lr", "learning_rate", "train/learning_rate"),
    "grad_norm": ("grad_norm", "train/grad_norm"),
    "nonfinite": ("nonfinite",),
    "displacement": ("displacement",),
    "skips": ("skips",),
}
"""Columns that are read, by what is measured, whatever their case."""

app = typer.Typer(
    name="guard",
    help="The guard against divergence, on recorded runs.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


@app.callback()
def _group() -> None:
    """Keep `replay` a command of its own, though it is the only one."""


@app.command("replay")
def replay(  # noqa: PLR0917 - typer calls it by name
    log: Annotated[
        Path,
        typer.Argument(
            metavar="LOG.csv", help="A header, then a line for each update."
        ),
    ],
    harm: Annotated[
        float | None, typer.Option(help="Share of the gain so far whose loss is harm.")
    ] = None,
    moved: Annotated[
        float | None, typer.Option(help="Movement that needs a gain to show for it.")
    ] = None,
    begin: Annotated[
        float | None, typer.Option(help="Loss of an untrained model, if it is known.")
    ] = None,
    loss: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="Where the loss is.")
    ] = None,
    lr: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="Where the rate is.")
    ] = None,
    update: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="Where the update is.")
    ] = None,
    json: AsJson = False,
    output: Output = None,
) -> None:
    """Show a recorded run to a guard that only observes; tune its thresholds by that.

    Columns: loss; and, if they are there, update or step, lr, grad_norm, nonfinite,
    displacement, skips. Others are left alone. An empty cell was not measured.

    stepsize guard replay runs/7/log.csv --harm 0.2
    """
    if output is not None and not json:
        raise typer.BadParameter("needs --json", param_hint="--output")
    from stepsize.cli import screens
    from stepsize.control.guard.guard import Guard
    from stepsize.control.guard.replay import replay as replayed

    thresholds = {"harm": harm, "moved": moved, "begin": begin}
    guard = Guard(**{k: v for k, v in thresholds.items() if v is not None})  # type: ignore[arg-type]  # numbers
    rows = list(_rows(log, {"loss": loss, "lr": lr, "update": update}))
    found = replayed(guard, rows)
    if json:
        content = {
            "log": os.fspath(log),
            "updates": len(rows),
            "guard": {name: getattr(guard, name) for name in thresholds},
            "verdicts": [one._asdict() for one in found],
        }
        screens.write_data(screens.to_json(content), output)
    else:
        _print(found)
    _summarize(found, guard)


def _rows(path: Path, named: Mapping[str, str | None]) -> Iterator[dict[str, float]]:
    """Yield the measurements of each line that has any.

    Raises:
        StepsizeError: The file cannot be read.
        InvalidScheduleError: A column is missing, a cell is no number, or updates do
            not increase.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise StepsizeError(
            f"{os.fspath(path)!r} cannot be read: {error.strerror}. hint: name a CSV "
            "file with a column loss"
        ) from error
    except UnicodeDecodeError as error:
        rule, hint = "be a text in UTF-8", "export the log as CSV"
        raise InvalidScheduleError(
            describe(os.fspath(path), rule, "other bytes", hint=hint)
        ) from error
    lines = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header = next(lines, [])
        places = _places(header, named, path)
        last: float | None = None
        for cells in lines:
            if not any(cell.strip() for cell in cells):
                continue
            where = f"{os.fspath(path)}, line {lines.line_num},"
            if len(cells) != len(header):
                rule = f"have {len(header)} cells, as the header"
                raise InvalidScheduleError(describe(where, rule, len(cells)))
            row = {
                name: _number(cells[place], f"{where} {header[place]}")
                for name, place in places.items()
                if cells[place].strip()
            }
            if "update" in row:
                _check_order(row["update"], last, where)
                last = row["update"]
            yield row
    except csv.Error as error:
        field = f"{os.fspath(path)}, line {lines.line_num},"
        raise InvalidScheduleError(describe(field, "be CSV", str(error))) from error


def _places(
    header: list[str], named: Mapping[str, str | None], path: Path
) -> dict[str, int]:
    """Return the column of each thing that is measured."""
    there = [cell.strip() for cell in header]
    small = [cell.lower() for cell in there]
    places: dict[str, int] = {}
    for name, usual in _NAMES.items():
        wanted = named.get(name)
        if wanted is not None:
            if wanted not in there:
                rule = f"have a column {wanted!r}"
                raise InvalidScheduleError(describe(os.fspath(path), rule, there))
            places[name] = there.index(wanted)
            continue
        known = [one for one in usual if one in small]
        if known:
            places[name] = small.index(known[0])
    if "loss" not in places:
        hint = "say which it is: --loss COLUMN"
        rule = "have a column of losses"
        raise InvalidScheduleError(
            describe(os.fspath(path), rule, there or "nothing", hint=hint)
        )
    return places


def _number(cell: str, owner: str) -> float:
    try:
        return float(cell)
    except ValueError as error:
        hint = "leave the cell empty where nothing was measured"
        raise InvalidScheduleError(
            describe(owner, "be a number", cell, hint=hint)
        ) from error


def _check_order(update: float, last: float | None, where: str) -> None:
    whole = update.is_integer() and update >= 0
    if whole and (last is None or update > last):
        return
    rule = "be whole and at least 0"
    if whole:
        rule = f"be above the one before it, {last:.0f}"
    hint = "keep the last line of each update that a resumed run made again"
    raise InvalidScheduleError(
        describe(f"{where} the update", rule, update, hint=hint if whole else "")
    )


def _print(found: "list[Verdict]") -> None:
    from rich.text import Text

    from stepsize.cli import screens

    styles = {"harm": "bold red", "suspect": "yellow", "ok": ""}
    table = screens.table("updates", "verdict", "lost", "why", left=(1, 3))
    for one in found:
        table.add_row(
            f"{one.first}" if one.first == one.last else f"{one.first}-{one.last}",
            Text(one.word, styles[one.word]),
            "" if one.lost is None else f"{max(one.lost, 0.0):.2f}",
            one.reason,
        )
    if found:
        screens.console().print(table)


def _summarize(found: "list[Verdict]", guard: "Guard") -> None:
    from stepsize.cli import screens

    harms = [one for one in found if one.word == "harm"]
    doubts = [one for one in found if one.word == "suspect"]
    shares: list[Any] = [one.lost for one in found if one.lost is not None]
    said = "nothing to act on" if not harms else f"harm at update {harms[0].first}"
    if len(harms) > 1:
        said += f", and {len(harms) - 1} more after it, as the run really went on"
    screens.say(said)
    if doubts:
        longest = max(one.last - one.first + 1 for one in doubts)
        noun = "time" if len(doubts) == 1 else "times"
        screens.say(f"suspect {len(doubts)} {noun}, for {longest} updates at most")
    if shares:
        most = max(0.0, *shares)
        screens.say(
            f"largest share of the gain lost: {most:.2f} (harm: {guard.harm:g})"
        )
