"""The built-in workloads: small trainings on real data that a package ships.

Not here: how they are trained (`stepsize.proof.population`) and compared.

Examples:
    >>> from stepsize.proof import workloads
    >>> workloads.names()
    ('digits', 'mnist5k', 'letters', 'diamonds', 'finetune', 'charlm', 'kjv', \
'fashion_resnet', 'fashion_cnn')
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, cast

from stepsize.errors import FrameworkMissingError, ProofError, describe

if TYPE_CHECKING:
    from stepsize.proof.workloads.spec import Workload

__all__ = ["load", "names"]

_NAMES = (
    "digits",
    "mnist5k",
    "letters",
    "diamonds",
    "finetune",
    "charlm",
    "kjv",
    "fashion_resnet",
    "fashion_cnn",
)


def names() -> tuple[str, ...]:
    """Return the names that `load` knows, the quickest workload first."""
    return _NAMES


@cache
def load(name: str) -> Workload:
    """Return a built-in workload with its data read; the same object each time.

    Args:
        name: One of `names()`.

    Returns:
        The workload, on the CPU.

    Raises:
        ProofError: There is no workload of that name, or its data cannot be read; a
            `DataMissingError` if it is not on this machine.
        FrameworkMissingError: A package that the workload needs is not installed.
    """
    if name not in _NAMES:
        known = ", ".join(_NAMES)
        raise ProofError(describe("workload", f"be one of {known}", name))
    try:
        module = import_module(f"stepsize.proof.workloads.{name}")
        return cast("Workload", module.build())
    except ModuleNotFoundError as missing:
        message = (
            f"workload {name!r} needs the package {missing.name!r}, which is not "
            "installed. hint: pip install 'stepsize[proof]'."
        )
        raise FrameworkMissingError(message) from missing
