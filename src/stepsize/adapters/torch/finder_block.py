"""`finding`: a rate for any step of your own, in a block that leaves no trace.

What is made of the losses is in `stepsize.finder`.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, final

import torch

from stepsize.adapters.driving.finding import (
    UNEVEN,
    USED_UP,
    FinderWarning,
    Tell,
    check_seed,
)
from stepsize.adapters.driving.streams import used_up
from stepsize.adapters.torch import hooks
from stepsize.adapters.torch.finder_batches import Streams
from stepsize.adapters.torch.finder_rates import Rates, standing_aside
from stepsize.adapters.torch.making import ranks_of
from stepsize.adapters.torch.ranks import Ranks
from stepsize.adapters.torch.snapshots import Subject, restoring
from stepsize.errors import AdapterError, describe
from stepsize.finder import Found, critical_rate, find
from stepsize.planner.recipe_file import Recipe
from stepsize.planner.scaling import validation

Step = Callable[[], Any]


@final
class Finder:
    """Runs a step of yours at rates of its choice; `finding` makes one.

    Attributes:
        batches: An endless iterator of batches, for `next(finder.batches)`.
    """

    __slots__ = ("_back", "_ranks", "_rates", "batches")

    def __init__(
        self,
        rates: Rates,
        streams: Streams,
        back: Callable[[], None],
        ranks: Ranks | None,
    ) -> None:
        self.batches = streams
        self._rates = rates
        self._back = back
        self._ranks = ranks

    def run(
        self,
        step: Step,
        *,
        steps: int = 500,
        fast: bool = False,
        low: float = 1e-7,
        high: float = 10.0,
        horizon: int | None = None,
        validate: Callable[[], Sequence[Any]] | None = None,
        tell: Tell | None = None,
    ) -> Found:
        """Find the rate.

        Args:
            step: Makes one update with the optimizer's present rates and the next
                batch, and returns its loss from before the update: a number, or a
                tensor of one element. Accumulation, clipping, autocast and a scaler
                are what it does itself. It must not step a scheduler.
            steps: Most updates to make. Unit: updates; int >= 1.
            fast: Whether to make one ramp of at most 100, and no probes.
            low: Where the ramp begins. Unit: lr; finite, > 0.
            high: Where it ends at the latest. Unit: lr; finite, > `low`.
            horizon: Length of the training that the rate is for, None if not known.
                Unit: updates; int >= 1.
            validate: Returns the losses of batches that are kept out of training, as
                numbers or tensors, always of the same; probes are scored by them. On
                several ranks by the mean over all.
            tell: Called after each update with a `stepsize.finder.Progress`.

        Raises:
            AdapterError: `step` returned no loss, or a rank was lost.
            FinderError: A number is outside its range.
        """
        found = find(
            self._at(step),
            self._again,
            steps=steps,
            fast=fast,
            low=low,
            high=high,
            horizon=horizon,
            validate=None if validate is None else self._validating(validate),
            tell=tell,
        )
        reasons = [*found.reasons]
        if not self._rates.even:
            reasons.append(UNEVEN)
        if self.batches.one_shot:
            reasons += used_up(self.batches.kept)
        return replace(found, reasons=tuple(reasons))

    def critical_rate(self, step: Step, *, start: float = 1e-6) -> float | None:
        """Find the rate at which a single update stops lowering the loss.

        Args:
            step: As in `run`.
            start: First rate tried. Unit: lr; finite, > 0.

        Returns:
            A lower bound of the peak, and where a warmup may begin; None if there is
            none. See `stepsize.finder.critical_rate`.
        """
        return critical_rate(self._at(step), self._again, start=start)

    def _again(self, stream: int = 0) -> None:
        self.batches.close()
        self._back()
        self.batches.begin(stream)

    def _at(self, step: Step) -> Callable[[float], float]:
        def at(lr: float) -> float:
            self._rates.set(lr)
            loss = _number(step())
            if self._ranks is not None:
                loss = self._ranks.reduce({"loss": loss})["loss"]
            return loss

        return at

    def _validating(
        self, validate: Callable[[], Sequence[Any]]
    ) -> Callable[[], Sequence[float]]:
        def validated() -> Sequence[float]:
            losses = [_number(loss) for loss in validate()]
            if self._ranks is None or not losses:
                return losses
            mean = math.fsum(losses) / len(losses)
            return [self._ranks.reduce({"loss": mean})["loss"]]

        return validated

    def check(
        self, step: Step, recipe: Recipe, *, updates: int = 100
    ) -> validation.Validation:
        """Try a recipe's rates, and lower ones if they do not hold.

        Args:
            step: As in `run`; it may also return a mapping, as for
                `stepsize.planner.scaling.validate`.
            recipe: The recipe.
            updates: Length of a trial; int >= 20.

        Raises:
            AdapterError: `step` returned no loss, or a rank was lost.
            InvalidScheduleError: A value is outside its range, or a rate or length of
                the recipe is not known.
        """

        def measured(lr: float) -> Mapping[str, float]:
            more: dict[str, float] = {}

            def loss() -> Any:
                found = step()
                if not isinstance(found, Mapping):
                    return found
                more.update(found)
                return found.get("loss")

            mean = self._at(loss)(lr)  # fills the rest
            return {**more, "loss": mean}

        self._again()
        return validation.validate(recipe, measured, self._again, updates=updates)


@contextmanager
def finding(
    model: Any,
    optimizer: Any,
    *,
    batches: Iterable[Any] | None = None,
    data: Any = None,
    scaler: Any = None,
    seed: int = 0,
    ranks: Ranks | str | None = "auto",
) -> Iterator[Finder]:
    """Find a rate with a training step of your own, and restore everything after.

    Inside, everything goes as it does in the training, but for the rates: they are set
    by the finder, and Schedulers of this optimizer stand aside. At the end, of an
    exception and of Ctrl-C too, all is as it was: see `restoring`, and the position of
    `batches` and `data`.

    Args:
        model: The model, or a list or dict of all that are trained.
        optimizer: Its optimizer, or a wrapper that has it as `optimizer`.
        batches: What `finder.batches` draws from: any iterable, begun anew where it
            ends. None: the step has its own data.
        data: Data that the step reads by itself, with `state_dict` and
            `load_state_dict`.
        scaler: The GradScaler that the step uses.
        seed: Of the batches and of dropout while finding; int. The model is not
            initialised anew.
        ranks: Processes that find together; "auto": all of torch.distributed, if it is
            initialised. The loss is their mean, and all must call it alike.

    Yields:
        The Finder, to be run inside the block.

    Raises:
        AdapterError: Something cannot be captured, a rate is missing, or `seed` or
            `ranks` is none.

    Examples:
        >>> model = torch.nn.Linear(2, 1)
        >>> optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        >>> batches = [torch.randn(8, 2) for _ in range(10)]
        >>> with finding(model, optimizer, batches=batches) as finder:
        ...
        ...     def step() -> torch.Tensor:
        ...         optimizer.zero_grad()
        ...         loss = model(next(finder.batches)).square().mean()
        ...         loss.backward()
        ...         optimizer.step()
        ...         return loss
        ...
        ...     found = finder.run(step, fast=True)
        >>> found.steps <= 100
        True
        >>> optimizer.param_groups[0]["lr"]
        0.1
    """
    check_seed(seed, "finding")
    group = ranks_of(ranks, owner="finding")
    streams = Streams(
        batches,
        data=data,
        others=modules_of(model),
        seed=seed,
        rank=rank_of(group),
        owner="finding",
    )
    if streams.one_shot:
        warnings.warn(USED_UP, FinderWarning, stacklevel=3)
    with opened(model, optimizer, scaler, streams, group, owner="finding") as finder:
        yield finder


@contextmanager
def opened(
    model: Any,
    optimizer: Any,
    scaler: Any,
    streams: Streams,
    group: Ranks | None,
    *,
    owner: str = "find_lr",
) -> Iterator[Finder]:
    """Yield a Finder; restore everything at the end."""
    inner = hooks.unwrap(optimizer, owner)
    rates = Rates(inner)
    subject = Subject(model, inner, scaler, streams)
    with (
        standing_aside(inner),
        streams.own_workers(),
        restoring(subject) as back,
    ):
        try:
            streams.begin(0)
            yield Finder(rates, streams, back, group)
        finally:
            streams.close()


def modules_of(model: Any) -> list[torch.nn.Module]:
    """Return the modules of a model, a list or a dict of them."""
    return [module for _, module in Subject(model, None).modules()]


def rank_of(group: Ranks | None) -> int:
    """Return this process's rank, 0 where it is alone."""
    return 0 if group is None else group.rank


def _number(loss: Any) -> float:
    try:
        return float(loss.detach() if isinstance(loss, torch.Tensor) else loss)
    except (TypeError, ValueError, RuntimeError) as error:
        rule = "return the loss: a number, or a tensor of one element"
        kind = type(loss).__name__
        raise AdapterError(describe("step", rule, kind)) from error
