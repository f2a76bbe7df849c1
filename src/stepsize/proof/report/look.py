"""How each arm looks, the same in every figure of a page."""

from html import escape
from typing import final

from stepsize.proof.arms import CONSTANT
from stepsize.proof.results import Comparison

_HUES = 6
"""Colours h0 .. h5 of style.css, told apart by colour-blind readers."""
_DASHES = ("", "7 3", "2 3")
"""Stroke patterns that tell the arms of one colour apart."""


@final
class Look:
    """Colour and dash of each arm; the constant is dark grey and solid."""

    def __init__(self, comparison: Comparison) -> None:
        names = [arm.arm for arm in comparison.arms if arm.arm != CONSTANT]
        self._place = {name: i for i, name in enumerate(names)}

    def hue(self, arm: str) -> str:
        """Return the class that sets the colour `--c`."""
        place = self._place.get(arm)
        return "hc" if place is None else f"h{place % _HUES}"

    def dash(self, arm: str) -> str:
        """Return the stroke's `stroke-dasharray`; empty for a solid line."""
        return _DASHES[self._place.get(arm, 0) // _HUES % len(_DASHES)]

    def label(self, arm: str) -> str:
        """Return a sample of the line and the name, as HTML."""
        return (
            f'<svg class="key {self.hue(arm)}" viewBox="0 0 22 10" aria-hidden="true">'
            f'<line x1="0" x2="22" y1="6" y2="6" stroke-dasharray="{self.dash(arm)}"/>'
            f"</svg>{escape(arm)}"
        )
