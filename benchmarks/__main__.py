"""`python -m benchmarks [part ...] [--json FILE]`."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from benchmarks.results import Part, environment
from benchmarks.show import console, show

PARTS = (
    "steps",
    "values",
    "imports",
    "population",
    "overhead",
    "find_overhead",
    "guard",
    "ledger",
    "adapters",
)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the parts that were asked for, print each as it ends, write the file."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="part", help=", ".join(PARTS))
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write this")
    given = parser.parse_args(arguments)
    unknown = [name for name in given.parts if name not in PARTS]
    if unknown:
        parser.error(f"no such part: {', '.join(unknown)}; parts: {', '.join(PARTS)}")
    if given.json is not None and not given.json.resolve().parent.is_dir():
        parser.error(f"--json {given.json}: there is no such folder")
    begin = time.perf_counter()
    out, around, parts = console(), environment(), []
    out.print(
        f"Python {around['python']}, {around['processor']}, {around['cores']} cores, "
        f"load {around['load'][0]:.1f}"
        if around["load"]
        else "load unknown"
    )
    for name in given.parts or PARTS:
        # a part loads its frameworks only when it runs
        run: Callable[[], Part] = import_module(f"benchmarks.{name}").run
        part = run()
        show(part, out)
        parts.append(part)
    met = sum(aim.met for part in parts for aim in part.aims)
    count = sum(len(part.aims) for part in parts)
    spent = time.perf_counter() - begin
    out.print(f"\n{met} of {count} aims met; {spent:.0f} s")
    if given.json is not None:
        save(parts, around, given.json)


def save(parts: Sequence[Part], around: dict[str, Any], file: Path) -> None:
    """Write what was found, numbers unrounded, as JSON."""
    plain = {"environment": around, "parts": [part.to_dict() for part in parts]}
    file.write_text(json.dumps(plain, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
