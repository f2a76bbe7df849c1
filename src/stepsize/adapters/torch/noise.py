"""The gradient noise scale of a PyTorch model; its formulas are the planner's.

`gradient_noise` measures without training; `NoiseWatch` watches a training loop that
accumulates micro-batches or has several ranks. Parameters must be whole on every rank
(DistributedDataParallel, not sharded).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from types import TracebackType
from typing import final

import torch

from stepsize.adapters.torch.ranks import Ranks
from stepsize.errors import AdapterError, InvalidScheduleError, describe
from stepsize.planner.arguments import decay_of
from stepsize.planner.scaling.noise import Moments, NoiseMeter, from_ranks
from stepsize.schedules.arguments import number
from stepsize.schedules.durations import whole

TWO = 2
"""Gradients from which a noise can be told."""


def gradient_noise(
    loss: Callable[[], torch.Tensor],
    parameters: Iterable[torch.Tensor],
    *,
    batch: int,
    batches: int = 64,
) -> Moments:
    """Measure signal and noise of a gradient at the weights as they are.

    With g the gradients of n batches of B samples, and G their mean, |g|^2 averages
    |signal|^2 + noise / B, and |G|^2 has noise / (n B): two batch sizes from the same
    passes. No update is made; `.grad` stays. What `loss` itself moves (random numbers,
    the data's position, batch-norm statistics) moves.

    Args:
        loss: Returns the mean loss of the next batch, with its graph.
        parameters: What is trained, as `model.parameters()`.
        batch: Samples in a batch of `loss`; > 0.
        batches: How many of them; int >= 2. The estimate of the signal is off by about
            noise / (batches * batch): to see a noise scale, `batches * batch` has to be
            of its size.

    Returns:
        The estimates; `.scale` is the noise scale in samples, or None where they are
        too rough to say it.

    Raises:
        InvalidScheduleError: A value is outside its range.
        AdapterError: Nothing is trained, `loss` is something else, or a gradient is not
            finite.

    Source:
        McCandlish et al. 2018, arXiv:1812.06162, appendix A.1.

    Examples:
        >>> weight = torch.zeros(50, requires_grad=True)
        >>> drawn = torch.Generator().manual_seed(0)
        >>> def loss():  # gradients of mean 1 and variance 400 a sample
        ...     noise = torch.randn(8, 50, generator=drawn) * 20
        ...     return ((1 + noise) @ weight).mean()
        >>> round(gradient_noise(loss, [weight], batch=8, batches=2000).scale, -2)
        400.0
    """
    size = number(batch, "gradient_noise.batch", open_low=True, unit="samples")
    count = whole(batches)
    if count is None or count < TWO:
        rule = "be an int >= 2: one gradient says nothing of the noise"
        raise InvalidScheduleError(describe("gradient_noise.batches", rule, batches))
    if not callable(loss):
        raise AdapterError(describe("gradient_noise.loss", "be callable", loss))
    trained = _trained(parameters, "gradient_noise.parameters")
    total = [torch.zeros_like(one, dtype=torch.float32) for one in trained]
    norms = []
    for _ in range(count):
        mean = loss()
        if (
            not isinstance(mean, torch.Tensor)
            or mean.numel() != 1
            or not mean.requires_grad
        ):
            rule = "return the mean loss with its graph: a tensor of one element"
            raise AdapterError(describe("gradient_noise.loss", rule, mean))
        grads = torch.autograd.grad(mean, trained, allow_unused=True)
        norms.append(_norm2(grads))
        for held, grad in zip(total, grads, strict=True):
            if grad is not None:
                held.add_(grad)
    return _moments(norms, _norm2(total) / count**2, size)


@final
class NoiseWatch:
    """Measures the noise scale while a model trains, from gradients it has anyway.

    Every backward pass gives the gradient of a micro-batch on this rank, and `.grad`
    before the update the mean of all: no pass more, and no copy of a gradient. It needs
    two or more of them an update: micro-batches, ranks, or both. Dividing the loss by
    the number of micro-batches, or scaling it for mixed precision, changes nothing.

    Attributes:
        meter: The running estimate; `meter.scale` is the noise scale in samples.

    Args:
        parameters: What is trained, as `model.parameters()`.
        micro_batch: Samples in a backward pass of one rank; > 0.
        ranks: As `Ranks.here()`, where the gradients are reduced over ranks, by
            DistributedDataParallel or by hand; None: this process is alone.
        decay: Weight of the past at each update; in [0, 1).

    Raises:
        InvalidScheduleError: A value is outside its range.
        AdapterError: Nothing is trained.

    Source:
        McCandlish et al. 2018, arXiv:1812.06162, appendix A.1.

    Examples:
        >>> model = torch.nn.Linear(4, 1)
        >>> optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
        >>> with NoiseWatch(model.parameters(), micro_batch=16) as watch:
        ...     for _ in range(3):
        ...         for _ in range(4):
        ...             (model(torch.randn(16, 4)).square().mean() / 4).backward()
        ...         _ = watch.observe()  # before unscaling, clipping and the update
        ...         optimizer.step()
        ...         optimizer.zero_grad()
        >>> watch.meter.count
        3
    """

    def __init__(
        self,
        parameters: Iterable[torch.Tensor],
        *,
        micro_batch: int,
        ranks: Ranks | None = None,
        decay: float = 0.99,
    ) -> None:
        self._batch = number(
            micro_batch, "NoiseWatch.micro_batch", open_low=True, unit="samples"
        )
        past = decay_of(decay, "NoiseWatch.decay")
        self._trained = _trained(parameters, "NoiseWatch.parameters")
        self._ranks = ranks
        self.meter = NoiseMeter(decay=past)
        self._sums: list[torch.Tensor | None] = [None] * len(self._trained)
        self._passes = [0] * len(self._trained)
        self._hooks = [
            one.register_hook(self._hook(index))  # type: ignore[no-untyped-call]  # torch's
            for index, one in enumerate(self._trained)
        ]

    def observe(self) -> Moments:
        """Take the gradients of one update in; call it before they are changed.

        That is after the last backward pass, before `unscale_`, clipping and the
        optimizer's step. On several ranks all of them call it.

        Returns:
            The estimates of this update alone, which are very rough; `meter` averages.

        Raises:
            AdapterError: There was one gradient only, or one is not finite (an update
                that mixed precision is going to skip: go on with the next one).
        """
        passes = max(self._passes)
        own = _sum([one for one in self._sums if one is not None])
        mean = _norm2(one.grad for one in self._trained) / max(1, passes) ** 2
        norm, size = own / max(1, passes), 1
        self._sums = [None] * len(self._trained)
        self._passes = [0] * len(self._trained)
        if self._ranks is not None:
            norm = self._ranks.reduce({"norm": norm})["norm"]
            size = self._ranks.size
        if passes * size < TWO:
            rule = "have two backward passes or more, over all ranks, in an update"
            hint = "gradient_noise measures without accumulation"
            raise AdapterError(
                describe("NoiseWatch.observe", rule, passes * size, hint=hint)
            )
        found = _moments([norm] * (passes * size), mean, self._batch)
        self.meter = self.meter.observe(found)
        return found

    def close(self) -> None:
        """Remove the hooks; the estimate stays."""
        for hook in self._hooks:
            hook.remove()

    def __enter__(self) -> NoiseWatch:
        """Return itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close it."""
        self.close()

    def _hook(self, index: int) -> Callable[[torch.Tensor], None]:
        def taken(grad: torch.Tensor) -> None:
            norm, before = _square(grad), self._sums[index]
            self._sums[index] = norm if before is None else before + norm
            self._passes[index] += 1

        return taken


def _trained(parameters: Iterable[torch.Tensor], field: str) -> list[torch.Tensor]:
    given = list(parameters) if isinstance(parameters, Iterable) else [parameters]
    if not all(isinstance(one, torch.Tensor) for one in given):
        rule = "be tensors, as model.parameters() gives them"
        raise AdapterError(describe(field, rule, given))
    trained = [one for one in given if one.requires_grad]
    if not trained:
        raise AdapterError(describe(field, "have one that requires a gradient", []))
    return trained


def _square(grad: torch.Tensor) -> torch.Tensor:
    """Return the squared norm of one, where it is: nothing waits for a GPU."""
    return grad.detach().float().square().sum()


def _norm2(grads: Iterable[torch.Tensor | None]) -> float:
    """Return the squared norm of all together."""
    return _sum([_square(one) for one in grads if one is not None])


def _sum(squares: Sequence[torch.Tensor]) -> float:
    if not squares:
        return 0.0
    device = squares[0].device
    return float(torch.stack([one.to(device) for one in squares]).sum())


def _moments(norms: list[float], mean: float, batch: float) -> Moments:
    bad = [one for one in (*norms, mean) if not math.isfinite(one)]
    if bad:
        raise AdapterError(describe("gradient", "be finite", bad[0]))
    return from_ranks(norms, mean, batch)
