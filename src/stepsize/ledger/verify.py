"""`verify`: whether a run's records are whole, unchanged, and agree with each other."""

from __future__ import annotations

import math
import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, final

from stepsize.errors import LedgerError, StepsizeError, describe
from stepsize.ledger.chain import START, Entry, check, entry
from stepsize.ledger.history import History, Life
from stepsize.ledger.rates import Rates
from stepsize.ledger.records import Answer, Changed, Command, Metric, Source, Spec
from stepsize.ledger.store import Store

MOST = 100
"""Findings that are listed; the others are counted."""

LAST_BITS = {"float32": 2.4e-7, "float16": 2e-3, "bfloat16": 1.6e-2}
"""Relative difference of two values of a type whose last bits differ, at most."""

SAME = 1e-12
"""Difference, as a share of the highest rate, of two curves that count as the same."""

_TOGETHER = 1000  # metrics that are compared at once


@final
@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as it should be.

    Attributes:
        line: Number of the line, from 1.
        code: "damaged", a line is no record; "edited", it is not as it was sealed;
            "gap", lines are missing or in another order; "torn", the last one has no
            end; "head", the last digest is not the expected one; "rate", a rate does
            not follow from spec and events; "event", an event stands where it cannot;
            "answer", a command was answered wrongly; "spec", rates cannot be checked.
        text: A sentence.
    """

    line: int
    code: str
    text: str


@final
@dataclass(frozen=True, slots=True)
class Verification:
    """What came of it.

    Attributes:
        records: Lines that are records.
        rates: Values that were compared with what follows from spec and events.
        rounded: Metrics whose values differ in their last bits only: another machine's
            sine and exponential are rounded in another way.
        head: Digest of the last line: kept elsewhere, it shows whether all of the file
            was written anew.
        findings: What is wrong, at most `MOST` of them; empty if nothing is.
        count: How many there are.
    """

    records: int
    rates: int
    rounded: int
    head: str
    findings: tuple[Finding, ...]
    count: int

    @property
    def sound(self) -> bool:
        """Whether nothing is wrong."""
        return not self.count


def verify(store: Store, head: str | None = None) -> Verification:
    """Check every line and every rate.

    Args:
        store: Where the records are.
        head: Digest that a line must have: the last one known. Its beginning will do,
            from 16 digits on.

    Raises:
        LedgerError: The digest is none.
        UnavailableError: The records could not be read.
    """
    if head is not None and not re.fullmatch("[0-9a-f]{16,64}", head):
        rule = "be 16 to 64 hexadecimal digits, the beginning of a digest or all of it"
        hint = "stepsize verify RUN prints it as head"
        raise LedgerError(describe("verify.head", rule, head, hint=hint))
    checked = _Checked()
    history = History(checked.entries(store), checked.watch)
    checked.finish(history)
    if head is not None and not any(one.startswith(head) for one in checked.heads):
        last = checked.lines
        checked.add(last, "head", f"no line has the digest {head}: it was written anew")
    return Verification(
        checked.records,
        checked.rates,
        checked.rounded,
        checked.previous,
        tuple(checked.findings),
        checked.count,
    )


@final
class _Checked:
    """The findings so far."""

    def __init__(self) -> None:
        self.findings: list[Finding] = []
        self.count = self.lines = self.records = self.rates = self.rounded = 0
        self.previous = START
        self.heads: set[str] = {START}
        self._pending: list[tuple[int, Metric]] = []
        self._life: Life | None = None
        self._spec: Spec | None = None
        self._known: dict[tuple[Any, ...], Rates | None] = {}
        self._sequences: set[int] = set()

    def add(self, line: int, code: str, text: str) -> None:
        self.count += 1
        if len(self.findings) < MOST:
            self.findings.append(Finding(line, code, text))

    def entries(self, store: Store) -> Iterator[Entry]:
        """Return the records that can be read; check how each is sealed."""
        next_n = 0
        torn: bytes | None = None
        for number, line in enumerate(store.lines(), start=1):
            self.lines = number
            if line.endswith(b"\0") or not line.endswith(b"}"):
                torn = line
            try:
                found = entry(line)
            except (ValueError, RecursionError) as error:
                self.add(number, "damaged", f"it is no record: {error}")
                next_n += 1
                torn = line
                continue
            torn = None
            if isinstance(found.record, Changed):
                try:
                    found.record.value()
                except StepsizeError as error:
                    self.add(number, "damaged", f"it is no event: {error}")
                    next_n, self.previous = found.n + 1, found.sha256
                    continue
            if found.n != next_n:
                text = f"it is record {found.n}, and {next_n} is due here"
                self.add(number, "gap", text)
            elif not check(line, self.previous):
                self.add(number, "edited", "it is not as it was sealed")
            next_n = found.n + 1
            self.previous = found.sha256
            self.heads.add(found.sha256)
            self.records += 1
            yield found
        if torn is not None and self.findings and self.findings[-1].line == self.lines:
            last = self.findings.pop()
            text = f"{last.text}; being the last, it may be what a crash left"
            self.findings.append(Finding(last.line, "torn", text))

    def watch(self, history: History, found: Entry) -> None:
        """Check a record against those before it."""
        record, line = found.record, found.n + 1
        life = history.lives[-1] if history.lives else None
        if life is not self._life:
            self._compare()
            self._life = life
        if isinstance(record, Metric):
            if record.rates:
                self._pending.append((line, record))
                if len(self._pending) >= _TOGETHER and life and not life.awaited:
                    self._compare()
        elif isinstance(record, Spec):
            self._compare()
            self._spec = record
        elif isinstance(record, Changed) and life is not None:
            self._check_event(record, line, life)

    def _check_event(self, record: Changed, line: int, life: Life) -> None:
        event = record.value()
        if event.sequence in self._sequences:
            text = f"there is another event with the sequence {event.sequence}"
            self.add(line, "event", text)
        self._sequences.add(event.sequence)
        if event.update <= life.last:
            text = (
                f"{event.kind} is for update {event.update}, and update {life.last} "
                "was made before"
            )
            self.add(line, "event", text)

    def _compare(self) -> None:
        """Compare the rates of a stretch with one spec, now that its events are known.

        Events that a life finds are another matter: what it decided again is not
        written again, and what it did not is withdrawn after the fact. Only its end
        shows what held.
        """
        pending, self._pending = self._pending, []
        if not pending or self._life is None:
            return
        if self._spec is None:
            self.add(pending[0][0], "spec", "its rates follow from nothing recorded")
            return
        known: dict[tuple[int, bool], Rates | None] = {}
        events = {flag: self._life.in_force(awaited=flag) for flag in (True, False)}
        flags = (True, False) if self._life.awaited else (True,)
        last = {flag: _ends(events[flag]) for flag in flags}
        for line, metric in pending:
            said: list[str] = []
            for flag in flags:
                upto = bisect_right(last[flag], metric.update)
                if (upto, flag) not in known:
                    kept = [one for one in events[flag] if one.update <= metric.update]
                    known[upto, flag] = self._rates(line, tuple(kept))
                rates = known[upto, flag]
                wrong = None if rates is None else _difference(metric, rates)
                if not wrong:
                    self.rounded += wrong == ""
                    said = []
                    break
                said.append(wrong)
            self.rates += sum(len(row) for row in metric.rates.values())
            if said:
                self.add(line, "rate", said[0])

    def _rates(self, line: int, events: tuple[Any, ...]) -> Rates | None:
        if self._spec is None:
            return None
        try:
            return Rates(self._spec, events)
        except StepsizeError as error:
            self.add(line, "spec", f"its rates cannot be checked: {error}")
            return None

    def finish(self, history: History) -> None:
        """Check what the last life left, and the answers."""
        self._compare()
        asked: set[str] = set()
        for found in history.entries:
            record = found.record
            if isinstance(record, Command):
                asked.add(record.id)
            elif isinstance(record, Answer):
                line = found.n + 1
                if record.command not in asked:
                    text = f"it answers {record.command}, which nobody asked before"
                    self.add(line, "answer", text)
                missing = [one for one in record.events if one not in self._sequences]
                if missing:
                    text = f"it names the event {missing[0]}, which is not there"
                    self.add(line, "answer", text)


def _ends(events: tuple[Any, ...]) -> list[int]:
    return sorted(one.update for one in events)


def _difference(metric: Metric, rates: Rates) -> str | None:
    """Return in what rates differ: None for nothing, "" for the last bits only."""
    same: str | None = None
    for path, row in metric.rates.items():
        if path not in rates.paths:
            return f"{path} follows from nothing recorded"
        due = rates.at(metric.update, path)
        if due == row:
            continue
        if len(due) != len(row):
            return f"{path} has {len(row)} groups, {len(due)} are recorded"
        sources = rates.spec.sources[path]
        peaks = rates.peaks(path)
        for index, pair in enumerate(zip(row, due, strict=True)):
            if not _close(*pair, sources[index], peaks[index]):
                return (
                    f"{path} of group {rates.spec.groups[index]!r} in update "
                    f"{metric.update} was {pair[0]!r}; {pair[1]!r} follows from spec "
                    "and events"
                )
        same = ""
    return same


def _close(
    one: float | None, other: float | None, source: Source | None, peak: float
) -> bool:
    """Whether values differ as much as those of two machines' sines may, or less."""
    if one is None or other is None or source is None:
        return one == other
    bits = LAST_BITS.get(source.dtype, SAME)
    return math.isclose(one, other, rel_tol=bits, abs_tol=SAME * peak)
