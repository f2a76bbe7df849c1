"""Who may see and steer: tokens in a file, of which only digests are kept; sessions.

    viewer      sees all runs
    operator    steers them, within each run's bounds
    admin       and sees who is logged in, and ends sessions

A token has 256 random bits: nothing is gained by guessing, and a plain SHA-256 of it is
all that a file needs to hold. Not here: how far a run may be steered (`Bounds`).
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import socket
import tempfile
import threading
import time
from pathlib import Path
from typing import Literal, final

import msgspec

from stepsize.errors import LedgerError, describe

Role = Literal["viewer", "operator", "admin"]
ROLES: tuple[Role, ...] = ("viewer", "operator", "admin")
"""Each may do what those before it may."""

SESSION_SECONDS = 12 * 3600.0
_MOST_SESSIONS = 10_000
_PREFIX = "ss_"
_NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}(@[A-Za-z0-9][A-Za-z0-9._-]{0,62})?$"


@final
class Token(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A token of the file.

    Attributes:
        name: Whose it is: "ada", or "ada@node3"; commands carry it.
        role: What its owner may do.
        sha256: Digest of the token.
        created: Unit: seconds since 1970.
        expires: Time after which it is none; None: never. Unit: seconds since 1970.
    """

    name: str
    role: Role
    sha256: str
    created: float
    expires: float | None = None


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    version: Literal[1]
    tokens: tuple[Token, ...]


@final
class Person(msgspec.Struct, frozen=True):
    """Who asks.

    Attributes:
        name: The token's name.
        role: Its role.
        digest: Its digest.
    """

    name: str
    role: Role
    digest: str

    def may(self, role: Role) -> bool:
        """Whether this is what the role needs, or more."""
        return ROLES.index(self.role) >= ROLES.index(role)

    @property
    def author(self) -> str:
        """Return who commands are by: user@host, the host being the server's."""
        return self.name if "@" in self.name else f"{self.name}@{socket.gethostname()}"


@final
class Session(msgspec.Struct, frozen=True):
    """Somebody who is logged in.

    Attributes:
        person: Who.
        csrf: What every change must say again: a page of another origin cannot read
            it.
        began: Unit: seconds since 1970.
    """

    person: Person
    csrf: str
    began: float


@final
class Access:
    """The tokens of a file, read again when it changes, and who is logged in.

    Args:
        path: The file, as `add_token` writes it.

    Raises:
        LedgerError: It cannot be read, or is no file of tokens.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._guard = threading.Lock()
        self._stamp: object = None
        self._tokens: dict[str, Token] = {}
        self._sessions: dict[str, Session] = {}
        self._read()

    def person(self, token: str) -> Person | None:
        """Return whose a token is; None: nobody's, or it has expired."""
        return self._of(_digest(token))

    def _of(self, digest: str) -> Person | None:
        self._read()
        for known in self._tokens.values():
            if hmac.compare_digest(known.sha256, digest):
                if known.expires is not None and time.time() > known.expires:
                    return None
                return Person(known.name, known.role, known.sha256)
        return None

    def log_in(self, token: str) -> tuple[str, Session] | None:
        """Return a new session with its secret name; None for a token that is none."""
        person = self.person(token)
        if person is None:
            return None
        key = secrets.token_urlsafe(32)
        session = Session(person, secrets.token_urlsafe(32), time.time())
        with self._guard:
            self._drop_old()
            self._sessions[_digest(key)] = session
        return key, session

    def session(self, key: str) -> Session | None:
        """Return a session; None if it is over, or its token was taken back."""
        with self._guard:
            found = self._sessions.get(_digest(key))
        if found is None or time.time() - found.began > SESSION_SECONDS:
            return None
        now = self._of(found.person.digest)
        return None if now is None else Session(now, found.csrf, found.began)

    def log_out(self, key: str) -> None:
        """End a session."""
        with self._guard:
            self._sessions.pop(_digest(key), None)

    def sessions(self) -> list[Session]:
        """Return who is logged in."""
        with self._guard:
            self._drop_old()
            return list(self._sessions.values())

    def end(self, name: str) -> int:
        """End all sessions of a name; return how many they were."""
        with self._guard:
            ended = [k for k, v in self._sessions.items() if v.person.name == name]
            for key in ended:
                del self._sessions[key]
        return len(ended)

    def _drop_old(self) -> None:
        oldest = time.time() - SESSION_SECONDS
        kept = [(k, v) for k, v in self._sessions.items() if v.began > oldest]
        self._sessions = dict(kept[-_MOST_SESSIONS:])

    def _read(self) -> None:
        with self._guard:
            try:
                found = self.path.stat()
            except OSError as error:
                raise _unreadable(self.path, str(error.strerror)) from error
            stamp = (found.st_ino, found.st_mtime_ns, found.st_size)
            if stamp != self._stamp:
                self._tokens = {one.name: one for one in read_tokens(self.path)}
                self._stamp = stamp


