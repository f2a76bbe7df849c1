"""How long a fit of a fastai `Learner` is, in updates, epochs and samples."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def planned(learn: Any) -> int:
    """Return the updates of the fit: fastai accumulates samples, over epochs."""
    accumulation = getattr(learn, "gradient_accumulation", None)
    train, epochs = learn.dls.train, learn.n_epoch
    batches = len(train)
    if accumulation is None:
        return int(epochs * batches)
    last = train.bs  # samples of an epoch's last batch
    if not train.drop_last and train.n is not None:
        last = train.n - (batches - 1) * train.bs
    made = samples = 0
    for batch in range(epochs * batches):
        samples += last if (batch + 1) % batches == 0 else train.bs
        if samples >= accumulation.n_acc:
            made, samples = made + 1, 0
    return made


def conversions(learn: Any) -> Mapping[str, float | None]:
    """Return what `Horizon` takes of an epoch and an update."""
    accumulation = getattr(learn, "gradient_accumulation", None)
    train, parts = learn.dls.train, 1
    if accumulation is not None:
        parts = max(1, -(-accumulation.n_acc // train.bs))
    return {"steps_per_epoch": len(train) / parts, "samples_per_step": train.bs * parts}
