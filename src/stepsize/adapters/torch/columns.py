"""How values get into param groups: numbers, tensors in place, parts of tuples."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol, final

import torch

from stepsize.adapters.torch.eager import eager
from stepsize.adapters.torch.groups import Group, Path
from stepsize.control.trajectory import Trajectory
from stepsize.errors import AdapterError, describe

Source = tuple[Trajectory, float]  # of one group: its value is trajectory * factor


class Column(Protocol):
    """One hyperparameter in some groups."""

    def write(self, groups: Sequence[Group], values: Sequence[float]) -> None:
        """Write its values; `values` has one for each feed of the plan."""


@final
class Even:
    """One number for every group."""

    __slots__ = ("feed", "key")

    def __init__(self, key: str, feed: int) -> None:
        self.key, self.feed = key, feed

    @eager
    def write(self, groups: Sequence[Group], values: Sequence[float]) -> None:
        """See `Column.write`."""
        key, value = self.key, values[self.feed]
        for group in groups:
            group[key] = value


@final
class Scaled:
    """One number for every group, times a factor of the group's own."""

    __slots__ = ("factors", "feed", "key")

    def __init__(self, key: str, feed: int, factors: Sequence[float]) -> None:
        self.key, self.feed, self.factors = key, feed, factors

    @eager
    def write(self, groups: Sequence[Group], values: Sequence[float]) -> None:
        """See `Column.write`."""
        key, value = self.key, values[self.feed]
        for group, factor in zip(groups, self.factors):  # noqa: B905 - hot
            group[key] = value * factor


Put = Callable[[Group, Path, float], None]


@final
class Cells:
    """Anything else: some groups, tensors, parts of tuples."""

    __slots__ = ("path", "rows")

    def __init__(self, path: Path, rows: Sequence[tuple[int, int, float, Put]]) -> None:
        self.path, self.rows = path, rows

    @eager
    def write(self, groups: Sequence[Group], values: Sequence[float]) -> None:
        """See `Column.write`."""
        path = self.path
        for index, feed, factor, put in self.rows:
            put(groups[index], path, values[feed] * factor)


@eager
def _put_number(group: Group, path: Path, value: float) -> None:
    group[path.key] = value


@eager
def _put_item(group: Group, path: Path, value: float) -> None:
    path.replace(group, value)


@eager
def _put_tensor(group: Group, path: Path, value: float) -> None:
    tensor = group[path.key]
    if path.index is not None:
        tensor = tensor[path.index]
    with torch.no_grad():
        tensor.fill_(value)


def make_column(
    path: Path,
    groups: list[Group],
    found: Sequence[Source | None],
    feed_of: Callable[[Trajectory, float], int],
) -> Column:
    """Return the simplest column that writes a hyperparameter.

    Args:
        path: The hyperparameter.
        groups: The groups.
        found: For each group its source, None where it has no such hyperparameter.
        feed_of: Gives the index of a trajectory's feed, times a factor.

    Raises:
        AdapterError: No group has the hyperparameter.
    """
    there = [source for source in found if source is not None]
    if not there:
        rule = "be a number in at least one param group"
        keys = sorted({key for group in groups for key in group if key != "params"})
        hint = f"the groups have {', '.join(keys)}"
        raise AdapterError(
            describe("Scheduler.hyperparameters", rule, str(path), hint=hint)
        )
    plain = path.index is None and len(there) == len(groups)
    plain = plain and not any(
        isinstance(group[path.key], torch.Tensor) for group in groups
    )
    trajectories = {id(trajectory) for trajectory, _ in there}
    factors = [factor for _, factor in there]
    if plain and len(trajectories) == 1:
        if len(set(factors)) == 1:
            return Even(path.key, feed_of(there[0][0], factors[0]))
        return Scaled(path.key, feed_of(there[0][0], 1.0), factors)
    rows: list[tuple[int, int, float, Put]] = []
    for index, source in enumerate(found):
        if source is not None:
            trajectory, factor = source
            put = _put_number if path.index is None else _put_item
            if isinstance(path.read(groups[index]), torch.Tensor):
                put = _put_tensor
            rows.append((index, feed_of(trajectory, 1.0), factor, put))
    return Cells(path, rows)


def own_tensors(optimizer: Any, groups: list[Group], path: Path) -> None:
    """Give the defaults, and every group, a tensor of their own.

    An optimizer puts one tensor into its defaults and all groups: filling it in one
    group would change the others, and those that are added later.
    """
    defaults = getattr(optimizer, "defaults", {})
    owned: set[int] = set()
    if path.present(defaults) and isinstance(path.read(defaults), torch.Tensor):
        tensor = path.read(defaults)
        if any(path.present(group) and path.read(group) is tensor for group in groups):
            path.replace(defaults, tensor.detach().clone())
    for group in groups:
        if path.present(group) and isinstance(path.read(group), torch.Tensor):
            tensor = path.read(group)
            if id(tensor) in owned:
                path.replace(group, tensor.detach().clone())
            owned.add(id(path.read(group)))
