"""`Scheduler`: rates that live in an optax state, steered from outside."""

from __future__ import annotations

import math
from typing import Any, NamedTuple, Self, final

import jax
import jax.numpy as jnp
import numpy as np

from stepsize.adapters.driving import Driver
from stepsize.errors import AdapterError, describe

_HINT = "optax.inject_hyperparams(optax.adamw)(learning_rate=scheduler.schedule())"
OPEN = 1 << 16  # updates that a table is long where there is no horizon


class Table(NamedTuple):
    """The values of updates to come, as arrays: a state of `inject_hyperparams`.

    Attributes:
        count: Updates made; int32.
        first: The update of the first value; int32.
        series: Which hyperparameter of which group it is of; int32.
        values: Values of the updates from `first` on, of which the last holds (or is
            NaN, where there is no horizon); shape (n,).
    """

    count: Any
    first: Any
    series: Any
    values: Any


@final
class Rates:
    """One hyperparameter of one group; a `StatefulSchedule` of optax by its methods."""

    def __init__(self, scheduler: Scheduler, series: int) -> None:
        self._scheduler = scheduler
        self._series = series

    def init(self) -> Table:
        """Return the values to come, of a run whose optimizer is new."""
        return self._scheduler._table(0, self._series)

    def update(self, state: Table, **extra_args: Any) -> Table:
        """Return the state after an update."""
        return state._replace(count=state.count + 1)

    def __call__(self, state: Table, **extra_args: Any) -> Any:
        """Return the value of the update about to be made.

        Raises:
            AdapterError: optax was given this without `inject_hyperparams`.
        """
        if not isinstance(state, Table):
            rule = "be given to optax through inject_hyperparams"
            field = "Scheduler.schedule()"
            raise AdapterError(describe(field, rule, state, hint=_HINT))
        last = state.values.shape[0] - 1
        return state.values[jnp.clip(state.count - state.first, 0, last)]


class Scheduler(Driver):
    """A `Driver` whose values are read, and whose updates are counted, on the device.

    The optimizer's state holds a table of the values to come and the count of the
    updates made. So a jitted step needs no rate from outside and never waits for one;
    what is accumulated (`optax.MultiSteps`) or skipped (`optax.apply_if_finite`) does
    not count; and `write` changes an array, so nothing is compiled again.

    Takes the arguments of `Driver`.

    Examples:
        >>> import optax, stepsize as ss
        >>> scheduler = Scheduler(lr=0.5 * ss.linear(), total_steps=4)
        >>> sgd = optax.inject_hyperparams(optax.sgd)
        >>> optimizer = sgd(learning_rate=scheduler.schedule())
        >>> params = jnp.zeros(1)
        >>> opt_state = optimizer.init(params)
        >>> def update(params, opt_state):
        ...     updates, opt_state = optimizer.update(jnp.ones(1), opt_state, params)
        ...     return optax.apply_updates(params, updates), opt_state
        >>> params, opt_state = jax.jit(update)(params, opt_state)
        >>> float(params[0]), float(opt_state.hyperparams["learning_rate"])
        (-0.5, 0.5)
        >>> _ = scheduler.read(opt_state).scale(0.1)
        >>> opt_state = scheduler.write(opt_state)
        >>> params, opt_state = jax.jit(update)(params, opt_state)
        >>> round(float(opt_state.hyperparams["learning_rate"]), 6)
        0.0375
    """

    def schedule(self, hyperparameter: str = "lr", group: str | None = None) -> Rates:
        """Return what `optax.inject_hyperparams` takes for a hyperparameter.

        Args:
            hyperparameter: One of `hyperparameters`.
            group: Which group's, for `optax.multi_transform`; None: the first one's.

        Raises:
            AdapterError: The hyperparameter is not driven, or there is no such group.
        """
        feed = self._feed(hyperparameter, group)
        return Rates(self, list(self._feeds.values()).index(feed))

    def read(self, opt_state: Any) -> Self:
        """Learn from an optimizer's state how many updates were made.

        Waits for the device. Call it before `observe`, `cooldown`, ... and
        `state_dict`, which are about the next update.

        Args:
            opt_state: Any pytree that has the state in it.

        Returns:
            The Scheduler itself.

        Raises:
            AdapterError: There is no table in it; or it is from before what this
                Scheduler knows.
        """
        counts = [int(count) for count in _counts(opt_state)]
        if min(counts) != max(counts):
            rule = "be the same in all groups"
            raise AdapterError(describe("opt_state count", rule, counts))
        if counts[0] < self.update:
            rule = f"be {self.update} or more: updates do not go back"
            hint = "load the Scheduler's own state of that checkpoint first"
            raise AdapterError(describe("opt_state count", rule, counts[0], hint=hint))
        if counts[0] > self.update:
            self.step(counts[0] - self.update)
        return self

    def write(self, opt_state: Any) -> Any:
        """Return an optimizer's state with the values as they are now to be.

        Args:
            opt_state: As for `read`; it is read, too.

        Returns:
            The same pytree with other tables in it. Their size is the same, so that a
            compiled step goes on, unless an `extend` made the run outgrow them.

        Raises:
            AdapterError: See `read`.
        """
        self.read(opt_state)

        def renewed(node: Any) -> Any:
            if not isinstance(node, Table):
                return node
            # the leaves: flax.nnx has its own variables around them
            (count, _, series, values), form = jax.tree.flatten(node)
            table = self._table(self.update, int(series), values.shape[0])
            return jax.tree.unflatten(form, [count, table.first, series, table.values])

        return jax.tree.map(renewed, opt_state, is_leaf=_is_table)

    def _table(self, update: int, series: int, size: int = 0) -> Table:
        feed = list(self._feeds.values())[series]
        left = feed.trajectory.left_at(update)
        count = max(size, (OPEN if left is None else left) + 1)
        values = feed.block(update, count)
        if left is None:
            values[-1] = math.nan  # never a wrong rate where `write` came too late
        return Table(
            count=jnp.asarray(update, jnp.int32),
            first=jnp.asarray(update, jnp.int32),
            series=jnp.asarray(series, jnp.int32),
            values=jnp.asarray(np.asarray(values), jnp.result_type(float)),
        )


def _is_table(node: object) -> bool:
    return isinstance(node, Table)


def _counts(opt_state: Any) -> list[Any]:
    nodes = jax.tree.leaves(opt_state, is_leaf=_is_table)
    counts = [node.count for node in nodes if isinstance(node, Table)]
    if not counts:
        rule = "have a table of rates in it"
        raise AdapterError(
            describe("opt_state", rule, type(opt_state).__name__, hint=_HINT)
        )
    if any(count.shape for count in counts):
        rule = "be of one training, not of several at once"
        hint = "take one replica: jax.tree.map(lambda x: x[0], opt_state)"
        raise AdapterError(describe("opt_state", rule, counts[0].shape, hint=hint))
    return jax.device_get(counts)  # type: ignore[no-any-return]  # a list, as given
