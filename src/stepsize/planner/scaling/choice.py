"""One number that is advised: its value, its range, its reason and its sources."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from typing import Any, Literal, final

from stepsize.planner.scaling.sources import Source

WIDTH = 80
Confidence = Literal["high", "medium", "low"]
CONFIDENCE: tuple[Confidence, ...] = ("high", "medium", "low")


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """A number that is advised.

    Attributes:
        name: What it is for, as in "lr", "warmup", "betas[1]".
        value: The number, or the text of a schedule or duration.
        low: Smallest value for which the sources speak; None where they give none.
        high: Largest one, likewise.
        before: The value it replaces; None where it replaces none.
        formula: How it follows from the inputs; "" where it is a number of the source.
        reason: Why, one or two sentences.
        sources: Where it comes from; never empty.
        disputed: What other sources, or this project's measurements, say against it.

    Examples:
        >>> from stepsize.planner.scaling.sources import GOYAL
        >>> print(Choice(name="lr", value=0.4, before=0.1, low=0.2, high=0.4,
        ...     formula="0.1 * 4", reason="Linear in the batch.", sources=(GOYAL,)))
        lr = 0.4 (was 0.1; range 0.2 to 0.4): 0.1 * 4
          Linear in the batch.
          source: Goyal et al. 2017, arXiv:1706.02677, section 2.1, table 2
    """

    name: str
    value: float | str
    reason: str
    sources: tuple[Source, ...]
    low: float | None = None
    high: float | None = None
    before: float | str | None = None
    formula: str = ""
    disputed: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return it as a JSON-plain mapping, without what is not said."""
        content: dict[str, Any] = {
            "name": self.name,
            "value": self.value,
            "before": self.before,
            "low": self.low,
            "high": self.high,
            "formula": self.formula or None,
            "reason": self.reason,
            "disputed": self.disputed or None,
            "sources": [source.to_dict() for source in self.sources],
        }
        return {name: value for name, value in content.items() if value is not None}

    def __str__(self) -> str:
        """Return it in lines of at most 80 columns."""
        told = []
        if self.before is not None:
            told.append(f"was {short(self.before)}")
        if self.low is not None and self.high is not None:
            told.append(f"range {short(self.low)} to {short(self.high)}")
        head = f"{self.name} = {short(self.value)}"
        head += f" ({'; '.join(told)})" if told else ""
        head += f": {self.formula}" if self.formula else ""
        texts = [self.reason]
        texts += [f"but: {self.disputed}"] if self.disputed else []
        texts.append("source: " + "; ".join(str(one) for one in self.sources))
        return "\n".join([wrapped(head, 0), *(wrapped(text, 2) for text in texts)])


def short(value: float | str) -> str:
    """Write a number as people do (0.0003, 1e-05, 20000), a text as it is."""
    if isinstance(value, str):
        return value
    return str(value) if isinstance(value, int) else f"{value:.4g}"


def wrapped(text: str, indent: int) -> str:
    """Break a text into lines of at most 80 columns; further lines go 2 deeper."""
    return textwrap.fill(
        text,
        WIDTH,
        initial_indent=" " * indent,
        subsequent_indent=" " * (indent + 2),
        break_long_words=False,
        break_on_hyphens=False,
    )


def worst(*levels: Confidence) -> Confidence:
    """Return the lowest of several confidences; "high" for none."""
    return CONFIDENCE[max((CONFIDENCE.index(level) for level in levels), default=0)]
