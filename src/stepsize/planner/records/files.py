"""Files into columns: CSV, JSON and JSON lines, TensorBoard's event files."""

from __future__ import annotations

import csv
import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from stepsize.errors import FitError, FrameworkMissingError, describe
from stepsize.planner.records.columns import Column

_EVENTS = "tfevents"
_READER = "tensorboard.backend.event_processing.event_accumulator"
_MOST_BYTES = 1 << 28
_COMMA = re.compile(r"\s*[-+]?\d+,\d+(e[-+]?\d+)?\s*", re.IGNORECASE)


def table_of(path: Path) -> dict[str, Column]:
    """Return the columns of a file; of a folder, those of the event files in it.

    CSV with a header, its columns divided by commas, semicolons or tabs (also W&B's and
    MLflow's exports); JSON: a list of rows, a mapping of columns, or MLflow's list of
    metrics; JSON lines, one row or one metric a line.

    Raises:
        FitError: It cannot be read, or is of another form.
        FrameworkMissingError: It is an event file, and tensorboard is not installed.
    """
    if path.is_dir() or _EVENTS in path.name:
        return _of_events(path)
    try:
        if path.stat().st_size > _MOST_BYTES:
            rule = f"be at most {_MOST_BYTES >> 20} MiB"
            raise FitError(describe(str(path), rule, f"{path.stat().st_size} bytes"))
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise FitError(f"{str(path)!r} cannot be read: {error}") from error
    suffix = path.suffix.lower()
    if suffix in (".json", ".jsonl", ".ndjson"):
        return _of_json(text, path)
    return _of_csv(text, path)


def delimiter(text: str) -> str:
    """Return what divides the columns of a CSV: a comma, unless its header has none."""
    header = next((line for line in text.splitlines() if line.strip()), "")
    if "," in header:
        return ","
    return next((one for one in (";", "\t") if one in header), ",")


def _of_csv(text: str, path: Path) -> dict[str, Column]:
    mark = delimiter(text)
    try:
        rows = [row for row in csv.reader(text.splitlines(), delimiter=mark) if row]
    except csv.Error as error:
        raise FitError(f"{str(path)!r} is no CSV: {error}") from error
    if len(rows) < 2:  # noqa: PLR2004 - a header and a row
        rule = "be CSV with a header and at least one row"
        raise FitError(describe(str(path), rule, f"{len(rows)} rows"))
    header = [name.strip() for name in rows[0]]
    wrong = [at for at, row in enumerate(rows[1:], 2) if len(row) != len(header)]
    if wrong:
        rule = f"have {len(header)} fields a row; row {wrong[0]} has not"
        raise FitError(describe(str(path), rule, len(rows[wrong[0] - 1])))
    comma = next((one for one in rows[1] if mark != "," and _COMMA.fullmatch(one)), "")
    if comma:
        rule = "have numbers with a decimal point"
        raise FitError(describe(str(path), rule, comma))
    if {"key", "value", "step"} <= set(header):
        return _of_metrics([dict(zip(header, row, strict=True)) for row in rows[1:]])
    return {
        name: [_number(row[at]) for row in rows[1:]]
        for at, name in enumerate(_without_run(header))
    }


def _of_metrics(rows: Sequence[Mapping[str, str]]) -> dict[str, Column]:
    """Return MLflow's rows as columns; those of several runs are kept apart."""
    several = len({row.get("run_id") for row in rows}) > 1
    return _columns(
        {
            "step": _number(row["step"]),
            f"{row['run_id']} - {row['key']}" if several else row["key"]: _number(
                row["value"]
            ),
        }
        for row in rows
    )


def _without_run(header: Sequence[str]) -> list[str]:
    """Return W&B's "name of run - metric" without the run, if there is only one.

    It writes columns for the metric's extremes, too, which keep their whole names.
    """
    short = [name.rpartition(" - ")[2] for name in header]
    kept = [name.endswith(("__MIN", "__MAX")) for name in short]
    return [
        name if kept[at] or short.count(short[at]) > 1 else short[at]
        for at, name in enumerate(header)
    ]


def _number(text: str) -> float | None:
    """Return a field as a number; None where it is empty, NaN where it is no number."""
    try:
        return float(text)
    except ValueError:
        return math.nan if text.strip() else None


def _of_json(text: str, path: Path) -> dict[str, Column]:
    if path.suffix.lower() == ".json":
        plain = _loaded(text, repr(str(path)))
    else:
        plain = [
            _loaded(line, f"line {number} of {str(path)!r}")
            for number, line in enumerate(text.splitlines(), 1)
            if line.strip()
        ]
    if isinstance(plain, Mapping):
        lists = {k: v for k, v in plain.items() if isinstance(v, list)}
        lengths = {len(v) for v in lists.values()}
        if lists and len(lengths) == 1 and not _rows(next(iter(lists.values()))):
            return {str(k): [_plain(one) for one in v] for k, v in lists.items()}
        # an export with the rows under one name: "history", "metrics", "log_history"
        plain = next((v for v in lists.values() if _rows(v)), None)
    if not _rows(plain):
        rule = "be a list of rows, or a mapping of columns of one length"
        raise FitError(describe(str(path), rule, type(plain).__name__))
    return _columns(plain)


def _loaded(text: str, what: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:  # also a number of 5000 digits
        raise FitError(f"{what} is no JSON: {error}") from error


def _rows(value: Any) -> bool:
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(row, Mapping) for row in value)
    )


def _columns(rows: Iterable[Mapping[str, Any]]) -> dict[str, Column]:
    """Return rows as columns; MLflow's rows of (key, value, step) are turned first."""
    listed = [
        {"step": row["step"], str(row["key"]): row["value"]}
        if {"key", "value", "step"} <= set(row)
        else row
        for row in rows
    ]
    names = list(dict.fromkeys(str(name) for row in listed for name in row))
    return {name: [_plain(row.get(name)) for row in listed] for name in names}


def _plain(value: Any) -> float | None:
    if isinstance(value, str):  # as exports have NaN, Infinity, and at times numbers
        return _number(value)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        return float(value)
    except OverflowError:
        return math.inf


def _of_events(path: Path) -> dict[str, Column]:
    if path.is_dir() and not any(_EVENTS in one.name for one in path.iterdir()):
        rule = f"be a folder with a ledger.jsonl or with event files, *{_EVENTS}*"
        hint = "stepsize runs FOLDER lists the runs below a folder"
        raise FitError(describe("run", rule, str(path), hint=hint))
    try:
        module = import_module(_READER)
    except ImportError as error:
        message = "event files need tensorboard. hint: pip install tensorboard"
        raise FrameworkMissingError(message) from error
    if not path.exists():
        raise FitError(f"{str(path)!r} cannot be read: there is no such file")
    events = module.EventAccumulator(
        str(path), size_guidance={"scalars": 0, "tensors": 0}
    )
    events.Reload()
    rows: list[dict[str, Any]] = [
        {"step": one.step, tag: float(one.value)}
        for tag in events.Tags()["scalars"]
        for one in events.Scalars(tag)
    ]
    for tag in events.Tags()["tensors"]:
        for one in events.Tensors(tag):
            values = one.tensor_proto.float_val
            if len(values) == 1:
                rows.append({"step": one.step, tag: float(values[0])})
    if not rows:
        raise FitError(describe(str(path), "have scalars in it", "none"))
    return _columns(rows)
