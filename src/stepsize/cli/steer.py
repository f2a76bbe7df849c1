"""`stepsize steer`: change the curve of a training while it runs."""

import sys
import time
from contextlib import nullcontext, redirect_stdout
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stepsize.cli.audit import RunPlace
from stepsize.cli.inputs import AsJson
from stepsize.errors import LedgerError, StepsizeError, describe

if TYPE_CHECKING:
    from stepsize.ledger.history import History
    from stepsize.ledger.records import Answer, Command
    from stepsize.ledger.store import Store

_POLL_SECONDS = 0.2
_POINTS = 8
_HIGHER = 2.0
"""Times the highest rate to come that a change may raise it by without a note."""


def steer(  # noqa: PLR0917 - typer calls it by name
    run: RunPlace,
    verb: Annotated[
        str,
        typer.Argument(
            metavar="VERB",
            help="cooldown, scale, hold, release, extend, shorten, rewarm, replace, "
            "deadline, checkpoint or stop.",
        ),
    ],
    value: Annotated[
        str | None,
        typer.Argument(
            metavar="[VALUE]",
            help="cooldown 10% | scale 0.5 | extend 20000 or +5000 | shorten 8000 | "
            "rewarm 5% | replace EXPR | deadline 18:00, 2h or off. A negative number "
            "comes last, behind --: shorten -- -2000.",
        ),
    ] = None,
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Why; recorded.")] = "",
    over: Annotated[
        str | None, typer.Option(help="Updates that a scale or a replacement takes.")
    ] = None,
    to: Annotated[
        float | None, typer.Option(help="Where a cooldown or rewarm ends: a fraction.")
    ] = None,
    shape: Annotated[
        str | None, typer.Option(help="Shape of a cooldown or rewarm.")
    ] = None,
    mode: Annotated[
        str | None,
        typer.Option(help="Of extend and shorten: stretch, bridge, adopt or keep."),
    ] = None,
    catch_up: Annotated[
        bool, typer.Option("--catch-up", help="Of release: as if never held.")
    ] = False,
    of: Annotated[
        str, typer.Option(metavar="NAME", help="Which hyperparameter.")
    ] = "lr",
    groups: Annotated[
        str, typer.Option(metavar="PATTERN", help="Which param groups, by name.")
    ] = "*",
    expect_step: Annotated[
        int | None,
        typer.Option(help="Refuse it unless the run is within --within of this step."),
    ] = None,
    within: Annotated[int, typer.Option(min=0, help="Steps around it.")] = 0,
    expires: Annotated[
        str, typer.Option(help="Refuse it after this long: 10m, 2h, 1d.")
    ] = "1h",
    command_id: Annotated[
        str | None,
        typer.Option(
            "--id", help="A name for it: what was done once is not done again."
        ),
    ] = None,
    wait: Annotated[
        float, typer.Option(min=0, help="Seconds to wait for the answer.")
    ] = 30.0,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    preview: Annotated[
        bool, typer.Option("--preview", help="Show the new curve, and stop there.")
    ] = False,
    json: AsJson = False,
) -> None:
    """Ask a running training for a change; it takes effect on all ranks at once.

    The new curve is shown before anything is asked. A change that somebody else made
    meanwhile makes the training refuse this one.

    stepsize steer runs/7 cooldown 10% --reason "the deadline moved"
    """
    from stepsize.cli import screens
    from stepsize.ledger.commands import make_command
    from stepsize.ledger.history import History
    from stepsize.ledger.places import existing

    store = existing(run)
    history = History(store.read())
    given = {"over": over, "to": to, "shape": shape, "mode": mode}
    options = {name: one for name, one in given.items() if one is not None}
    if catch_up:
        options["resume"] = "catch-up"
    last = max((one.sequence for one in history.events), default=-1)
    command = make_command(
        verb,
        _values(verb, value, options, history),
        reason=reason,
        id=command_id,
        hyperparameter=of,
        groups=groups,
        expected_step=expect_step,
        tolerance=within,
        seen=last,
        expires_seconds=seconds_of(expires, "--expires"),
    )
    known = history.commands().get(command.id)
    shown = None
    if known is None:
        with redirect_stdout(sys.stderr) if json else nullcontext():
            shown = _show(history, store, command)
    if preview:
        if json:
            _write(command, shown, None)
        return
    if known is None:
        if not yes:
            _confirm(command)
        store.append(command)
        screens.say(f"asked: command {command.id}")
    answer = _wait(store, command.id, wait)
    if json:
        _write(command if known is None else known[0], shown, answer)
    if answer is None:
        raise LedgerError(
            f"no answer within {wait:g} s; it holds until it expires ({expires}). "
            "hint: is the training running? stepsize audit RUN shows what comes of it"
        )
    if answer.status == "refused":
        raise LedgerError(f"refused at update {answer.update}: {answer.why}")
    screens.say(f"applied from update {answer.update} on")


def _values(
    verb: str, value: str | None, options: dict[str, Any], history: "History"
) -> dict[str, Any]:
    if verb in ("hold", "release", "checkpoint", "stop"):
        if value is not None:
            raise typer.BadParameter(f"{verb} takes no value, got {value!r}")
        return options
    if value is None:
        raise typer.BadParameter(f"{verb} needs a value: see --help")
    if "over" in options:
        over = options["over"]
        options["over"] = _int(over, "--over") if verb == "scale" else _duration(over)
    if verb == "scale":
        first: dict[str, Any] = {"factor": _float(value, verb)}
    elif verb in ("cooldown", "rewarm"):
        first = {"steps": _duration(value)}
    elif verb in ("extend", "shorten"):
        first = {"total_steps": _total(value, history)}
    elif verb == "deadline":
        first = {"at": _deadline(value)}
    else:  # an unknown verb: make_command says so
        first = {"schedule": value}
    return {**first, **options}


