"""Where the two files go, checked before hours of training are spent."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, final

from stepsize.errors import ProofError

if TYPE_CHECKING:
    from stepsize.proof.results import Comparison, Results

RESULTS = "results.json"
REPORT = "report.html"
_MARKS = {RESULTS: b"stepsize.results/", REPORT: b'name="generator" content="stepsize"'}


@final
@dataclass(frozen=True, slots=True)
class Outputs:
    """The two files that a comparison leaves."""

    results: Path
    report: Path

    @classmethod
    def check(cls, results: Path | None, report: Path | None) -> "Outputs":
        """Choose and check the places: the working folder unless files are named.

        Raises:
            ProofError: A folder is missing or read-only, a name is a folder, or a
                file of the default name exists that stepsize has not written.
        """
        for path in (results, report):
            if path is not None:
                _check_writable(path)
        for path, name in ((results, RESULTS), (report, REPORT)):
            if path is None:
                _check_writable(Path(name))
                _check_ours(Path(name))
        return cls(results or Path(RESULTS), report or Path(REPORT))

    def save(self, comparisons: Sequence["Comparison"]) -> tuple[Path, Path]:
        """Write both files and return where they are."""
        from stepsize.proof.report.page import save_page

        content = _content(comparisons)
        return self.save_results(comparisons), save_page(content, self.report)

    def save_results(self, comparisons: Sequence["Comparison"]) -> Path:
        """Write `results.json` alone."""
        from stepsize.proof.results import save

        return save(_content(comparisons), self.results)


def _content(comparisons: Sequence["Comparison"]) -> "Results":
    from stepsize.proof.environment import environment
    from stepsize.proof.results import Results

    return Results(
        comparisons=tuple(comparisons),
        environment=environment(),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def _check_writable(path: Path) -> None:
    folder = path.parent
    if path.is_dir():
        problem = "is a folder"
    elif not folder.is_dir():
        problem = f"cannot be written: there is no folder {os.fspath(folder)!r}"
    elif not os.access(path if path.exists() else folder, os.W_OK):
        problem = "cannot be written: no permission"
    else:
        return
    raise ProofError(f"{os.fspath(path)!r} {problem}. hint: name a file elsewhere")


def _check_ours(path: Path) -> None:
    """Refuse to overwrite a file of the default name that somebody else wrote."""
    if not path.exists():
        return
    with path.open("rb") as file:
        if _MARKS[path.name] in file.read(1000):
            return
    option = "--json" if path.name == RESULTS else "--report"
    raise ProofError(
        f"{path.name!r} exists here and was not written by stepsize. hint: name "
        f"another file with {option} FILE"
    )
