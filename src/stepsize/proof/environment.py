"""The machine and the versions that a repeat may depend on.

No names of people, hosts or folders.
"""

import os
import platform
from importlib.metadata import PackageNotFoundError, version

_PACKAGES = (
    "stepsize",
    "numpy",
    "scipy",
    "torch",
    "scikit-learn",
    "mlxtend",
    "joblib",
)


def environment() -> dict[str, str]:
    """Return Python, system, processor, cores, and the versions of what took part."""
    found = {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "processor": _processor(),
        "cores": str(os.cpu_count() or "unknown"),
    }
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found


def count_cores() -> int:
    """Return the number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _processor() -> str:
    """Return the processor's name: Linux keeps it in a file of its own."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as lines:
            for line in lines:
                if line.startswith("model name"):
                    return line.partition(":")[2].strip()
    except OSError:
        pass  # another system: what Python knows must do
    return platform.processor() or "unknown"
