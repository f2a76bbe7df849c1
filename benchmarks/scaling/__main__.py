"""`python -m benchmarks.scaling batch|recipes [FILE]`."""

from __future__ import annotations

import argparse
import json
from importlib import import_module
from pathlib import Path
from typing import Any

from benchmarks.results import environment


def main() -> None:
    """Measure, print the tables in Markdown, and write the numbers."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scaling")
    parser.add_argument("part", choices=("batch", "recipes"))
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write this")
    parser.add_argument("--only", nargs="*", default=[], metavar="NAME")
    parser.add_argument(
        "--show", type=Path, nargs="*", metavar="FILE", help="of before"
    )
    given = parser.parse_args()
    part = import_module(f"benchmarks.scaling.{given.part}")
    rows = [part.Row(**row) for file in given.show or [] for row in _read(file)]
    for row in part.measure(tuple(given.only)) if given.show is None else ():
        rows.append(row)
        if given.json is not None:
            plain = [one.to_dict() for one in rows]
            content = {"environment": environment(), "rows": plain}
            given.json.write_text(
                json.dumps(content, indent=1) + "\n", encoding="utf-8"
            )
    print(part.tables(rows))


def _read(file: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(file.read_text(encoding="utf-8"))["rows"]
    return found


if __name__ == "__main__":
    main()
