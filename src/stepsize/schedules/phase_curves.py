"""What the phases of `phases` mean: their lengths, their curves and their zeros.

Apart from the constructors, so that a first schedule costs little to import.
"""

from __future__ import annotations

from stepsize.schedules.curve import Leaf, Piece, constant
from stepsize.schedules.kinds import Kind
from stepsize.schedules.layout import Laid, Measure, Place, Span, measure_duration
from stepsize.schedules.phases import decay, hold, warmup
from stepsize.schedules.schedule import Phase
from stepsize.schedules.shapes import DECAYS, GEOMETRIC, WARMUPS, numbers_of

RISES = {
    "cosine": "half-cosine",
    "polynomial": "rise-polynomial",
    "1-sqrt": "rise-sqrt",
    "log": "rise-log",
}
"""Formulas of warmups that are no mirror image of a decay."""
PLAIN = {"cosine": ("half-cosine", 0), "polynomial": ("power", 1)}
"""A simpler formula, and how many parameters it takes, where the others are 1."""


def measure(phase: Phase, span: Span) -> Measure:
    """Return the length of a phase with `steps`, `weight` and `fixed`."""
    return measure_duration(
        phase["steps"], span, weight=phase["weight"], fixed=phase["fixed"]
    )


def _lower_hold(phase: Phase, place: Place) -> Laid:
    return Laid(_stay(place, place.entry), place.entry)


def _lower_warmup(phase: Phase, place: Place) -> Laid:
    begin, stop = place.begin, place.closed("warmup")
    n, peak = stop - begin, place.entry
    start = phase["start"]
    first = peak / (n + 1) if start is None else peak * start
    if n == 0 or peak == 0:
        return Laid(_stay(place, peak), peak)
    extra = numbers_of(phase["shape"], WARMUPS, dict(phase.args))
    shape = RISES.get(phase["shape"], phase["shape"])
    numbers = (n, first, peak, *extra)
    return Laid([Piece(begin, Leaf(shape, begin, numbers))], peak)


def _lower_decay(phase: Phase, place: Place) -> Laid:
    begin, stop = place.begin, place.closed("decay")
    n, entry = stop - begin, place.entry
    absolute = phase["to_lr"]
    end = entry * phase["to"] if absolute is None else absolute
    shape = phase["shape"]
    if n == 0:
        return Laid([], end)
    if shape in GEOMETRIC and not (entry > 0 and end > 0):
        # an underflow: what is left of the factor is 0 either way
        return Laid([Piece(begin, constant(entry))], end)
    extra = numbers_of(shape, DECAYS, dict(phase.args))
    if shape in PLAIN and all(value == 1 for value in extra[PLAIN[shape][1] :]):
        shape, kept = PLAIN[shape]
        extra = extra[:kept]
    return Laid([Piece(begin, Leaf(shape, begin, (n, entry, end, *extra)))], end)


def _stay(place: Place, value: float) -> list[Piece]:
    empty = place.length is not None and place.stop == place.begin
    return [] if empty else [Piece(place.begin, constant(value))]


def _decay_ends_at_zero(phase: Phase, *, entry_zero: bool) -> bool:
    if phase["to_lr"] is not None:
        return bool(phase["to_lr"] == 0)
    return entry_zero or bool(phase["to"] == 0)


def _decay_multiplies(phase: Phase) -> bool:
    return phase["to_lr"] is None


def _holds(phase: Phase) -> bool:
    return False


KINDS = {
    "hold": Kind(build=hold, measure=measure, lower=_lower_hold, multiplies=_holds),
    "warmup": Kind(build=warmup, measure=measure, lower=_lower_warmup),
    "decay": Kind(
        build=decay,
        measure=measure,
        lower=_lower_decay,
        multiplies=_decay_multiplies,
        ends_at_zero=_decay_ends_at_zero,
    ),
}