def _total(value: str, history: "History") -> int:
    if value[:1] in ("+", "-"):
        total = history.rates().leading().total_steps
        if total is None:
            rule = "have a number of steps to add to"
            raise LedgerError(describe("run", rule, None))
        return total + _int(value, "VALUE")
    return _int(value, "VALUE")


def _duration(text: str) -> int | str:
    return int(text) if text.isdecimal() else text


def _int(text: str, where: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise typer.BadParameter(
            f"{text!r} is no whole number", param_hint=where
        ) from None


def _float(text: str, where: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is no number", param_hint=where) from None


def seconds_of(text: str, where: str) -> float:
    """Read "90s", "10m", "2h" or "30d" as seconds.

    Examples:
        >>> seconds_of("2h", "--expires")
        7200.0
    """
    units = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
    number, unit = text[:-1], text[-1:]
    try:
        found = float(number) * units[unit]
    except (KeyError, ValueError):
        found = 0.0
    if not 0 < found < float("inf"):
        message = f"{text!r} is no time: write 90s, 10m, 2h or 1d"
        raise typer.BadParameter(message, param_hint=where)
    return found


def _deadline(text: str) -> float | None:
    """Return a time of day, or one from now, in seconds since 1970; None is off."""
    if text == "off":
        return None
    if text[-1:] in "smhd":
        return time.time() + seconds_of(text, "deadline")
    now = datetime.now().astimezone()
    try:
        if ":" in text and "-" not in text:
            hour = datetime.strptime(text, "%H:%M")
            when = now.replace(
                hour=hour.hour, minute=hour.minute, second=0, microsecond=0
            )
            when += timedelta(days=when <= now)
        else:
            when = datetime.fromisoformat(text).astimezone()
    except ValueError:
        message = f"{text!r} is no time: write 18:00, 2h, or 2030-01-31T18:00"
        raise typer.BadParameter(message, param_hint="deadline") from None
    if when <= now:
        message = f"{text!r} is over: name a time to come"
        raise typer.BadParameter(message, param_hint="deadline")
    return when.timestamp()


def _write(
    command: "Command", shown: dict[str, Any] | None, answer: "Answer | None"
) -> None:
    """Print JSON: what was asked, what it would do, and what became of it."""
    import msgspec

    from stepsize.cli import screens

    content = {"command": command, "preview": shown, "answer": answer}
    screens.write_data(screens.to_json(msgspec.to_builtins(content)), None)


def _show(history: "History", store: "Store", command: "Command") -> dict[str, Any]:
    """Print the curve as it is, and as it would be; what makes no sense is an error.

    Returns:
        The same, JSON-plain: each curve by its first group, null where there is none.
    """
    from stepsize.cli import screens
    from stepsize.ledger.preview import preview

    found = preview(history, store, command)
    path, made = command.hyperparameter, found.update
    shown: dict[str, Any] = {
        "update": made,
        "step": found.step,
        "refused": found.refused,
        "updates": [],
        "now": None,
        "then": None,
    }
    if found.now is None or found.then is None:
        screens.say(f"{command.verb}: no curve to show before it happens")
    else:
        both = (found.now, found.then)
        ends = [one.ends(made, path) for one in both]
        span = max([one - made for one in ends if one is not None], default=1000) or 1
        points = {made + round(i * span / _POINTS) for i in range(_POINTS + 1)}
        shown["updates"] = updates = sorted(points)
        table = screens.table("update", "now", "then")
        curves = [[_first(one.at(u, path)) for u in updates] for one in both]
        for name, curve, end in zip(("now", "then"), curves, ends, strict=True):
            shown[name] = {"values": curve, "ends": end}
        for u, *row in zip(updates, *curves, strict=True):
            table.add_row(str(u), *("" if one is None else f"{one:.4g}" for one in row))
        screens.console().print(table)
        now, then = ("never" if one is None else str(one) for one in ends)
        screens.say(f"the run is at update {made}; it ends at {now} now, then {then}")
        if path == "lr":
            before, after = (one.extremes(made)[1] for one in both)
            if after > _HIGHER * before:
                screens.say(
                    f"note: the highest rate to come is {after:.4g} then, and "
                    f"{before:.4g} as it is now"
                )
    if history.lives and history.lives[-1].end is not None:
        screens.say(
            "note: the training has ended; only one that resumes it will answer"
        )
    if found.refused:
        screens.say(f"the training will refuse it: {found.refused}")
    return shown


def _first(row: tuple[float | None, ...]) -> float | None:
    return next((one for one in row if one is not None), None)


def _confirm(command: "Command") -> None:
    from stepsize.ledger.audit import described

    if not sys.stdin.isatty():
        raise StepsizeError(
            "nobody is there to confirm it. hint: --yes asks the training at once"
        )
    what = described(command.verb, command.values)
    typer.confirm(f"{what} as {command.author}?", abort=True, err=True)


def _wait(store: "Store", command: str, seconds: float) -> "Answer | None":
    from stepsize.ledger.records import Answer

    ends = time.monotonic() + seconds
    seen = 0
    while True:
        for entry in store.read(seen):
            seen = entry.n + 1
            record = entry.record
            if isinstance(record, Answer) and record.command == command:
                return record
        if time.monotonic() >= ends:
            return None
        time.sleep(_POLL_SECONDS)
