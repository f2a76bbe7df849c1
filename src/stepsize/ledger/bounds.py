"""`Bounds`: who may steer a run, and how far; nothing is applied here."""

from __future__ import annotations

import hashlib
import math
import os
from dataclasses import asdict, dataclass, fields
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, final

from stepsize.errors import LedgerError, describe
from stepsize.ledger.commands import VERBS
from stepsize.ledger.records import Command


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What commands a training takes; read when it begins, from a file of these fields.

    Attributes:
        people: Shell patterns of authors, as in "ada@*"; an author is user@host.
        verbs: What may be asked for, of `stepsize.ledger.commands.VERBS`; () is all
            of them.
        factor: Lowest and highest factor of one `scale`; 0 <= low <= 1 <= high.
        lr: Lowest and highest rate that a command may lead to, of every group. Unit:
            lr. The lowest holds for what a scale or a replacement leads to at once,
            not for a decay.
        reason: Whether a command must say why.
        most_per_day: Commands that are applied in 24 hours; None: any number.

    Raises:
        LedgerError: A value is outside its range.
    """

    people: tuple[str, ...] = ("*",)
    verbs: tuple[str, ...] = ()
    factor: tuple[float, float] = (0.0, math.inf)
    lr: tuple[float, float] = (0.0, math.inf)
    reason: bool = True
    most_per_day: int | None = None

    def __post_init__(self) -> None:
        """Check every field."""
        for name in ("people", "verbs"):
            value = getattr(self, name)
            texts = isinstance(value, (list, tuple)) and all(
                isinstance(one, str) and one for one in value
            )
            if not texts or (name == "people" and not value):
                raise LedgerError(
                    describe(f"Bounds.{name}", "be a list of texts", value)
                )
            unknown = [one for one in value if name == "verbs" and one not in VERBS]
            if unknown:
                rule = f"be among {', '.join(VERBS)}"
                raise LedgerError(describe("Bounds.verbs", rule, unknown[0]))
            object.__setattr__(self, name, tuple(value))
        for name, most, least in (("factor", 1.0, 1.0), ("lr", math.inf, 0.0)):
            value = getattr(self, name)
            numbers = isinstance(value, (list, tuple)) and all(map(_is_number, value))
            if (
                not numbers
                or len(value) != 2  # noqa: PLR2004 - low and high
                or not 0 <= value[0] <= min(most, value[1])
                or value[1] < least
            ):
                rule = "be a low and a high number, 0 <= low <= high"
                rule += ", with 1 between them" if name == "factor" else " (unit: lr)"
                hint = ""
                if isinstance(value, (list, tuple)) and any(
                    isinstance(one, str) for one in value
                ):
                    hint = "YAML reads 1e-7 as a text: write 1.0e-7"
                raise LedgerError(describe(f"Bounds.{name}", rule, value, hint=hint))
            object.__setattr__(self, name, (float(value[0]), float(value[1])))
        if not isinstance(self.reason, bool):
            raise LedgerError(
                describe("Bounds.reason", "be true or false", self.reason)
            )
        most_a_day = self.most_per_day
        if most_a_day is not None and (type(most_a_day) is not int or most_a_day < 0):
            rule = "be an int >= 0, or null"
            raise LedgerError(describe("Bounds.most_per_day", rule, most_a_day))

    def refusal(self, command: Command) -> str:
        """Return why a command is not taken, "" if these allow it.

        What it does to the rates is `too_far`'s to judge.
        """
        if not any(fnmatchcase(command.author, one) for one in self.people):
            return f"{command.author} may not steer this run"
        if self.verbs and command.verb not in self.verbs:
            return f"{command.verb} is not among {', '.join(self.verbs)}"
        if self.reason and not command.reason.strip():
            return "a reason is required"
        factor = command.values.get("factor")
        low, high = self.factor
        if command.verb == "scale" and not low <= factor <= high:  # type: ignore[operator]  # checked
            return f"the factor {factor:g} is not between {low:g} and {high:g}"
        return ""

    def too_far(
        self, lowest: float, highest: float, before: tuple[float, float] | None = None
    ) -> str:
        """Return why rates are outside the bounds, "" if they are not.

        Args:
            lowest: Lowest rate that a change leads to at once.
            highest: Highest rate from then on.
            before: The same without the change: what is outside already may come back
                in, step by step. None: it is not.
        """
        low, high = self.lr
        least, most = (low, high) if before is None else before
        if highest > max(high, most):
            return f"it leads to a rate of {highest:.3g}, above {high:g}"
        if lowest < min(low, least):
            return f"it leads to a rate of {lowest:.3g}, below {low:g}"
        return ""

    def sha256(self) -> str:
        """Return a digest of all values."""
        return hashlib.sha256(repr(sorted(asdict(self).items())).encode()).hexdigest()


def load_bounds(path: Path) -> Bounds:
    """Read bounds from a YAML or JSON file.

    Raises:
        LedgerError: It cannot be read, is empty or no mapping, or has an unknown field,
            one twice, or a value outside its range.
    """
    import yaml

    where = os.fspath(path)
    try:
        text = path.read_text(encoding="utf-8")
        plain = yaml.safe_load(text)
        again = _named_again(yaml.compose(text, Loader=yaml.SafeLoader))
    except OSError as error:
        hint = str(error.strerror or error)
        raise LedgerError(
            describe(where, "be readable", path.name, hint=hint)
        ) from error
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        hint = str(error).replace("\n", " ")
        raise LedgerError(describe(where, "be YAML", path.name, hint=hint)) from error
    names = [one.name for one in fields(Bounds)]
    if plain is None:
        hint = "write {} to allow everything, or take the file away"
        raise LedgerError(describe(where, "name a bound", "an empty file", hint=hint))
    if again:
        hint = "which of them holds would be anybody's guess"
        raise LedgerError(describe(where, "name each field once", again, hint=hint))
    if not isinstance(plain, dict) or not set(plain) <= set(names):
        rule = f"be a mapping with no fields but {', '.join(names)}"
        raise LedgerError(describe(where, rule, plain))
    return Bounds(**plain)


def _named_again(node: Any) -> str | None:
    """Return the first key of a mapping that stands there twice; YAML takes the last.

    Args:
        node: The document, as `yaml.compose` reads it.
    """
    seen: set[str] = set()
    pairs = node.value if getattr(node, "id", "") == "mapping" else ()
    for key, _ in pairs:
        if key.value in seen:
            return str(key.value)
        if isinstance(key.value, str):
            seen.add(key.value)
    return None


def _is_number(value: Any) -> bool:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return number and not math.isnan(value)
