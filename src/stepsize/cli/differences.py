"""Two curves compared update by update."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, final

from rich.console import Console
from rich.text import Text

from stepsize.cli.curves import Curve, at, key_steps
from stepsize.cli.drawing import MARKS, chart, shortened
from stepsize.cli.screens import table

_CHUNK = 100_000
_COLUMN = 24


@final
@dataclass(frozen=True, slots=True)
class Difference:
    """The largest difference of two curves.

    Attributes:
        largest: |a - b| where it is largest. Unit: lr.
        step: The first update where it is.
        first: First value there. Unit: lr.
        second: Second value there. Unit: lr.
        updates: How many updates differ at all.
        peak: The largest rate of the two. Unit: lr.
    """

    largest: float
    step: int
    first: float
    second: float
    updates: int
    peak: float

    @property
    def share(self) -> float:
        """The largest difference as a share of the peak."""
        return self.largest / self.peak if self.peak else 0.0

    def to_dict(self) -> dict[str, Any]:
        """Return it JSON-plain."""
        return {
            "largest_difference": self.largest,
            "share_of_peak": self.share,
            "update": self.step,
            "rate_a": self.first,
            "rate_b": self.second,
            "updates_that_differ": self.updates,
            "peak": self.peak,
        }


def compare(a: Curve, b: Curve) -> Difference:
    """Compare every update that is shown, and the value held after the last."""
    largest, where, updates, peak = 0.0, 0, 0, 0.0
    for start in range(0, a.total + 1, _CHUNK):
        stop = min(start + _CHUNK, a.total + 1)
        ones, others = a.resolved.block(start, stop), b.resolved.block(start, stop)
        peak = max(peak, *ones, *others)
        for index, (one, other) in enumerate(zip(ones, others, strict=True)):
            if one != other:
                updates += 1
                if abs(one - other) > largest:
                    largest, where = abs(one - other), start + index
    return Difference(
        largest,
        where,
        float(a.resolved(where)),
        float(b.resolved(where)),
        updates,
        peak,
    )


def show(
    curves: Sequence[Curve],
    found: Difference,
    console: Console,
    *,
    equal: bool,
    tolerance: float,
) -> None:
    """Print the plot, the table and the verdict."""
    console.print(Text("\n".join(chart(curves, min(console.width, 120)))))
    heads = [
        f"{mark} {shortened(curve.label, _COLUMN)}"
        for mark, curve in zip(MARKS, curves, strict=False)
    ]
    made = table("update", *heads, "difference")
    for step in sorted({*key_steps(curves), found.step}):
        first, second = (at(curve, step) for curve in curves)
        made.add_row(
            f"{step}", f"{first:.6g}", f"{second:.6g}", f"{second - first:+.3g}"
        )
    console.print(made, crop=False)
    if found.largest == 0:
        verdict = f"equal at every one of {curves[0].total} updates"
    else:
        word = "equal within" if equal else "different: more than"
        verdict = (
            f"{word} {tolerance:g} of the peak. Largest difference "
            f"{found.largest:.3g} ({found.share:.3g} of the peak) at update "
            f"{found.step}; {found.updates} of {curves[0].total + 1} values differ "
            "(the one held after the end included)"
        )
    console.print(Text(verdict, style="bold"))