def read_tokens(path: Path) -> tuple[Token, ...]:
    """Return the tokens of a file.

    Raises:
        LedgerError: It cannot be read, or is no file of tokens.
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=_File).tokens
    except OSError as error:
        raise _unreadable(path, str(error.strerror)) from error
    except msgspec.MsgspecError as error:
        raise _unreadable(path, str(error)) from error


def add_token(
    path: Path, name: str, role: Role, expires_seconds: float | None = None
) -> str:
    """Give somebody a token: return it, and add its digest to a file.

    Args:
        path: The file, made if it is not there; only its owner can read it.
        name: Whose it is: letters, digits, ".", "_", "-", and "@HOST" or not.
        role: "viewer", "operator" or "admin".
        expires_seconds: Time for which it is good. Unit: seconds; > 0; None: for ever.

    Raises:
        LedgerError: The name has one, a value is outside its range, or the file cannot
            be read or written.

    Examples:
        >>> folder = tempfile.TemporaryDirectory()
        >>> file = Path(folder.name) / "tokens.json"
        >>> token = add_token(file, "ada", "operator")
        >>> Access(file).person(token).role, token in file.read_text()
        ('operator', False)
        >>> folder.cleanup()
    """
    import re

    if re.fullmatch(_NAME, name) is None:
        rule = 'be letters, digits, ".", "_" or "-", and may end in "@HOST"'
        raise LedgerError(describe("token.name", rule, name))
    if role not in ROLES:
        rule = f"be one of {', '.join(ROLES)}"
        raise LedgerError(describe("token.role", rule, role))
    if expires_seconds is not None and not expires_seconds > 0:
        rule = "be > 0, or None (unit: seconds)"
        raise LedgerError(describe("token.expires_seconds", rule, expires_seconds))
    known = read_tokens(path) if path.exists() else ()
    if any(one.name == name for one in known):
        hint = "stepsize serve revoke NAME takes the old one back"
        raise LedgerError(describe("token.name", "have no token yet", name, hint=hint))
    token = _PREFIX + secrets.token_urlsafe(32)
    now = time.time()
    expires = None if expires_seconds is None else now + expires_seconds
    made = Token(
        name=name, role=role, sha256=_digest(token), created=now, expires=expires
    )
    _write(path, (*known, made))
    return token


def revoke_token(path: Path, name: str) -> None:
    """Take a token back; sessions that began with it are over.

    Raises:
        LedgerError: There is none of that name, or the file cannot be written.
    """
    known = read_tokens(path)
    kept = tuple(one for one in known if one.name != name)
    if len(kept) == len(known):
        names = ", ".join(one.name for one in known) or "nobody"
        rule = f"have a token in {path.name}: {names} has one"
        raise LedgerError(describe("token.name", rule, name))
    _write(path, kept)


def _write(path: Path, tokens: tuple[Token, ...]) -> None:
    content = msgspec.json.format(msgspec.json.encode(_File(1, tokens)), indent=2)
    try:
        # mkstemp makes files that only their owner can read
        number, half = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(number, "wb") as file:
            file.write(content + b"\n")
        Path(half).replace(path)
    except OSError as error:
        hint = str(error.strerror)
        rule = "be in a folder that can be written to"
        raise LedgerError(describe("tokens", rule, str(path), hint=hint)) from error


def _unreadable(path: Path, why: str) -> LedgerError:
    hint = f"{why}; stepsize serve token NAME --tokens FILE makes one"
    rule = "be a file of tokens"
    return LedgerError(describe("tokens", rule, str(path), hint=hint))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
