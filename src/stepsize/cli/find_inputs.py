"""What `stepsize find` is given: a function that sets a training up, or a curve."""

import csv
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from stepsize.errors import FinderError, describe
from stepsize.planner.records.files import delimiter
from stepsize.proof.functions import TrainFunction, import_file, reason_of

NEEDED = ("model", "optimizer", "loss_fn", "batches")
ALLOWED = (
    "accumulate",
    "clip",
    "scaler",
    "autocast",
    "device",
    "data",
    "horizon",
    "validation",
    "pretrained",
)
COLUMNS = ("lr", "loss")


def load_setup(text: str, field: str = "find.script") -> Callable[[], Any]:
    """Return the function that my_script.py:setup names.

    Args:
        text: The two names.
        field: What an error calls it.

    Raises:
        FinderError: There is no such file or function.
        ProofError: The file cannot be imported.
    """
    file, colon, name = text.rpartition(":")
    path = Path(file)
    if not colon or not name.isidentifier() or not path.is_file():
        rule = "be FILE.py:FUNCTION, with a file that exists"
        hint = f"looked in {Path.cwd()}; write it as my_script.py:setup"
        raise FinderError(describe(field, rule, text, hint=hint))
    found = getattr(import_file(path.resolve(), path.stat().st_mtime_ns), name, None)
    if not callable(found):
        raise FinderError(describe(path.name, f"define the function {name}", found))
    made: Callable[[], Any] = found
    return made


def set_up(text: str) -> dict[str, Any]:
    """Call the function that my_script.py:setup names, and check what it returns.

    Raises:
        FinderError: It failed, or returned something else.
    """
    setup = load_setup(text)
    with_words = failing(text)
    try:
        made = setup()
    except Exception as error:
        raise with_words(error) from error
    if not isinstance(made, Mapping):
        rule = f"return a dict with {', '.join(NEEDED)}"
        raise FinderError(describe(text, rule, type(made).__name__))
    missing = [name for name in NEEDED if name not in made]
    unknown = [name for name in made if name not in (*NEEDED, *ALLOWED)]
    if missing:
        rule = f"return a dict with {', '.join(missing)} too"
        raise FinderError(describe(text, rule, list(made)))
    if unknown:
        rule = f"return nothing but {', '.join((*NEEDED, *ALLOWED))}"
        raise FinderError(describe(text, rule, unknown))
    return dict(made)


def failing(text: str) -> Callable[[BaseException], FinderError]:
    """Return what words an error of the user's own code: what, and where."""
    path = Path(text.rpartition(":")[0])

    def worded(error: BaseException) -> FinderError:
        why = reason_of(error, TrainFunction(path.name, path), "")
        return FinderError(f"{text} failed: {why}")

    return worded


def read_curve(path: Path) -> tuple[list[float], list[float]]:
    """Return the rates and the losses of a CSV file.

    Its first line names the columns, lr and loss among them, in any order, divided by
    commas, semicolons or tabs. A loss may be nan, inf or empty (nan).

    Raises:
        FinderError: It cannot be read, or a value is no number; it says which line.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
        lines = text.splitlines(keepends=True)
        rows = list(csv.reader(lines, delimiter=delimiter(text)))
    except OSError as error:
        rule = "be a file that can be read"
        raise FinderError(
            describe("find.curve", rule, f"{path}: {error.strerror}")
        ) from error
    except (UnicodeDecodeError, csv.Error) as error:
        rule = "be a CSV file"
        raise FinderError(describe("find.curve", rule, f"{path}: {error}")) from error
    head = [name.strip().lower() for name in rows[0]] if rows else []
    places = [head.index(name) for name in COLUMNS if name in head]
    if len(places) < len(COLUMNS):
        rule = "begin with a line that names the columns lr and loss"
        hint = "as in 'lr,loss'"
        raise FinderError(describe(path.name, rule, rows[0] if rows else "", hint=hint))
    columns: list[list[float]] = [[], []]
    for line, row in enumerate(rows[1:], start=2):
        if any(cell.strip() for cell in row):
            for name, place, column in zip(COLUMNS, places, columns, strict=True):
                cell = row[place].strip() if place < len(row) else ""
                column.append(_number(cell, name, f"{path.name}, line {line}"))
    return columns[0], columns[1]


def _number(cell: str, name: str, where: str) -> float:
    if name == "loss" and not cell:
        return math.nan
    try:
        return float(cell)
    except ValueError as error:
        raise FinderError(describe(f"{where}: {name}", "be a number", cell)) from error
