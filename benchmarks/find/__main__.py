"""`python -m benchmarks.find [WORD] [--json FILE]`.

Without a word it measures every finder's regret against the truth that is checked in;
`fast` measures `find(fast=True)` alone, `validation` the finder that is given
validation losses; `truth` makes the truth anew; `transfer` uses the rate found on one
data set on another; `limits` says what probes at every rate would tell.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import Counter
from dataclasses import asdict
from pathlib import Path

import torch

from benchmarks.find.limits import limits
from benchmarks.find.measuring import (
    FAST,
    OURS,
    VALIDATED,
    Suggestion,
    measure,
    measure_others,
)
from benchmarks.find.tables import OVERFIT, each_cell, finders
from benchmarks.find.transfer import transfer
from benchmarks.find.truths import SETS, cells, load, make

_ALONE = {"fast": FAST, "validation": VALIDATED}
_WORDS = ("regret", *_ALONE, "truth", "transfer", "limits")


def main() -> None:
    """Read the command line and run."""
    parser = argparse.ArgumentParser(prog="benchmarks.find", description=__doc__)
    parser.add_argument("what", nargs="?", choices=_WORDS)
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write this")
    given = parser.parse_args()
    torch.set_num_threads(1)
    if given.what == "truth":
        make()
    elif given.what == "transfer":
        print(transfer())
    elif given.what == "limits":
        print(limits())
    else:
        regret(given.json, _ALONE.get(given.what))


def regret(file: Path | None, alone: str | None) -> None:
    """Measure, print a table per set of tasks, and write the file.

    Args:
        file: Where to, as JSON.
        alone: The only finder to measure; None: all.
    """
    ours = (OURS, FAST, VALIDATED) if alone is None else (alone,)
    truths, begin = load(), time.perf_counter()
    everything: list[Suggestion] = []
    for name in SETS:
        known = [c for c in cells(name) if (c[0].name, c[1]) in truths]
        said: list[Suggestion] = []
        for task, optimizer in known:
            truth = truths[task.name, optimizer]
            said += measure(task, optimizer, truth, ours=ours)
            if alone is None:
                said += measure_others(task, optimizer, truth)
        names = [(task.name, optimizer) for task, optimizer in known]
        told = [cell for cell in names if truths[cell].overfit() <= OVERFIT]
        print(f"\n## {name}: all {len(names)} cells\n\n{finders(said, names)}")
        print(
            f"\n## {name}: the {len(told)} cells whose best rate shows in the training "
            f"loss\n\n{finders(said, told)}"
        )
        print(f"\n## {name}: each cell\n\n{each_cell(said, truths, names)}")
        counts = Counter(each.status for each in said if each.finder == ours[0])
        print(f"\nstatus: {dict(counts)}", flush=True)
        everything += said
        if file is not None:
            text = json.dumps([asdict(each) for each in everything], indent=1)
            file.write_text(text + "\n", encoding="utf-8")
    print(f"\n{time.perf_counter() - begin:.0f} s")


if __name__ == "__main__":
    main()
