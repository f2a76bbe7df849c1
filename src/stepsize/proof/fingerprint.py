"""The key of a run: a digest of everything that its numbers depend on.

Not in it: the arm's name, the engine where engines agree to the bit, the processor.
"""

import hashlib
import platform
from collections.abc import Mapping
from dataclasses import fields
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from typing import final

import msgspec
import numpy as np

from stepsize.proof.arms import Arm
from stepsize.proof.cells import Planned

_PACKAGES = (
    "stepsize",
    "numpy",
    "scipy",
    "scikit-learn",
    "torch",
    "jax",
    "keras",
    "tensorflow",
    "tensorflow-cpu",
    "xgboost",
    "lightgbm",
    "mlxtend",
    "schedulefree",
    "prodigyopt",
    "dadaptation",
    "momo-opt",
)
"""Whose versions count, where they are installed."""


@final
class Fingerprint:
    """Makes the keys of one comparison's runs.

    Args:
        identity: What a task's numbers depend on.
        arithmetic: The engine's order of operations.
    """

    def __init__(self, identity: Mapping[str, str], arithmetic: str) -> None:
        self._common = {
            **identity,
            "arithmetic": arithmetic,
            "python": platform.python_version(),
            "versions": repr(versions()),
        }

    def key(self, planned: Planned) -> str:
        """Return the key of a run: 32 hexadecimal digits."""
        own = {
            "arm": _arm_digest(planned.arm, planned.peak_lr, planned.total_steps),
            "seed": str(planned.seed),
            "total_steps": str(planned.total_steps),
        }
        plain = msgspec.json.encode({**self._common, **own}, order="sorted")
        return hashlib.sha256(plain).hexdigest()[:32]


def versions() -> dict[str, str]:
    """Return the versions of the packages that take part, where installed."""
    found = {}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


@lru_cache(maxsize=4096)
def _arm_digest(arm: Arm, peak_lr: float, total_steps: int) -> str:
    """Return a digest of an arm's rates and of whatever else it holds but its name."""
    digest = hashlib.sha256()
    rates = np.array(arm.rates(peak_lr, total_steps), dtype=np.float64)
    digest.update(rates.astype("<f8").tobytes())
    digest.update(str(peak_lr * arm.schedule).encode())
    for field in fields(arm):
        value = getattr(arm, field.name)
        if field.name not in ("name", "schedule") and value != field.default:
            digest.update(f"{field.name}={value!r}".encode())
    return digest.hexdigest()
