"""Names in an optimizer: hyperparameters, param groups, and rules over groups."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, final

import torch

from stepsize.errors import AdapterError, describe
from stepsize.schedules.schedule import Schedule

Group = dict[str, Any]
Match = str | int | Callable[[Mapping[str, Any]], bool]

_PATH = re.compile(r"([A-Za-z_]\w*)(?:\[(\d+)\])?")


@final
@dataclass(frozen=True, slots=True)
class Path:
    """A hyperparameter's place in a param group: "weight_decay", "betas[0]".

    Attributes:
        key: Key of the group.
        index: Place in the sequence found there; None: the value itself.
    """

    key: str
    index: int | None = None

    @classmethod
    def parse(cls, text: object) -> Path:
        """Return the path that a text names.

        Raises:
            AdapterError: It is not of the form "key" or "key[index]".
        """
        found = _PATH.fullmatch(text) if isinstance(text, str) else None
        if found is None:
            rule = 'be a key of the param groups, like "weight_decay" or "betas[0]"'
            raise AdapterError(describe("Scheduler.hyperparameters", rule, text))
        return cls(found[1], None if found[2] is None else int(found[2]))

    def present(self, group: Group) -> bool:
        """Whether the group has a number (or a tensor of one) there."""
        if self.key not in group:
            return False
        value = group[self.key]
        if self.index is not None:
            if not isinstance(value, (tuple, list)) or len(value) <= self.index:
                return False
            value = value[self.index]
        if isinstance(value, torch.Tensor):
            return value.numel() == 1
        return isinstance(value, (int, float)) and not isinstance(value, bool)

    def read(self, group: Group) -> Any:
        """Return what is there: a number or a tensor."""
        value = group[self.key]
        return value if self.index is None else value[self.index]

    def replace(self, group: Group, value: Any) -> None:
        """Put another object there; a tuple is built anew."""
        if self.index is None:
            group[self.key] = value
        else:
            group[self.key] = _with_item(group[self.key], self.index, value)

    def __str__(self) -> str:
        """Return the text that `parse` reads."""
        return self.key if self.index is None else f"{self.key}[{self.index}]"


def _with_item(values: Any, index: int, value: Any) -> Any:
    items = [*values[:index], value, *values[index + 1 :]]
    return items if isinstance(values, list) else tuple(items)


@final
@dataclass(frozen=True, slots=True)
class Rule:
    """What holds for some param groups only.

    Of the rules for a hyperparameter, the first that matches a group decides.

    Attributes:
        match: Which groups: a shell pattern over `group["name"]` (a group without a
            name goes by its index, "0"), an index, or a predicate of the group.
        value: A number multiplies what the group would get; a schedule replaces it
            (for `lr_factor`: the factor).
        hyperparameter: "lr", "weight_decay", "betas[0]", ...

    Raises:
        AdapterError: A field is of another kind, or the number is negative or not
            finite.
    """

    match: Match
    value: float | Schedule
    hyperparameter: str = "lr"

    def __post_init__(self) -> None:
        """Check the fields."""
        Path.parse(self.hyperparameter)
        match = self.match
        usable = callable(match) or (isinstance(match, (str, int)) and match != "")
        if not usable or isinstance(match, bool):
            rule = "be a pattern of group names, a group's index or a predicate"
            raise AdapterError(describe("Rule.match", rule, match))
        value = self.value
        if isinstance(value, Schedule):
            return
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not number or not 0 <= value < math.inf:
            rule = "be a finite number >= 0 or a Schedule"
            raise AdapterError(describe("Rule.value", rule, value))

    def matches(self, group: Group, index: int) -> bool:
        """Whether it holds for the group at that index."""
        if isinstance(self.match, str):
            return fnmatchcase(group_name(group, index), self.match)
        if isinstance(self.match, int):
            return index == self.match
        return bool(self.match(group))

    @property
    def match_text(self) -> str | int:
        """The match, JSON-plain: a predicate goes by its name."""
        if isinstance(self.match, (str, int)):
            return self.match
        name: str = getattr(self.match, "__qualname__", type(self.match).__qualname__)
        return f"predicate:{name}"


def as_rules(rules: Mapping[Any, float | Schedule] | Iterable[Rule]) -> list[Rule]:
    """Return rules from a list of them, or from {match: value} for the rate.

    Raises:
        AdapterError: It is neither.
    """
    if isinstance(rules, Mapping):
        return [Rule(match, value) for match, value in rules.items()]
    listed = list(rules) if isinstance(rules, Iterable) else [rules]
    for rule in listed:
        if not isinstance(rule, Rule):
            text = "be Rule objects, or a mapping of matches to values"
            raise AdapterError(describe("Scheduler.rules", text, rule))
    return listed


def group_name(group: Group, index: int) -> str:
    """Return the group's name, or its index where it has none."""
    return str(group.get("name", index))
