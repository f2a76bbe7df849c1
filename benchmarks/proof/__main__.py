"""`python -m benchmarks.proof [task ...] [--full]`: trains what is missing, writes all.

What was killed and is started again goes on where it was: finished runs are kept in the
store. `--speed` measures the engines, `--pages` writes the pages from the results that
are there, and trains nothing but the model that `finetune` starts from.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

from benchmarks.proof import figures, speed
from benchmarks.proof.pages import page
from benchmarks.proof.tasks import FULL, PROOF
from benchmarks.proof.training import train
from stepsize.proof.results import load
from stepsize.proof.workloads.files import DataMissingError

SPEED, PAGE, FIGURES = "speed.json", "index.md", "figures"


def main(arguments: Sequence[str] | None = None) -> None:
    """Train, measure, write."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.proof",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    names = [task.name for task in FULL]
    parser.add_argument("tasks", nargs="*", metavar="task", help=", ".join(names))
    parser.add_argument("--full", action="store_true", help="the longer budgets too")
    parser.add_argument("--speed", action="store_true", help="measure the engines only")
    parser.add_argument("--pages", action="store_true", help="write the pages only")
    parser.add_argument("--folder", type=Path, default=Path("docs/proof"))
    parser.add_argument("--store", type=Path, default=Path(".stepsize/proof"))
    given = parser.parse_args(arguments)
    unknown = sorted(set(given.tasks) - set(names))
    if unknown:
        parser.error(f"no such task: {', '.join(unknown)}; tasks: {', '.join(names)}")
    wanted = [task for task in FULL if task.name in given.tasks]
    tasks = wanted or list(FULL if given.full else PROOF)
    given.folder.mkdir(parents=True, exist_ok=True)
    missing: dict[str, str] = {}
    if not given.pages and not given.speed:
        for task in tasks:
            try:
                train(task, given.folder, given.store, _tell)
            except DataMissingError as error:
                missing[task.name] = "its data is not on this machine"
                _tell(f"{task.name}: left out: {error}")
    if given.speed or not (given.pages or given.tasks):
        here = [task for task in tasks if task.name not in missing]
        speed.measure(here, given.folder / SPEED, _tell)
    write(given.folder, missing)


def write(folder: Path, missing: dict[str, str]) -> None:
    """Write the page and its figures from the results in a folder."""
    files = [folder / f"{task.name}.json" for task in FULL]
    found = {file.stem: load(file) for file in files if file.is_file()}
    if not found:
        _tell(f"no results in {folder}: no page")
        return
    comparisons = {name: results.comparisons[0] for name, results in found.items()}
    (folder / FIGURES).mkdir(exist_ok=True)
    for name, comparison in comparisons.items():
        figures.draw(comparison, folder / FIGURES / f"{name}.svg")
    measured = folder / SPEED
    rows = json.loads(measured.read_text("utf-8"))["rows"] if measured.is_file() else []
    environment = next(iter(found.values())).environment
    text = page(comparisons, environment, rows, missing)
    (folder / PAGE).write_text(text, encoding="utf-8")


def _tell(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    main()
