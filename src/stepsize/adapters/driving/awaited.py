"""Metrics that policies wait for: a misspelt one would never come."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import final

from stepsize.adapters.driving.warning import SchedulerWarning
from stepsize.control.policies import Policy

PATIENCE = 10
"""Observations after which a metric that none of them had is told of; a convention."""


@final
class Awaited:
    """Warns once of metrics that do not come.

    Examples:
        >>> from stepsize.control import Plateau
        >>> awaited = Awaited([Plateau("val_los")])
        >>> with warnings.catch_warnings(record=True) as told:
        ...     warnings.simplefilter("always")
        ...     for _ in range(20):
        ...         awaited.look({"val_loss": 0.3})
        >>> print(told[0].message)  # doctest: +NORMALIZE_WHITESPACE
        policy 'plateau' watches 'val_los', which none of 10 observations had; they had
        val_loss. hint: perhaps 'val_loss' is meant.
    """

    def __init__(self, policies: Iterable[Policy]) -> None:
        self._missing: dict[str, str] = {}
        for policy in policies:
            metric = getattr(policy, "metric", "loss")
            if isinstance(metric, str) and metric != "loss":
                self._missing[policy.name] = metric
        self._seen: dict[str, None] = {}
        self._count = 0

    def look(self, metrics: Mapping[str, float]) -> None:
        """Take note of what was measured, besides the loss of single updates."""
        if not self._missing or metrics.keys() <= {"loss"}:
            return
        self._count += 1
        self._seen |= dict.fromkeys(metrics)
        self._missing = {k: v for k, v in self._missing.items() if v not in metrics}
        if self._count < PATIENCE:
            return
        for name, metric in self._missing.items():
            close = get_close_matches(metric, self._seen, n=1)
            hint = f" hint: perhaps {close[0]!r} is meant." if close else ""
            warnings.warn(
                f"policy {name!r} watches {metric!r}, which none of {self._count} "
                f"observations had; they had {', '.join(self._seen)}.{hint}",
                SchedulerWarning,
                stacklevel=5,
            )
        self._missing = {}
