"""`python -m benchmarks.laws [part ...] [--json FILE]`: on the recorded runs."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

from benchmarks.laws import recorded
from benchmarks.laws.parts import PARTS
from benchmarks.results import environment
from benchmarks.show import console, show


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure the parts that were asked for, print each, write the file."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.laws")
    parser.add_argument("parts", nargs="*", metavar="part", help=", ".join(PARTS))
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write this")
    given = parser.parse_args(arguments)
    unknown = [name for name in given.parts if name not in PARTS]
    if unknown:
        parser.error(f"no such part: {', '.join(unknown)}; parts: {', '.join(PARTS)}")
    path = recorded.folder()
    if path is None:
        parser.error(f"set {recorded.VARIABLE} to the folder of the recorded runs")
    out, made = console(), []
    for name in given.parts or PARTS:
        part = PARTS[name](path)
        show(part, out)
        made.append(part)
    aims = [aim for part in made for aim in part.aims]
    out.print(f"\n{sum(aim.met for aim in aims)} of {len(aims)} aims met")
    if given.json is not None:
        plain = {"environment": environment(), "parts": [p.to_dict() for p in made]}
        given.json.write_text(json.dumps(plain, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
