"""Phases without a closed form of their own: a user's function, and seeded noise."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from stepsize.errors import InvalidScheduleError, describe
from stepsize.schedules.arguments import number
from stepsize.schedules.curve import Leaf, Piece
from stepsize.schedules.durations import whole
from stepsize.schedules.kinds import Kind
from stepsize.schedules.layout import Laid, Place, finite
from stepsize.schedules.phase_curves import measure
from stepsize.schedules.phases import Duration, timing
from stepsize.schedules.schedule import Phase


def opaque(
    name: str,
    function: Callable[[Any], Any],
    steps: Duration = None,
    *,
    weight: float = 1.0,
    fixed: bool = False,
) -> Phase:
    """Wrap any callable.

        value(d) = entry * function(d)

    It prints as `opaque("name")` and is stored by that name: reading it back needs
    the same function, `parse(text, functions={"name": function})`.

    Args:
        name: What it is stored under; not empty.
        function: From d (a number, or an array to be vectorised) to a factor >= 0.
        steps: How long. Unit: updates, or a text with a unit; None takes what is left.
        weight: Share of what is left, among elastic phases; > 0.
        fixed: Whether a stretched cycle leaves the length alone.

    Returns:
        The phase; its exit is the value at d = steps.

    Raises:
        InvalidScheduleError, UnitError: A value is outside its range.

    Examples:
        >>> import stepsize as ss
        >>> ss.opaque("harmonic", lambda d: 1 / (1 + d))(range(3))
        [1.0, 0.5, 0.3333333333333333]
    """
    if not isinstance(name, str) or not name:
        raise InvalidScheduleError(describe("opaque.name", "be a text", name))
    if not callable(function):
        hint = "give the function again: parse(text, functions={name: function})"
        raise InvalidScheduleError(
            describe("opaque.function", "be callable", function, hint=hint)
        )
    args = (
        ("name", name),
        ("function", function),
        *timing("opaque", steps, weight, fixed=fixed),
    )
    return Phase("opaque", (), args)


def noise(
    seed: int = 0,
    amplitude: float = 0.1,
    steps: Duration = None,
    *,
    weight: float = 1.0,
    fixed: bool = False,
) -> Phase:
    """Scatter around the value that was handed over; a factor for any schedule.

        value(d) = entry * (1 + amplitude * z(d)),   z(d) uniform in [-1, 1)

    z is a hash of seed and d ("lowbias32" in wrapping 32-bit arithmetic, 24 bits kept),
    so the same in every framework, at any step, in any order.

    Args:
        seed: Which scatter; an int in [0, 2^32).
        amplitude: Largest relative change; in [0, 1].
        steps: How long. Unit: updates, or a text with a unit; None takes what is left.
        weight: Share of what is left, among elastic phases; > 0.
        fixed: Whether a stretched cycle leaves the length alone.

    Returns:
        The phase; its exit is its entry.

    Raises:
        InvalidScheduleError, UnitError: A value is outside its range.

    Examples:
        >>> import stepsize as ss
        >>> s = ss.hold(4) * ss.noise(seed=1, amplitude=0.1)
        >>> all(0.9 <= v <= 1.1 for v in s(range(4)))
        True
    """
    chosen = whole(seed)
    if chosen is None or not 0 <= chosen < 2**32:
        raise InvalidScheduleError(
            describe("noise.seed", "be an int in [0, 2**32)", seed)
        )
    args = (
        ("seed", chosen),
        ("amplitude", number(amplitude, "noise.amplitude", high=1.0)),
        *timing("noise", steps, weight, fixed=fixed),
    )
    return Phase("noise", (), args)


class _Wrapped:
    """A user's function as a formula."""

    __slots__ = ("function", "name")

    def __init__(self, name: str, function: Callable[[Any], Any]) -> None:
        self.name, self.function = name, function

    def __call__(self, ops: Any, d: Any, entry: Any) -> Any:
        value = self.function(d)
        if isinstance(d, (int, float)):
            field = f'opaque("{self.name}")'
            return entry * finite(float(value), field)
        return entry * value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Wrapped) and self.function == other.function

    def __hash__(self) -> int:
        return hash(self.function)


def _lower_opaque(phase: Phase, place: Place) -> Laid:
    formula = _Wrapped(phase["name"], phase["function"])
    leaf = Leaf(formula, place.begin, (place.entry,))
    stop = place.stop
    if stop is None:
        return Laid([Piece(place.begin, leaf)], place.entry)
    return Laid([Piece(place.begin, leaf)] if stop > place.begin else [], leaf.at(stop))


def _lower_noise(phase: Phase, place: Place) -> Laid:
    high, low = divmod(phase["seed"], 65536)
    numbers = (place.entry, phase["amplitude"], high, low)
    leaf = Leaf("noise", place.begin, numbers)
    empty = place.stop == place.begin
    return Laid([] if empty else [Piece(place.begin, leaf)], place.entry)


KINDS = {
    "opaque": Kind(build=opaque, measure=measure, lower=_lower_opaque),
    "noise": Kind(build=noise, measure=measure, lower=_lower_noise),
}
