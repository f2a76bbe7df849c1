"""What the adapters built on torch's share: a Scheduler in a loop of somebody else.

The loop's own words (its hooks, its checkpoint, its metrics) are each adapter's.
"""

from __future__ import annotations

import numbers
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal, TypedDict, final

from stepsize.adapters.missing import missing
from stepsize.control import Event, Policy
from stepsize.errors import AdapterError, UnitError, describe
from stepsize.schedules.horizon import Horizon
from stepsize.schedules.schedule import ResolvedSchedule, Schedule

try:
    import torch
except ImportError as error:
    raise missing("PyTorch", "torch") from error

from stepsize.adapters.driving.arguments import Ledger, Value, as_policies
from stepsize.adapters.driving.resuming import HorizonChange
from stepsize.adapters.torch import Ranks, Rewound, Rule, Scheduler
from stepsize.adapters.torch.scheduler import Store


class Settings(TypedDict, total=False):
    """What an adapter takes and a `Scheduler` is given; see there."""

    lr: Value
    lr_factor: Value
    total_steps: int
    horizon: Horizon
    hyperparameters: Mapping[str, Value]
    rules: Mapping[Any, float | Schedule] | Iterable[Rule]
    events: Iterable[Event]
    policies: Iterable[Policy]
    snapshots: Store
    ranks: Ranks | Literal["auto"] | None
    sync_every: int
    ledger: Ledger
    on_horizon_change: HorizonChange


def checked(owner: str, settings: Settings, *, clock: bool = False) -> Settings:
    """Return settings that can be used several times.

    Args:
        owner: Who was given them, for errors.
        settings: Settings.
        clock: Whether a guard may take back the clock.

    Raises:
        AdapterError: A name is unknown, nothing is to be scheduled, or a guard wants to
            take back a loop that counts by itself.
    """
    for name in settings:
        if name not in Settings.__annotations__:
            rule = f"be one of {', '.join(Settings.__annotations__)}"
            raise AdapterError(describe(f"{owner}(**settings)", rule, name))
    if not {"lr", "lr_factor", "hyperparameters"} & set(settings):
        rule = "be given, or lr_factor, or hyperparameters"
        raise AdapterError(describe(f"{owner}.lr", rule, None))
    kept = settings.copy()
    kept["events"] = tuple(settings.get("events", ()))
    kept["policies"] = tuple(as_policies(settings.get("policies", ()), owner))
    rules = settings.get("rules", ())
    kept["rules"] = rules if isinstance(rules, Mapping) else tuple(rules)
    for policy in kept["policies"]:
        if not clock and getattr(policy, "clock", "run") == "rewind":
            rule = 'have clock="run" where the framework counts the updates'
            raise AdapterError(describe(f"{owner}.policies", rule, policy))
    return kept


@final
class Losses:
    """The losses of micro-batches, until the update that they are of is made.

    Args:
        mean: Whether an update's loss is their mean, else their sum.
    """

    __slots__ = ("_count", "_mean", "_sum")

    def __init__(self, *, mean: bool) -> None:
        self._mean = mean
        self._sum: Any = None
        self._count = 0

    def __bool__(self) -> bool:
        """Return whether there is any."""
        return self._count > 0

    def add(self, loss: Any) -> None:
        """Keep the loss of a micro-batch, without its graph and without a copy."""
        if isinstance(loss, torch.Tensor):
            loss = loss.detach()
        self._sum = loss if self._sum is None else self._sum + loss
        self._count += 1

    def take(self) -> Any:
        """Return the update's loss and forget it; None if there is none."""
        loss, count = self._sum, self._count
        self._sum, self._count = None, 0
        return loss / count if count > 1 and self._mean else loss


class Hosted(Scheduler):
    """A Scheduler whose host calls `step()` before its adapter knows the loss.

    Without policies there is no difference.
    """

    def step(  # type: ignore[override]  # no epochs
        self, epoch: None = None, *, loss: Any = None
    ) -> Rewound | None:
        """As in `Scheduler`; with policies and without a loss, leave it to `decide`."""
        if self._deciding is None or epoch is not None or loss is not None:
            return super().step(epoch, loss=loss)
        return None

    def decide(self, loss: Any) -> Rewound | None:
        """Do what `Scheduler.step` does, with the loss of the update or None."""
        return super().step(loss=loss)


def hosted(
    optimizer: Any,
    settings: Settings,
    *,
    total_steps: int | None,
    conversions: Callable[[], Mapping[str, float | None]],
    **found: Any,
) -> Hosted:
    """Return a Scheduler with the length that its host knows, where none was given.

    Args:
        optimizer: Of the host.
        settings: Of the user.
        total_steps: Updates that the host plans; None if it does not know.
        conversions: Returns what `Horizon` takes besides; only asked if a schedule has
            durations that need it, so that a resume compares no more than that.
        found: What else the host knows: model, scaler, update, replace.

    Raises:
        AdapterError, InvalidScheduleError, UnitError: See `Scheduler`.
    """
    given: dict[str, Any] = {**settings, **found}
    rates = (settings.get("lr"), settings.get("lr_factor"))
    if (
        total_steps is None
        or {"total_steps", "horizon"} & set(settings)
        or any(isinstance(rate, ResolvedSchedule) for rate in rates)
    ):
        return Hosted(optimizer, **given)
    try:
        return Hosted(optimizer, total_steps=total_steps, **given)
    except UnitError:
        known: dict[str, Any] = {k: v for k, v in conversions().items() if v}
        return Hosted(optimizer, horizon=Horizon(steps=total_steps, **known), **given)


def measured(metrics: Mapping[str, Any]) -> dict[str, float]:
    """Return those metrics that are single numbers, as floats.

    Examples:
        >>> measured({"eval_loss": torch.tensor(0.5), "confusion": [[1, 0], [0, 1]]})
        {'eval_loss': 0.5}
    """
    found = {}
    for name, value in metrics.items():
        if isinstance(value, torch.Tensor):
            single = value.numel() == 1 and not value.is_complex()
        else:
            single = isinstance(value, numbers.Real) and not isinstance(value, bool)
        if single:
            found[name] = float(value)
    return found
