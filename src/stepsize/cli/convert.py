"""`stepsize convert`: settings of other libraries to schedules, and back."""

import json as jsonlib
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from stepsize.schedules.schedule import ResolvedSchedule


class From(StrEnum):
    """Whose settings are read."""

    AUTO = "auto"
    STEPSIZE = "stepsize"
    TRANSFORMERS = "transformers"
    KERAS = "keras"
    DEEPSPEED = "deepspeed"
    MEGATRON = "megatron"
    TIMM = "timm"


class To(StrEnum):
    """In whose words the schedule is written."""

    STEPSIZE = "stepsize"
    DEEPSPEED = "deepspeed"
    KERAS = "keras"
    KNOTS = "knots"


def convert(  # noqa: PLR0917 - typer calls it by name
    source: Annotated[
        str,
        typer.Argument(
            metavar="FILE_OR_EXPR",
            help="A JSON or YAML file with settings, or a schedule as text.",
        ),
    ],
    peer: Annotated[
        From, typer.Option("--from", help="Whose settings; auto finds out.")
    ] = From.AUTO,
    to: Annotated[
        To, typer.Option("--to", help="In whose words to write it.")
    ] = To.STEPSIZE,
    total_steps: Annotated[
        int | None, typer.Option(min=1, help="Updates of the run.")
    ] = None,
    base_lr: Annotated[
        float | None,
        typer.Option(help="Rate of the optimizer, where the settings lack it."),
    ] = None,
    tolerance: Annotated[
        float | None,
        typer.Option(help="Largest difference, as a fraction of the peak, going out."),
    ] = None,
    faithful: Annotated[
        bool, typer.Option("--faithful", help="Reproduce the peer's defects.")
    ] = False,
    json: Annotated[
        bool, typer.Option("--json", help="Write the whole report as JSON.")
    ] = False,
) -> None:
    """Read another library's schedule, or write one in its words.

    Both sides are run over the horizon; the largest difference goes to stderr, or into
    the report with --json.
    """
    from stepsize.adapters.convert import convert as read
    from stepsize.adapters.convert.lambdas import resolved

    settings = _settings(source, peer)
    report: dict[str, Any]
    if isinstance(settings, str):
        from stepsize.schedules.text import parse

        schedule = parse(settings)
        report = {"schedules": [str(schedule)], "notes": []}
    else:
        conversion = read(
            settings,
            total_steps=total_steps,
            base_lr=base_lr,
            peer=None if peer is From.AUTO else peer.value,
            faithful=faithful,
        )
        schedule = conversion.schedule
        report = conversion.to_dict()
    written: Any = str(schedule)
    if to is not To.STEPSIZE:
        exported = _export(resolved(schedule, total_steps), to, tolerance)
        report = {"from": report, "to": to.value, **exported}
        written = exported["value"]
    if json:
        typer.echo(jsonlib.dumps(report, indent=2))
        return
    typer.echo(written if isinstance(written, str) else jsonlib.dumps(written))
    for part in (report.get("from", {}), report):
        _say(part)


def _say(report: dict[str, Any]) -> None:
    worst = report.get("largest_difference")
    if worst is not None:
        typer.echo(
            f"largest difference: {worst:.3g} of the peak, at step {report['at']}",
            err=True,
        )
    elif "peer" in report:
        typer.echo("not compared: the peer is not installed", err=True)
    for note in report.get("notes", ()):
        typer.echo(f"note: {note}", err=True)


def _settings(source: str, peer: From) -> Any:
    """Return the settings of a file, or the text of a schedule."""
    from stepsize.errors import AdapterError, describe

    path = Path(source)
    is_file = len(source) < 1000 and "\n" not in source and path.is_file()  # noqa: PLR2004 - no name is as long
    if not is_file:
        if peer not in {From.AUTO, From.STEPSIZE} or path.suffix in {
            ".json",
            ".yaml",
            ".yml",
        }:
            raise AdapterError(
                describe("convert.FILE", "be a file that exists", source)
            )
        return source
    import yaml

    try:
        text = path.read_text(encoding="utf-8")
        found = yaml.safe_load(text)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        rule = "be readable as JSON or YAML"
        raise AdapterError(describe("convert.FILE", rule, source)) from error
    if isinstance(found, str) and peer in {From.AUTO, From.STEPSIZE}:
        return found
    if peer is From.STEPSIZE or not isinstance(found, (dict, list)):
        rule = "hold a mapping of settings"
        if peer is From.STEPSIZE:
            rule = "hold the text of a schedule"
        raise AdapterError(describe(f"convert.FILE {source}", rule, found))
    return found


def _export(
    rates: "ResolvedSchedule", to: To, tolerance: float | None
) -> dict[str, Any]:
    from stepsize.adapters import convert as out

    more: dict[str, Any] = {} if tolerance is None else {"tolerance": tolerance}
    if to is To.DEEPSPEED:
        return out.to_deepspeed(rates, **more).to_dict()
    if to is To.KNOTS:
        return out.to_knots(rates, **more).to_dict()
    made = out.to_keras(rates)
    import keras

    return {
        "value": keras.optimizers.schedules.serialize(made),
        "largest_difference": made.largest_difference,
        "at": made.at,
        "exact": made.exact,
        "notes": list(made.notes),
    }
