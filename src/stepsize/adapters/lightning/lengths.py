"""How long a fit of a Lightning `Trainer` is, and where its data go on."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any


def planned(trainer: Any) -> int | None:
    """Return the updates that a fit is to make; None if the Trainer does not know.

    A second `fit` of one Trainer goes on counting, with a new optimizer: its schedule
    is for the updates that are left. One that loads a checkpoint is the whole again.
    """
    updates = trainer.estimated_stepping_batches
    if trainer.ckpt_path is None:
        left = updates - trainer.fit_loop.epoch_loop._batches_that_stepped
        updates = left if left > 0 else updates  # else nothing is trained
    return int(updates) if 0 < updates < math.inf else None


def conversions(trainer: Any) -> Mapping[str, float | None]:
    """Return what `Horizon` takes of an epoch and an update, as far as it is known.

    Several loaders at once have no one batch size.
    """
    if trainer.train_dataloader is None:  # as `estimated_stepping_batches` may leave it
        trainer.fit_loop.setup_data()
    parts, batches = trainer.accumulate_grad_batches, trainer.num_training_batches
    loader = trainer.train_dataloader
    size = getattr(loader, "batch_size", None)
    if size is None:  # a loader with a batch_sampler has it there
        size = getattr(getattr(loader, "batch_sampler", None), "batch_size", None)
    replicas = (trainer.distributed_sampler_kwargs or {}).get("num_replicas", 1)
    return {
        "steps_per_epoch": None if batches == math.inf else math.ceil(batches / parts),
        "samples_per_step": size * parts * replicas if isinstance(size, int) else None,
    }


def resume_data(trainer: Any) -> None:
    """Have loaders that keep their position go on where the checkpoint says.

    Lightning tells them when it makes them. To count their batches, it made them before
    it read the checkpoint, and would now begin the epoch's data anew.
    """
    loop = trainer.fit_loop
    if loop._combined_loader_states_to_load:
        loop._combined_loader = None
        loop.setup_data()
