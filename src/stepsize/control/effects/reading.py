"""Checks of an event's values, with one wording."""

from __future__ import annotations

from collections.abc import Mapping

from stepsize.errors import InvalidScheduleError, describe
from stepsize.schedules.durations import whole
from stepsize.schedules.shapes import DECAYS, GEOMETRIC, check_shape

Values = dict[str, float | str | None]


def only(owner: str, values: Mapping[str, object], names: tuple[str, ...]) -> None:
    """Raise if a name is not among those known.

    Raises:
        InvalidScheduleError: There is one.
    """
    unknown = sorted(set(values) - set(names))
    if unknown:
        listed = " and ".join(names) or "none"
        rule = f"have no other names than {listed}"
        raise InvalidScheduleError(describe(f"{owner}.values", rule, unknown))


def count(value: object, field: str, *, least: int = 0) -> int:
    """Return an int from `least` on.

    Raises:
        InvalidScheduleError: It is none.
    """
    number = whole(value)
    if number is None or number < least:
        rule = f"be an int >= {least} (unit: updates)"
        raise InvalidScheduleError(describe(field, rule, value))
    return number


def shaped(
    owner: str,
    values: Mapping[str, object],
    names: tuple[str, ...],
    default: str,
) -> tuple[str, Values]:
    """Return the shape of a decay and its parameters, which are no other name's.

    Raises:
        InvalidScheduleError: The shape, or a name, is unknown.
    """
    rest = {name: value for name, value in values.items() if name not in names}
    shape, stored = check_shape(owner, values.get("shape", default), DECAYS, rest)
    return shape, dict(stored)


def check_geometric(field: str, shape: str, value: float | None) -> None:
    """Raise if a shape that never reaches 0 is to end there.

    Raises:
        InvalidScheduleError: It is.
    """
    if shape in GEOMETRIC and not value:
        rule = f'be > 0 with shape="{shape}", which never reaches 0'
        raise InvalidScheduleError(describe(field, rule, value))
