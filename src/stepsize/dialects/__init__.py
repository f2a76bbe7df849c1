"""The same schedules in the words of ten peers, a module each, loaded on first use.

    from stepsize import dialects

    dialects.torch.CosineAnnealingLR(T_max=100, base_lr=0.1)
    dialects.megatron.OptimizerParamScheduler(0.0, 3e-4, 3e-5, 100, 1000, "cosine")

Functions have the names, arguments and defaults of the peer's classes and return a
`Schedule`. The optimizer is left out; where the peer reads its rate from there, the
keyword `base_lr` stands for it. No peer is imported.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

__all__ = [
    "composer",
    "deepspeed",
    "fastai",
    "keras",
    "megatron",
    "optax",
    "timm",
    "torch",
    "torchtitan",
    "transformers",
]


def __getattr__(name: str) -> Any:
    """Load a peer's dialect on first use."""
    if name not in __all__:
        message = f"module 'stepsize.dialects' has no attribute {name!r}"
        raise AttributeError(message)
    return import_module(f"stepsize.dialects.{name}")


def __dir__() -> list[str]:
    """List the peers, loaded or not."""
    return sorted({*globals(), *__all__})
