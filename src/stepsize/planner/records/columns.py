"""Columns of numbers by name, and which of them is the step, the loss and the rate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from stepsize.errors import FitError, describe

STEPS = (
    "step",
    "_step",
    "global_step",
    "iter",
    "iteration",
    "update",
    "trainer/global_step",
)
RATES = (
    "lr",
    "learning_rate",
    "rate",
    "train_lr",
    "train/lr",
    "train/learning_rate",
    "lr-adamw",
)
VALIDATION = (
    "val_loss",
    "eval_loss",
    "validation_loss",
    "valid_loss",
    "val/loss",
    "eval/loss",
    "test_loss",
)
TRAINING = ("loss", "train_loss", "training_loss", "train/loss")

Column = list[float | None]
"""Values in the order of the rows; None where a row has none."""


class Points(NamedTuple):
    """What a file says of a run.

    Attributes:
        steps: Where the loss was read.
        losses: The loss there.
        rate_steps: Where the rate was logged.
        rates: The rate there; empty if it was not.
        loss_name: Column of the loss.
    """

    steps: list[float]
    losses: list[float]
    rate_steps: list[float]
    rates: list[float]
    loss_name: str


def points(
    table: Mapping[str, Column],
    owner: str,
    *,
    loss: str | None = None,
    rate: str | None = None,
    step: str | None = None,
) -> Points:
    """Pick the columns, and the rows that have them.

    Raises:
        FitError: A column is missing, or validation and training losses are both there
            and none is named.
    """
    steps = table[_pick(table, step, STEPS, owner, "step")]
    name = _loss(table, loss, owner)
    rows = [
        (where, what)
        for where, what in zip(steps, table[name], strict=True)
        if where is not None and what is not None
    ]
    if not rows:
        rule = "have a row with both a step and a loss"
        raise FitError(describe(f"{owner}: {name}", rule, "none"))
    rated: list[tuple[float, float]] = []
    rate_name = _find(table, (rate,) if rate else RATES)
    if rate is not None and rate_name is None:
        raise FitError(_missing(owner, rate, table))
    if rate_name is not None:
        rated = [
            (where, what)
            for where, what in zip(steps, table[rate_name], strict=True)
            if where is not None and what is not None
        ]
    return Points(
        [where for where, _ in rows],
        [what for _, what in rows],
        [where for where, _ in rated],
        [what for _, what in rated],
        name,
    )


def kind_of(loss: str) -> str | None:
    """Return "validation" or "training" by a column's usual name; None: another."""
    name = loss.lower()
    if name in VALIDATION:
        return "validation"
    return "training" if name in TRAINING else None


def _loss(table: Mapping[str, Column], named: str | None, owner: str) -> str:
    if named is not None:
        return _pick(table, named, (), owner, "loss")
    found = [
        one
        for one in (_find(table, VALIDATION), _find(table, TRAINING))
        if one is not None
    ]
    if len(found) == 2:  # noqa: PLR2004 - one of each kind
        rule = "have one loss column, or be told which: validation and training are"
        hint = f"say --loss {found[0]}; a law is of one kind of loss"
        raise FitError(
            describe(owner, f"{rule} not mixed", " and ".join(found), hint=hint)
        )
    if not found:
        raise FitError(_missing(owner, VALIDATION[0], table))
    return found[0]


def _pick(
    table: Mapping[str, Column],
    named: str | None,
    usual: Sequence[str],
    owner: str,
    what: str,
) -> str:
    found = _find(table, (named,) if named else usual)
    if found is None:
        raise FitError(_missing(owner, named or what, table))
    return found


def _find(table: Mapping[str, Column], names: Sequence[str]) -> str | None:
    lower = {name.lower(): name for name in table}
    for name in names:
        if name.lower() in lower:
            return lower[name.lower()]
    return None


def _missing(owner: str, name: str, table: Mapping[str, Column]) -> str:
    rule = f"have a column {name!r}"
    hint = "name the columns with --step, --loss and --rate"
    return describe(owner, rule, ", ".join(table) or "no column", hint=hint)
