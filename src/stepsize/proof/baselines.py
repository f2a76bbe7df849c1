"""Optimizers that need no schedule, as arms: a constant rate, their own packages.

    schedule_free   Defazio et al. 2024, arXiv:2405.15682    schedulefree
    prodigy         Mishchenko & Defazio 2023, 2306.06101    prodigyopt
    dadapt          Defazio & Mishchenko 2023, 2301.07733    dadaptation
    momo            Schaipp et al. 2023, 2305.07583          momo-opt

Each takes the workload's momentum or betas, its epsilon and its weight decay. The grid
is the same as for every arm. Prodigy and D-Adaptation estimate the rate by themselves,
so for them a rate of the grid is a factor of that: 1 at the workload's default rate.
Not here: the training loop (`population.train_one`).
"""

from __future__ import annotations

import importlib
import io
from collections.abc import Callable, Mapping
from contextlib import redirect_stdout
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, final

from stepsize.errors import FrameworkMissingError

if TYPE_CHECKING:
    from torch import nn
    from torch.optim import Optimizer

    from stepsize.proof.workloads.spec import Workload

_WARMUP = 0.1
"""Of Schedule-Free, which its authors advise; the share that the schedules warm up."""


@final
@dataclass(frozen=True, slots=True)
class Baseline:
    """One optimizer that needs no schedule.

    Attributes:
        module: What is imported.
        package: What is installed.
        make: Makes it from its module, for a workload's model and a number of updates.
        is_factor: Whether its rate is a factor of one that it estimates.
    """

    module: str
    package: str
    make: Callable[[Any, Workload, nn.Module, int], Optimizer]
    is_factor: bool = False

    def load(self) -> Any:
        """Import its module.

        Raises:
            FrameworkMissingError: The package is not installed.
        """
        try:
            return importlib.import_module(self.module)
        except ModuleNotFoundError as error:
            raise FrameworkMissingError(
                f"this arm needs the package {self.package!r}, which is not "
                f"installed. hint: pip install {self.package}"
            ) from error

    def make_optimizer(
        self, workload: Workload, model: nn.Module, total_steps: int
    ) -> Optimizer:
        """Make the optimizer; see `population.single.MakeOptimizer`."""
        with redirect_stdout(io.StringIO()):  # some tell about themselves there
            return self.make(self.load(), workload, model, total_steps)


def _schedule_free(
    package: Any, workload: Workload, model: nn.Module, total_steps: int
) -> Optimizer:
    more = {
        "weight_decay": workload.weight_decay,
        "warmup_steps": round(_WARMUP * total_steps),
    }
    if workload.optimizer == "sgd":
        made = package.SGDScheduleFree(
            model.parameters(), momentum=workload.momentum, **more
        )
    else:
        made = package.AdamWScheduleFree(model.parameters(), **_adam(workload), **more)
    made.train()
    return made  # type: ignore[no-any-return]  # the package is not typed


def _prodigy(
    package: Any, workload: Workload, model: nn.Module, total_steps: int
) -> Optimizer:
    del total_steps
    return package.Prodigy(  # type: ignore[no-any-return]  # the package is not typed
        model.parameters(),
        **_adam(workload),
        weight_decay=workload.weight_decay,
        decouple=workload.optimizer == "adamw",
        use_bias_correction=True,
    )


def _dadapt(
    package: Any, workload: Workload, model: nn.Module, total_steps: int
) -> Optimizer:
    del total_steps
    decay = workload.weight_decay
    if workload.optimizer == "sgd":
        return package.DAdaptSGD(  # type: ignore[no-any-return]  # as above
            model.parameters(), momentum=workload.momentum, weight_decay=decay
        )
    return package.DAdaptAdam(  # type: ignore[no-any-return]  # as above
        model.parameters(), **_adam(workload), weight_decay=decay, decouple=True
    )


def _momo(
    package: Any, workload: Workload, model: nn.Module, total_steps: int
) -> Optimizer:
    del total_steps
    decay = workload.weight_decay
    if workload.optimizer == "sgd":
        return package.Momo(  # type: ignore[no-any-return]  # as above
            model.parameters(), weight_decay=decay, beta=workload.momentum
        )
    return package.MomoAdam(  # type: ignore[no-any-return]  # as above
        model.parameters(), **_adam(workload), weight_decay=decay
    )


def _adam(workload: Workload) -> dict[str, Any]:
    return {"betas": workload.betas, "eps": workload.eps}


BASELINES: Mapping[str, Baseline] = MappingProxyType(
    {
        "schedule_free": Baseline("schedulefree", "schedulefree", _schedule_free),
        "prodigy": Baseline("prodigyopt", "prodigyopt", _prodigy, is_factor=True),
        "dadapt": Baseline("dadaptation", "dadaptation", _dadapt, is_factor=True),
        "momo": Baseline("momo", "momo-opt", _momo),
    }
)
"""By the name that an arm has them under."""
