"""What is written where: the hot path, laid out once for a list of param groups.

A plan holds for the groups it was made for. The scheduler compares them at every
update and makes a new plan when a group was added, replaced or loaded.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import compress
from typing import Any, final

import torch

from stepsize.adapters.torch.columns import (
    Column,
    Even,
    Scaled,
    Source,
    make_column,
    own_tensors,
)
from stepsize.adapters.torch.eager import eager
from stepsize.adapters.torch.groups import Group, Path, group_name
from stepsize.adapters.torch.program import Program
from stepsize.control.events import Event, Target
from stepsize.control.trajectory import Trajectory

TABLE = 1024  # values computed ahead; makes an update a look-up


@final
class Feed:
    """The values of one trajectory, times one factor, a table at a time."""

    __slots__ = ("factor", "start", "table", "trajectory")

    def __init__(self, trajectory: Trajectory, factor: float = 1.0) -> None:
        self.trajectory = trajectory
        self.factor = factor
        self.start = 0
        self.table: list[float] = []

    @eager
    def at(self, update: int) -> float:
        """Return the value of an update."""
        place = update - self.start
        if not 0 <= place < len(self.table):
            _refill(self, update)
            place = 0
        return self.table[place]


@torch.compiler.disable  # type: ignore[untyped-decorator]
def _refill(feed: Feed, update: int) -> None:
    values = feed.trajectory.block(update, update + TABLE)
    if feed.factor != 1:
        factor = feed.factor
        values = [value * factor for value in values]
    feed.start, feed.table = update, values


@final
class Plan:
    """The columns for one list of groups, and the values of the next update.

    Attributes:
        groups: The groups it was made for, compared at every update.
        live: The optimizer's own list of them, if every group in it gets one value
            whatever it is (then only a longer list calls for a new plan); else None.
        key: "lr" if that is the only column, and plain numbers; else None. The hot
            path then writes it by itself.
        value: Its value for the next update.
        factors: What multiplies it in each group; None: nothing does.
        feed: That column's feed.
        sources: For each hyperparameter, a trajectory and a factor for each group,
            None where it has no such hyperparameter.
    """

    __slots__ = (
        "columns",
        "factors",
        "feed",
        "feeds",
        "groups",
        "key",
        "live",
        "lr_tensor",
        "sources",
        "value",
        "values",
    )

    def __init__(
        self,
        live: list[Group] | None,
        groups: list[Group],
        feeds: list[Feed],
        columns: list[Column],
        sources: dict[str, list[Source | None]],
    ) -> None:
        self.groups = groups
        self.feeds = feeds
        self.columns = columns
        self.sources = sources
        only = columns[0] if len(columns) == 1 else None
        plain = isinstance(only, (Even, Scaled)) and only.key == "lr"
        self.key = "lr" if plain else None
        self.factors = only.factors if isinstance(only, Scaled) else None
        self.live = live if plain and self.factors is None else None
        self.feed = feeds[0]
        lr = groups[0].get("lr") if groups else None
        self.lr_tensor = lr if isinstance(lr, torch.Tensor) else None
        self.value = 0.0
        self.values = [0.0] * len(feeds)

    @eager
    def advance(self, update: int) -> None:
        """Look up the values of an update."""
        values = self.values
        for index, feed in enumerate(self.feeds):
            values[index] = feed.at(update)
        self.value = values[0]

    @eager
    def write(self, groups: Sequence[Group]) -> None:
        """Write the values that `advance` looked up."""
        values = self.values
        for column in self.columns:
            column.write(groups, values)

    @eager
    def lr_is_zeroed(self, group: Group) -> bool:
        """Whether somebody put a zero, or another tensor, into the first group."""
        lr = group.get("lr", 1.0)
        if isinstance(lr, torch.Tensor):
            return lr is not self.lr_tensor
        return not lr

    def value_at(self, path: str, index: int, update: int) -> float | None:
        """Return a group's value at any update, None where it has none."""
        source = self.sources[path][index]
        if source is None:
            return None
        trajectory, factor = source
        return trajectory(update) * factor

    def trajectories(self, path: str) -> list[Trajectory]:
        """Return the distinct trajectories of a hyperparameter."""
        found = {id(source[0]): source[0] for source in self.sources[path] if source}
        return list(found.values())

    def covers(self, target: Target) -> bool:
        """Whether a target names something that is driven."""
        return any(
            source is not None
            and target.matches(target.hyperparameter, group_name(group, index))
            for index, (group, source) in enumerate(
                zip(
                    self.groups,
                    self.sources.get(target.hyperparameter, [None] * len(self.groups)),
                    strict=True,
                )
            )
        )


def make_plan(
    optimizer: Any,
    program: Program,
    bases: Sequence[float],
    events: Sequence[Event],
) -> Plan:
    """Lay out a program over the groups that the optimizer has now.

    Args:
        optimizer: Its tensors get owners of their own where groups share one.
        program: What is scheduled.
        bases: What `lr_factor` multiplies, one for each group.
        events: The events so far.

    Returns:
        The plan; `advance` must be called before `write`.

    Raises:
        AdapterError: No group has one of the hyperparameters.
    """
    groups: list[Group] = list(optimizer.param_groups)
    feeds: dict[Any, int] = {}
    made: list[Feed] = []
    trajectories: dict[Any, Trajectory] = {}
    columns: list[Column] = []
    sources: dict[str, list[Source | None]] = {}

    def feed_of(trajectory: Trajectory, factor: float) -> int:
        key = (id(trajectory), factor)
        if key not in feeds:
            feeds[key] = len(made)
            made.append(Feed(trajectory, factor))
        return feeds[key]

    for text in program.parts:
        path = Path.parse(text)
        own_tensors(optimizer, groups, path)
        found: list[Source | None] = []
        for index, group in enumerate(groups):
            if not path.present(group):
                found.append(None)
                continue
            resolved, factor = program.choose(text, group, index)
            if text == "lr" and program.relative:
                factor *= bases[index]
            name = group_name(group, index)
            chosen = [e.target.matches(text, name) for e in events]
            key = (resolved, tuple(chosen))
            if key not in trajectories:
                matching = tuple(compress(events, chosen))
                trajectories[key] = Trajectory.of(resolved, matching, text, name)
            found.append((trajectories[key], factor))
        sources[text] = found
        columns.append(make_column(path, groups, found, feed_of))
    live = None if program.rules or program.relative else optimizer.param_groups
    return Plan(live, groups, made, columns, sources)
