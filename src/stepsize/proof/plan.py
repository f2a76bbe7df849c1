"""What a comparison costs: updates, seeds and peak rates, asked for and by default.

Not here: the arms (arms.py), the runs (protocols.py) and the training (engines/).
"""

import math
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

from stepsize.errors import ProofError, describe
from stepsize.proof.arms import CONSTANT, Arm
from stepsize.proof.results import Subject

if TYPE_CHECKING:
    from stepsize.proof.workloads.spec import Workload

FUNCTION_STEPS = 1000
FUNCTION_SEEDS = 3
FUNCTION_LRS = (3e-4, 1e-3, 3e-3, 1e-2, 3e-2)
"""For a function of the user's: factors of 3 about the usual rates of Adam and SGD."""

_MOST_SEEDS = 1000


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """What the caller asked for; None where the default holds.

    Attributes:
        total_steps: Updates of every run; int >= 1.
        seeds: Number of seeds; int in [1, 1000].
        select_seeds: Number of further seeds that rates are chosen by; int in
            [1, 1000].
        lrs: Peak rates; finite, > 0, each once.
        default_lr: The fixed rate; finite, > 0.
    """

    total_steps: int | None
    seeds: int | None
    lrs: Sequence[float] | None
    default_lr: float | None
    select_seeds: int | None = None

    def check(self) -> None:
        """Refuse what is outside its range.

        Raises:
            ProofError: Naming the argument, its rule and its value.
        """
        for field, value, most in (
            ("total_steps", self.total_steps, 10**9),
            ("seeds", self.seeds, _MOST_SEEDS),
            ("select_seeds", self.select_seeds, _MOST_SEEDS),
        ):
            if value is not None and not _int_between(value, 1, most):
                unit = "updates" if field == "total_steps" else "seeds"
                rule = f"be an int in [1, {most}] (unit: {unit})"
                raise ProofError(describe(f"compare.{field}", rule, value))
        if self.lrs is not None:
            lrs = list(self.lrs)
            if not lrs or not all(_positive(lr) for lr in lrs):
                rule = "be finite numbers > 0 (unit: lr)"
                hint = "as in --lrs 1e-3,3e-3,1e-2"
                raise ProofError(describe("compare.lrs", rule, lrs, hint=hint))
            if len(set(lrs)) < len(lrs):
                raise ProofError(describe("compare.lrs", "be each named once", lrs))
        if self.default_lr is not None and not _positive(self.default_lr):
            rule = "be finite and > 0 (unit: lr)"
            raise ProofError(describe("compare.default_lr", rule, self.default_lr))

    def grid(self, default: Sequence[float]) -> tuple[float, ...]:
        """Peak rates, rising."""
        return tuple(sorted(float(lr) for lr in self.lrs or default))


def workload_budget(
    workload: "Workload", asked: Budget
) -> tuple[Subject, tuple[float, ...], int]:
    """Return the subject, the grid and the number of seeds for a built-in workload."""
    grid = asked.grid(workload.peak_lrs)
    default = asked.default_lr
    if default is None and workload.default_lr in grid:
        default = workload.default_lr
    subject = Subject(
        name=workload.name,
        kind="workload",
        title=workload.title,
        metric=workload.metric,
        unit=workload.unit,
        direction=workload.direction,
        total_steps=asked.total_steps or workload.total_steps,
        default_lr=default,
        failed_margin=workload.failed_margin,
        floor=workload.chance,
        details=_details(workload),
    )
    return subject, grid, asked.seeds or workload.seeds


def _details(workload: "Workload") -> dict[str, str]:
    """Word what a reader needs to know of a workload."""
    described = workload.describe()
    settings = described["optimizer_settings"]
    plain = settings.items() if isinstance(settings, dict) else ()
    words = [f"{name} {value}" for name, value in plain if value is not None]
    details = {
        "data": workload.data,
        "model": workload.model,
        "optimizer": f"{workload.optimizer}, {', '.join(words)}, batch size "
        f"{workload.batch_size}",
    }
    if workload.fingerprint is not None:
        details["fingerprint"] = (
            f"SHA-256 of the data begins with {workload.fingerprint}"
        )
    return details


def function_budget(name: str, asked: Budget) -> tuple[Subject, tuple[float, ...], int]:
    """Return the subject, the grid and the number of seeds for a user's function."""
    subject = Subject(
        name=name,
        kind="function",
        title=f"Your function {name}",
        metric="metric",
        unit="",
        direction="min",  # until a run says which
        total_steps=asked.total_steps or FUNCTION_STEPS,
        default_lr=asked.default_lr,
        failed_margin=None,
        floor=None,
        details={},
    )
    return subject, asked.grid(FUNCTION_LRS), asked.seeds or FUNCTION_SEEDS


def repeat_command(
    subject: str | Callable[..., Any],
    *,
    schedules: Sequence[Arm] | None,
    asked: Budget,
    tuned: bool,
    halving: bool = False,
    engine: str = "auto",
) -> str:
    """Return the command line that repeats a comparison."""
    name = subject if isinstance(subject, str) else "FILE.py:FUNCTION"
    words = ["stepsize", "compare", name]
    others = [arm for arm in schedules or () if arm.name != CONSTANT]
    for arm in others:
        named = arm.name if arm.is_default else f"{arm.name}={arm.schedule}"
        words += ["--schedules", named]
    if schedules is not None and not others:
        words += ["--schedules", CONSTANT]
    if asked.total_steps is not None:
        words += ["--total-steps", str(asked.total_steps)]
    if asked.seeds is not None:
        words += ["--seeds", str(asked.seeds)]
    if asked.select_seeds is not None:
        words += ["--select-seeds", str(asked.select_seeds)]
    if asked.lrs is not None:
        words += ["--lrs", ",".join(f"{lr!r}" for lr in asked.grid(()))]
    if asked.default_lr is not None:
        words += ["--default-lr", repr(float(asked.default_lr))]
    if tuned:
        words.append("--tuned")
    if halving:
        words.append("--halving")
    if engine != "auto":
        words += ["--engine", engine]
    return shlex.join(words)


def _positive(value: object) -> bool:
    return (
        isinstance(value, int | float)
        and not isinstance(value, bool)
        and math.isfinite(value)
        and value > 0
    )


def _int_between(value: object, low: int, high: int) -> bool:
    return (
        isinstance(value, int) and not isinstance(value, bool) and low <= value <= high
    )
