"""`restoring`: whatever happens inside leaves no trace on a training."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch.amp import GradScaler

from stepsize.adapters.torch.snapshot_image import capture, put_back
from stepsize.adapters.torch.snapshot_subject import Subject


@contextmanager
def restoring(subject: Subject, *, modes: bool = True) -> Iterator[Callable[[], None]]:
    """Restore everything exactly at the end, also of an exception or Ctrl-C.

    That is: parameters, buffers, the optimizer's state and the groups'
    hyperparameters (a key that was absent is absent again), the scaler, gradients
    (None stays None), which parameters are trained, the training mode of each module,
    every global random generator, and the data's position.

    Args:
        subject: What is restored. For a shuffled DataLoader: `data=Draws(loader)`.
        modes: Whether training modes are restored too.

    Yields:
        A function that restores all of it at once, as often as you like.

    Raises:
        AdapterError: Something cannot be captured.

    Examples:
        >>> model = torch.nn.Linear(2, 1)
        >>> optimizer = torch.optim.Adam(model.parameters(), lr=0.1)
        >>> with restoring(Subject(model, optimizer)):
        ...     model(torch.ones(2)).backward()
        ...     optimizer.step()
        >>> len(optimizer.state), model.weight.grad
        (0, None)
    """
    image = capture(subject, {})
    back = [_gradients(subject), _scaler(subject)]
    if modes:
        back.append(_modes(subject))

    def again() -> None:
        put_back(image, subject, everything=True)
        for put in back:
            put()

    try:
        yield again
    finally:
        try:
            again()
        except KeyboardInterrupt:  # pressed once more
            again()
            raise


def _modes(subject: Subject) -> Callable[[], None]:
    kept = [(module, module.training) for _, module in subject.modules()]

    def put() -> None:
        for module, training in kept:
            module.training = training

    return put


def _gradients(subject: Subject) -> Callable[[], None]:
    kept = [
        (one, one.requires_grad, one.grad, _copied(one.grad))
        for one in subject.parameters().values()
    ]

    def put() -> None:
        for parameter, trained, gradient, values in kept:
            parameter.requires_grad_(trained)
            if gradient is not None and values is not None:
                with torch.no_grad():
                    gradient.copy_(values)
            parameter.grad = gradient

    return put


def _copied(gradient: torch.Tensor | None) -> torch.Tensor | None:
    return None if gradient is None else gradient.detach().clone()


def _scaler(subject: Subject) -> Callable[[], None]:
    """Keep how far the scaler is with each optimizer: unscaled already, or not."""
    scaler = subject.scaler
    if not isinstance(scaler, GradScaler):
        return lambda: None
    stages = {key: dict(one) for key, one in scaler._per_optimizer_states.items()}

    def put() -> None:
        scaler._per_optimizer_states.clear()
        for key, stage in stages.items():
            scaler._per_optimizer_states[key] = dict(stage)

    return put
