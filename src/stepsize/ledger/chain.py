"""Lines of a ledger: canonical JSON, each sealed with what came before it.

A line is {"n": 7, "record": {...}, "version": 1, "sha256": "..."} with sorted keys and
no spaces. Its digest is

    sha256(digest of the line before (64 zeros for the first) + the line without it)

so that no byte of any line can be changed, and no line taken out, without a trace in
what follows. Who can write the whole file can also seal it anew: the last digest, kept
elsewhere, is what shows that. Not here: where lines are kept.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

import msgspec

from stepsize.errors import CorruptRecordError, LedgerError, describe
from stepsize.ledger.records import AnyRecord, Record

VERSION = 1
START = "0" * 64
"""The digest before the first line."""

_MARK = b',"sha256":"'
_TAIL = len(_MARK) + 64 + 2


class Entry(msgspec.Struct, frozen=True):
    """A record in its place.

    Attributes:
        n: Its place, from 0.
        record: The record.
        version: Of the format.
        sha256: The line's digest.
    """

    n: int
    record: AnyRecord
    version: int
    sha256: str


_encoder = msgspec.json.Encoder(order="sorted")
_decoder: msgspec.json.Decoder[Entry] = msgspec.json.Decoder(Entry)


def seal(n: int, record: AnyRecord, previous: str) -> tuple[bytes, Entry]:
    """Return the line of a record, without its newline, and what it reads as.

    Args:
        n: Its place.
        record: The record.
        previous: Digest of the line before; `START` for the first.

    Raises:
        LedgerError: It is no record, or could not be read again: a value is of another
            type, or is no JSON.
    """
    if not isinstance(record, Record):
        rule = "be one of stepsize.ledger.records, as Note(text=...) is"
        raise LedgerError(describe("record", rule, record))
    try:
        if record.lasting:  # the encoder would write null for NaN
            json.dumps(msgspec.to_builtins(record), allow_nan=False)
        content = {"n": n, "record": record, "version": VERSION}
        head = _encoder.encode(content)
        digest = hashlib.sha256(previous.encode() + head).hexdigest()
        line = head[:-1] + _MARK + digest.encode() + b'"}'
        return line, _decoder.decode(line)
    except (msgspec.MsgspecError, TypeError, ValueError, RecursionError) as error:
        rule = "be made of JSON, with values of the types it names"
        hint = f"it cannot be written: {error}"
        kind = type(record).__name__
        raise LedgerError(describe(kind, rule, record, hint=hint)) from error


def entry(line: bytes) -> Entry:
    """Return what a line reads as; whether it is unchanged is for `check` to say.

    Raises:
        ValueError: It is none.
    """
    try:
        found = _decoder.decode(line)
    except msgspec.MsgspecError as error:  # a ValueError from msgspec 0.21 on only
        raise ValueError(str(error)) from error
    if found.version != VERSION:
        message = f"version {found.version}; this stepsize reads version {VERSION}"
        raise ValueError(message)
    return found


def check(line: bytes, previous: str) -> bool:
    """Whether a line is as it was sealed, after the line with that digest."""
    head, mark, digest = line[:-_TAIL], line[-_TAIL : -_TAIL + 11], line[-66:-2]
    if mark != _MARK or line[-2:] != b'"}':
        return False
    made = hashlib.sha256(previous.encode() + head + b"}").hexdigest()
    return made.encode() == digest


def corrupt(where: str, line: Any, why: str) -> CorruptRecordError:
    """Return the error of a damaged line."""
    text = line.decode(errors="replace") if isinstance(line, bytes) else line
    return CorruptRecordError(describe(where, "be a record", text, hint=why))
