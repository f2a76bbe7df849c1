"""Where runs stand, in the text format that Prometheus reads; no server."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Protocol

from stepsize.errors import StepsizeError
from stepsize.ledger.history import History


class _Add(Protocol):
    def __call__(self, name: str, value: float, **labels: str) -> None: ...


METRICS = {
    "stepsize_updates": ("counter", "Updates made."),
    "stepsize_planned_updates": ("gauge", "Updates planned in all."),
    "stepsize_value": ("gauge", "Value of a hyperparameter in the last update."),
    "stepsize_loss": ("gauge", "The last recorded loss."),
    "stepsize_changes": ("counter", "Events, by who decided."),
    "stepsize_commands": ("gauge", "Commands, by what became of them."),
    "stepsize_last_record_seconds": ("gauge", "Time of the last record, since 1970."),
}
"""Every metric, its type, and what it is."""


def exposition(runs: Iterable[tuple[str, str, History]]) -> str:
    """Return the text.

    Args:
        runs: The name, the place and the records of each run. Several may have one
            name, as "seed0" of two experiments; no two have one place.

    Examples:
        >>> exposition([]).splitlines()[0]
        '# HELP stepsize_updates Updates made.'
    """
    found: dict[str, list[str]] = {name: [] for name in METRICS}

    def add(name: str, value: float, **labels: str) -> None:
        said = ",".join(f'{key}="{_escaped(one)}"' for key, one in labels.items())
        found[name].append(f"{name}{{{said}}} {_number(value)}")

    for run, place, history in runs:
        which = {"run": run, "place": place}
        add("stepsize_updates", history.update, **which)
        if history.time is not None:
            add("stepsize_last_record_seconds", history.time, **which)
        if history.latest is not None and "loss" in history.latest.values:
            add("stepsize_loss", float(history.latest.values["loss"]), **which)
        _values(which, history, add)
        for who, count in _changes(history).items():
            add("stepsize_changes", count, **which, source=who)
        for status, count in _commands(history).items():
            add("stepsize_commands", count, **which, status=status)
    lines = []
    for name, (kind, text) in METRICS.items():
        lines += [f"# HELP {name} {text}", f"# TYPE {name} {kind}", *found[name]]
    return "\n".join(lines) + "\n"


def _values(which: dict[str, str], history: History, add: _Add) -> None:
    try:
        rates = history.rates()
        total = rates.ends(history.update)
        rows = {p: rates.at(max(history.update - 1, 0), p) for p in rates.paths}
    except StepsizeError:  # without a spec, or with a schedule that is a function
        return
    if total is not None:
        add("stepsize_planned_updates", total, **which)
    for path, row in rows.items():
        for group, value in zip(rates.spec.groups, row, strict=True):
            if value is not None:
                labels = {"hyperparameter": path, "group": group}
                add("stepsize_value", value, **which, **labels)


def _changes(history: History) -> dict[str, int]:
    found: dict[str, int] = {}
    for event in history.events:
        if event.kind != "note":
            who = event.source.split(":")[0]
            found[who] = found.get(who, 0) + 1
    return found


def _commands(history: History) -> dict[str, int]:
    found: dict[str, int] = {}
    for _, answer in history.commands().values():
        status = "open" if answer is None else answer.status
        found[status] = found.get(status, 0) + 1
    return found


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _number(value: float) -> str:
    if math.isfinite(value):
        return repr(value)
    return "NaN" if math.isnan(value) else ("+Inf" if value > 0 else "-Inf")
