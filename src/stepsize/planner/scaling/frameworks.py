"""What each framework must be told so that its schedule counts the same updates.

How each counts is told on the pages "Coming from".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from stepsize.planner.scaling.steps import StepPlan


def told(plan: StepPlan) -> dict[str, dict[str, Any]]:
    """Return settings by framework, in the framework's own words.

    Two count differently: Accelerate steps a prepared scheduler once for each rank, and
    Keras counts micro-batches where it accumulates gradients.
    """
    total, rise = plan.total_steps, plan.warmup_steps
    batch, micro = plan.batch, plan.micro_batch
    accumulation, ranks = plan.accumulation, plan.world_size
    return {
        "stepsize": {"total_steps": total},
        "torch": {"step()": "once an update", "T_max": total - rise},
        "transformers": {
            "per_device_train_batch_size": micro,
            "gradient_accumulation_steps": accumulation,
            "max_steps": total,
            "warmup_steps": rise,
        },
        "accelerate": {
            "gradient_accumulation_steps": accumulation,
            "num_training_steps": total * ranks,
            "num_warmup_steps": rise * ranks,
        },
        "lightning": {
            "accumulate_grad_batches": accumulation,
            "max_steps": total,
            "interval": "step",
        },
        "deepspeed": {
            "train_batch_size": batch,
            "train_micro_batch_size_per_gpu": micro,
            "gradient_accumulation_steps": accumulation,
            "total_num_steps": total,
            "warmup_num_steps": rise,
        },
        "megatron": {
            "--global-batch-size": batch,
            "--micro-batch-size": micro,
            "--train-iters": total,
            "--lr-decay-iters": total,
            "--lr-warmup-iters": rise,
        },
        "torchtitan": {
            "training.local_batch_size": micro,
            "training.global_batch_size": batch,
            "training.steps": total,
            "lr_scheduler.warmup_steps": rise,
        },
        "composer": {
            "batch_size of the loader": micro * accumulation,
            "device_train_microbatch_size": micro,
            "max_duration": f"{total}ba",
            "t_warmup": f"{rise}ba",
        },
        "optax": {
            "every_k_schedule": accumulation,
            "decay_steps": total,
            "warmup_steps": rise,
        },
        "keras": {
            "gradient_accumulation_steps": accumulation if accumulation > 1 else None,
            "decay_steps": (total - rise) * accumulation,
            "warmup_steps": rise * accumulation,
        },
        "timm": {
            "t_initial": total,
            "warmup_t": rise,
            "t_in_epochs": False,
            "step_update(n)": "n counts updates",
        },
    }
