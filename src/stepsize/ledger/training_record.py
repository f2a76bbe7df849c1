"""A training record: what the ledger knows of a run, for the file of its model.

Each part names the subcategories of the NIST AI RMF 1.0 that it supports as evidence.
It states what is recorded, and never that anything is complied with.
"""

from __future__ import annotations

from html import escape

from stepsize.errors import StepsizeError
from stepsize.ledger.audit import Row, instant, rows
from stepsize.ledger.history import History
from stepsize.ledger.records import Advice, Finder, Run
from stepsize.ledger.verify import Verification

SUPPORTS = {
    "Who may change the rate": "GOVERN 1.4, MAP 3.5",
    "Processes and people": "GOVERN 1.5, GOVERN 2.1",
    "How the rate was chosen": "MAP 2.3, MEASURE 1.1, MEASURE 2.1",
    "The rate, and how to reproduce it": "MAP 2.3, MEASURE 2.8, MEASURE 2.9",
    "Changes while it ran": "MEASURE 2.8, MANAGE 4.1 (continual training only)",
    "Incidents and what was done": "GOVERN 4.3, MEASURE 2.13, MANAGE 2.3, "
    "MANAGE 2.4, MANAGE 4.3",
    "Work done and repeated": "MEASURE 2.12",
    "Integrity of this record": "MEASURE 2.8",
}
"""Each section, and the subcategories that it supports evidence for."""

_SIGNS = "\\`*_[]|"


INTRODUCTION = (
    "What the run's ledger says of its learning rate. The subcategories of the NIST AI "
    "RMF 1.0 under each heading are those the section supports evidence for; it shows "
    "no conformity by itself."
)

NOTHING = "Nothing is recorded."
"""What stands in a section without lines."""


def sections(history: History, verified: Verification) -> dict[str, list[str]]:
    """Return the lines of each section, as plain text.

    Args:
        history: The run's records.
        verified: What `verify` found.
    """
    everything = rows(history)
    return {
        "Who may change the rate": _rules(history),
        "Processes and people": _processes(history),
        "How the rate was chosen": _choice(history),
        "The rate, and how to reproduce it": _rate(history),
        "Changes while it ran": _changes(everything),
        "Incidents and what was done": _incidents(everything),
        "Work done and repeated": _work(history),
        "Integrity of this record": _integrity(verified),
    }


def training_record(name: str, history: History, verified: Verification) -> str:
    """Return the document, in Markdown.

    Args:
        name: The run's name.
        history: Its records.
        verified: What `verify` found.
    """
    lines = [f"# Training record of run {plain(name)}", "", INTRODUCTION]
    for title, content in sections(history, verified).items():
        lines += ["", f"## {title}", "", f"Supports evidence for: {SUPPORTS[title]}."]
        lines += ["", *([f"- {plain(one)}" for one in content] or [NOTHING])]
    return "\n".join(lines) + "\n"


def plain(text: str) -> str:
    """Return a text that Markdown shows as it is, on one line."""
    found = escape(" ".join(text.split()), quote=False)
    for sign in _SIGNS:
        found = found.replace(sign, "\\" + sign)
    return found


def _rules(history: History) -> list[str]:
    found = {life.run.bounds for life in history.lives if life.run is not None}
    digests = sorted(one for one in found if one is not None)
    lines = [f"Bounds in force, SHA-256 {one}." for one in digests]
    if None in found:
        lines.append("A process ran without bounds: whoever can write may steer.")
    return lines


def _processes(history: History) -> list[str]:
    lines = []
    for life in history.lives:
        run = life.run
        if not isinstance(run, Run):
            continue
        end = "no end recorded" if life.end is None else life.end.outcome
        tags = "".join(f", {k} {v}" for k, v in run.tags.items())
        lines.append(
            f"{instant(run.time)}: {run.user}@{run.host}, "
            f"{_many(run.ranks, 'rank', 'ranks')}, stepsize {run.version}, Python "
            f"{run.python}{tags}; {end}."
        )
    return lines


def _choice(history: History) -> list[str]:
    lines = []
    for entry in history.entries:
        record = entry.record
        if isinstance(record, Finder):
            lines.append(f"Search for a rate: {record.text or 'see the ledger'}")
        elif isinstance(record, Advice):
            source = f" ({record.source})" if record.source else ""
            lines.append(f"Advice: {record.text}{source}")
    return lines


def _rate(history: History) -> list[str]:
    spec = history.spec
    if spec is None:
        return []
    lines = [f"Program: {spec.source}"] if spec.source else []
    try:
        total = history.rates().ends(history.update)
    except StepsizeError as error:
        lines.append(f"It cannot be computed here: {error}")
    else:
        planned = "open" if total is None else str(total)
        lines.append(f"Updates made: {history.update}; planned: {planned}.")
    lines.append("stepsize replay RUN computes each rate again.")
    return lines


def _changes(everything: list[Row]) -> list[str]:
    people = ("operator", "policy", "clock", "resume")
    found = [row for row in everything if row.who.split(":")[0] in people]
    return [_line(row) for row in found if row.what != "note"]


def _incidents(everything: list[Row]) -> list[str]:
    return [
        _line(row)
        for row in everything
        if row.who.split(":")[0] in ("guard", "ledger")
        or row.what in ("failed", "exited")
        or row.late
        or ("command" in row.what and "stop" in row.what)
    ]


def _line(row: Row) -> str:
    where = "" if row.update is None else f", update {row.update}"
    effect = ""
    if row.before is not None and row.after is not None:
        effect = f" (rate {row.before:.4g} to {row.after:.4g})"
    why = f": {row.why}" if row.why else ""
    return f"{row.time}{where}, {row.who}: {row.what}{effect}{why}"


def _work(history: History) -> list[str]:
    from stepsize.ledger.outcomes import repeated

    made = history.update
    lives = _many(len(history.lives), "process", "processes")
    return [
        f"{_many(made, 'update', 'updates')} in {lives}; {repeated(history)} of them "
        "were made again after a resume."
    ]


def _many(count: int, one: str, more: str) -> str:
    return f"{count} {one if count == 1 else more}"


def _integrity(verified: Verification) -> list[str]:
    many = _many(verified.count, "finding", "findings")
    said = "nothing is wrong" if verified.sound else many
    lines = [
        f"{verified.records} records, {verified.rates} rates compared: {said}.",
        f"Digest of the last record: {verified.head}",
    ]
    if verified.rounded:
        lines.append(f"Rates that differ in their last bits: {verified.rounded}.")
    for one in verified.findings:
        lines.append(f"Line {one.line}, {one.code}: {one.text}")
    return lines
