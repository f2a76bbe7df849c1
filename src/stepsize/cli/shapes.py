"""`stepsize shapes`: every shape with its curve and one line."""

import textwrap
from itertools import pairwise
from typing import Annotated

import typer

from stepsize.cli.inputs import AsJson, Output
from stepsize.errors import InvalidScheduleError

_SPARK, _SHORT_SPARK = 32, 16
_WIDE = 110


def shapes(
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="Only this one, in full.")
    ] = None,
    json: AsJson = False,
    output: Output = None,
) -> None:
    """List every shape, drawn small; with a NAME, one in full."""
    if output is not None and not json:
        raise typer.BadParameter("needs --json", param_hint="--output")
    from dataclasses import asdict

    from stepsize.cli import screens
    from stepsize.planner.gallery import UPDATES, entries

    found = entries()
    if name is not None:
        found = [one for one in found if name in {one.name, one.constructor}]
        if not found:
            known = ", ".join(one.name for one in entries())
            raise InvalidScheduleError(f"shapes: {name!r} must be one of {known}")
    if json:
        content = {
            "updates": UPDATES,
            "shapes": [{**asdict(one), "rates": one.run().rates()} for one in found],
        }
        screens.write_data(screens.to_json(content), output)
        return
    from rich.text import Text

    from stepsize.cli.curves import curves_of
    from stepsize.cli.drawing import chart, sparkline
    from stepsize.cli.inputs import read

    out = screens.console()
    if name is not None:
        from stepsize.schedules.horizon import Horizon

        for one in found:
            out.print(Text(f"{one.name}: {one.summary}", style="bold"))
            curves = curves_of(read([one.example], Horizon(steps=UPDATES)))
            out.print(Text("\n".join(chart(curves, min(out.width, 100)))))
            for head, text in (
                ("example", one.example),
                ("formula", one.formula),
                ("when", one.when),
                ("source", one.source),
            ):
                room = max(min(out.width, 100) - 9, 20)
                lines = text.splitlines()
                if head != "formula":
                    lines = textwrap.wrap(text, room)
                for i, line in enumerate(lines):
                    out.print(Text(f"{head if i == 0 else '':<9}{line}"))
            out.print()
        return
    plain = screens.is_plain()
    widest = max(len(one.name) for one in found)
    family = ""
    spark = _SPARK if out.width >= _WIDE else _SHORT_SPARK
    for one in found:
        if one.family != family:
            out.print(Text(("\n" if family else "") + one.family, style="bold"))
            family = one.family
        drawn = sparkline(_means(one.run().rates(), spark), plain=plain)
        line = _first_words(one.when, max(out.width - widest - spark - 6, 20))
        out.print(Text(f"  {one.name:<{widest}}  {drawn}  {line}"))


def _means(values: list[float], parts: int) -> list[float]:
    """Return the mean of each of so many equal parts."""
    edges = [i * len(values) // parts for i in range(parts + 1)]
    return [sum(values[a:b]) / (b - a) for a, b in pairwise(edges)]


def _first_words(text: str, room: int) -> str:
    """Cut a sentence after a word, with three dots."""
    return textwrap.shorten(text, room, placeholder="...")
