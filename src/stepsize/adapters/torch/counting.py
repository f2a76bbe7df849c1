"""Calls of `step()` without an update between: which are harmless, which freeze a rate.

Harmless: micro-batches that accumulate, updates a GradScaler skipped, Accelerate's
call per process. Not harmless: updates are made, but the optimizer's hooks never run.
"""

from __future__ import annotations

import sys
import warnings
from types import FrameType
from typing import Any

import torch

from stepsize.adapters.driving.warning import SchedulerWarning
from stepsize.errors import AdapterError

WARN_AT = 2  # calls in a row without an update
RAISE_AT = 10
DRY_RUN_DEPTH = (
    16  # frames from our hook to the caller of optimizer.step, and some more
)
QUIET_AT_MOST = 1000  # harmless-looking calls before the first update that is seen


def _no_number() -> int:
    return -1


# Counts the autograd nodes this thread made: grows with every forward pass that will
# be differentiated. Private, so absent is allowed: then fewer cases are recognised.
forward_passes: Any = getattr(torch.autograd, "_get_sequence_nr", _no_number)


def probe_of(groups: list[dict[str, Any]]) -> torch.Tensor | None:
    """Return a parameter whose version tells that an update was made."""
    for group in groups:
        for parameter in group["params"]:
            if parameter.requires_grad and not parameter.is_inference():
                return parameter  # type: ignore[no-any-return]  # a tensor
    return None


def version_of(probe: torch.Tensor | None) -> int:
    """Return how often a parameter was written to, -1 for none."""
    return -1 if probe is None else probe._version


class Repeats:
    """Judges each call of `step()` after the first since an update."""

    __slots__ = ("calls", "done", "quiet", "versions", "warned")

    def __init__(self) -> None:
        self.done = -1  # updates and skips when the row began
        self.calls = 1
        self.quiet = 0
        self.versions: int | None = None
        self.warned = False

    def judge(
        self,
        groups: list[dict[str, Any]],
        done: int,
        *,
        forward: bool,
        untouched: bool,
        seen: bool,
    ) -> None:
        """Let a repeated call pass, warn, or raise.

        Args:
            groups: The optimizer's groups.
            done: Updates and skips counted so far.
            forward: Whether a forward pass was made since the call before.
            untouched: Whether the probe was not written to since then.
            seen: Whether any update was ever counted by the hooks.

        Raises:
            AdapterError: The tenth call in a row that cannot be explained.
        """
        if self.done != done:
            self.done, self.calls, self.quiet, self.versions = done, 1, 0, None
        if _from_accelerate():
            return
        versions = _versions(groups)
        # the probe may be a parameter that this model never trains
        untouched = untouched and self.versions in (None, versions)
        self.versions = versions
        self.quiet += 1
        if forward and untouched and (seen or self.quiet < QUIET_AT_MOST):
            return
        self.calls += 1
        if self.calls >= RAISE_AT or self.quiet >= QUIET_AT_MOST:
            message = (
                f"Scheduler.step was called {self.quiet + 1} times in a row, and in "
                "that time the optimizer's hooks saw no update and no skipped one; "
                "the rate would stay where it is. "
                'hint: Scheduler(..., count="call") counts the calls of step() '
                "where updates are made without optimizer.step() (CUDA graph replay, "
                "engines with an optimizer of their own)."
            )
            raise AdapterError(message)
        if self.calls == WARN_AT and not self.warned:
            self.warned = True
            message = (
                "Scheduler.step was called again with no optimizer update since the "
                "last call; it does nothing then. hint: call it once after "
                'optimizer.step(), or use Scheduler(..., count="call") if updates are '
                "made without optimizer.step()."
            )
            warnings.warn(message, SchedulerWarning, stacklevel=4)


def _versions(groups: list[dict[str, Any]]) -> int:
    return sum(
        parameter._version
        for group in groups
        for parameter in group["params"]
        if not parameter.is_inference()
    )


def _from_accelerate() -> bool:
    """Whether Accelerate calls: it steps once per process for each update."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        name = frame.f_globals.get("__name__", "")
        if name.startswith("accelerate."):
            return True
        if not name.startswith(("stepsize.", "torch.")):
            return False
        frame = frame.f_back
    return False


def in_dry_run() -> bool:
    """Whether an update with zero gradients and rate only creates optimizer state.

    torch.distributed.checkpoint makes one before it saves or loads; it is no update.
    """
    frame: FrameType | None = sys._getframe(1)
    for _ in range(DRY_RUN_DEPTH):
        if frame is None:
            return False
        if frame.f_code.co_name == "_init_optim_state":
            return True
        frame = frame.f_back
    return False
