"""Keep torch.compile out of the hot path, at no cost when nothing is compiled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import torch

_F = TypeVar("_F", bound=Callable[..., Any])


def eager(function: _F) -> _F:
    """Mark a function as never traced by torch.compile; neither are its callees' marks.

    `torch.compiler.disable` says the same of a function and all it calls, by a wrapper
    that costs 0.4 us a call: more than the rest of an update. This mark costs nothing,
    but does not reach the functions that are called, which need their own.

    Args:
        function: A plain function.

    Returns:
        The same function, or `torch.compiler.disable(function)` on a torch without
        the mark.
    """
    try:
        from torch._dynamo.decorators import skip
    except ImportError:
        disabled: _F = torch.compiler.disable(function)  # type: ignore[no-untyped-call]
        return disabled
    skip(function)
    return function
