"""Reads the lists that options take; a text that is none is wrong usage."""

import math
from collections.abc import Iterator, Sequence

import typer

_OPEN, _CLOSE = "([{", ")]}"


def rates(text: str | None, option: str) -> list[float] | None:
    """Read "1e-3,3e-3" as finite rates > 0; None stays None."""
    if text is None:
        return None
    found = []
    for part in text.split(","):
        try:
            lr = float(part)
        except ValueError:
            lr = math.nan
        if not (math.isfinite(lr) and lr > 0):
            message = f"{part.strip()!r} is no rate: write finite numbers > 0, as in "
            raise typer.BadParameter(f"{message}1e-3,3e-3,1e-2", param_hint=option)
        found.append(lr)
    return found


def schedules(texts: Sequence[str] | None) -> list[str] | None:
    """Split each text at the commas that stand outside brackets and quotes.

    Examples:
        >>> schedules(['wsd,long=warmup("20%", start=0.1) >> cosine()'])
        ['wsd', 'long=warmup("20%", start=0.1) >> cosine()']
    """
    if texts is None:
        return None
    return [part.strip() for text in texts for part in _split(text)]


def _split(text: str) -> Iterator[str]:
    depth, quote, start = 0, "", 0
    for i, sign in enumerate(text):
        if quote:
            quote = "" if sign == quote else quote
        elif sign in "\"'":
            quote = sign
        elif sign in _OPEN:
            depth += 1
        elif sign in _CLOSE:
            depth -= 1
        elif sign == "," and depth <= 0:
            yield text[start:i]
            start = i + 1
    yield text[start:]
