"""Settings as people keep them: a mapping, or an object with attributes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, final

from stepsize.errors import AdapterError, describe

_MISSING = object()


@final
class Settings:
    """Values by name, with errors that say which one is wrong."""

    def __init__(self, owner: str, values: Any) -> None:
        self.owner = owner
        self._values = values

    def get(self, name: str, default: Any = _MISSING) -> Any:
        """Return a value, or the default where it is missing.

        Raises:
            AdapterError: It is missing and there is no default.
        """
        if isinstance(self._values, Mapping):
            value = self._values.get(name, default)
        else:
            value = getattr(self._values, name, default)
        if value is _MISSING:
            raise AdapterError(self.wrong(name, "be given", None))
        return value

    def number(self, name: str, default: float | None = None) -> float:
        """Return a number; None counts as missing.

        Raises:
            AdapterError: It is no number, or is missing and there is no default.
        """
        value = self.optional(name)
        if value is not None:
            return value
        if default is None:
            raise AdapterError(self.wrong(name, "be given", None))
        return default

    def optional(self, name: str) -> float | None:
        """Return a number (a text of one counts), or None where it is missing.

        Raises:
            AdapterError: It is no number.
        """
        value = self.get(name, None)
        if value is None:
            return None
        hint = "write the number that it stands for" if value == "auto" else ""
        try:
            if isinstance(value, bool):
                raise ValueError
            number = float(value)
        except (TypeError, ValueError) as error:
            message = self.wrong(name, "be a number", value, hint=hint)
            raise AdapterError(message) from error
        whole = number.is_integer() and not isinstance(value, float)
        return int(number) if whole else number

    def wrong(self, name: str, rule: str, got: object, *, hint: str = "") -> str:
        """Word an error about one of the values."""
        return describe(f"{self.owner}.{name}", rule, got, hint=hint)
