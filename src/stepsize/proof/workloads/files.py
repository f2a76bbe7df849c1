"""Where the data lies that comes with no Python package.

Not here: reading it (the workloads), fetching it (`make data`).
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import final

from stepsize.errors import ProofError

__all__ = ["DATA", "DataMissingError", "data_folder", "find_file"]

DATA = "STEPSIZE_DATA"
"""Environment variable that names the folder."""


@final
class DataMissingError(ProofError):
    """A workload's data is not on this machine."""


def data_folder() -> Path:
    """Return the folder of data files: $STEPSIZE_DATA, else one of the user's."""
    named = os.environ.get(DATA)
    if named:
        return Path(named)
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "stepsize" / "data"


def find_file(
    workload: str, name: str, *, hint: str, also: tuple[Path, ...] = ()
) -> Path:
    """Return the path of a data file.

    Args:
        workload: Whose data it is.
        name: Its path in the data folder.
        hint: How to get it.
        also: Where else it may lie.

    Raises:
        DataMissingError: It is in none of these places.
    """
    places = (data_folder() / name, *also)
    for place in places:
        if place.is_file():
            return place
    message = (
        f"workload {workload!r} needs the file {name}, which is not at "
        f"{' or '.join(map(str, places))}. hint: {hint}; or set {DATA} to the folder "
        "that has it."
    )
    raise DataMissingError(message)
