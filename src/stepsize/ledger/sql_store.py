"""`SqlStore`: runs of many hosts in one database, SQLite or PostgreSQL."""

from __future__ import annotations

import importlib
import os
import re
from collections.abc import Iterator
from threading import Lock
from typing import Any, final

from stepsize.errors import (
    ConflictError,
    FrameworkMissingError,
    LedgerError,
    UnavailableError,
    describe,
)
from stepsize.ledger.chain import START, Entry, corrupt, entry, seal
from stepsize.ledger.records import AnyRecord

TABLE = "stepsize_records"
_READS = "stepsize_reads"  # set on a connection that does not write
_PAGE = 10_000
_END = 100  # last records that `ends` reads
_FEW = 10  # last records of each run that `all_ends` reads
_TRIES = 100  # of a write that another one came before

# open databases of this process, and tables known to be there, by their address
_engines: dict[str, Any] = {}
_tables: dict[str, Any] = {}
_guard = Lock()


def _forget_connections() -> None:
    """Leave the connections to the parent: a forked process makes its own."""
    for engine in _engines.values():
        engine.dispose(close=False)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_connections)


@final
class SqlStore:
    """The records of one run in a table `stepsize_records`, one a row.

    A row holds the same line as a file would: what seals it, and what `verify` checks,
    is the same. Its place is the primary key: of two writers of the same place, one is
    refused by the database, and tries again.

    Args:
        address: Of the database, as SQLAlchemy takes it: "sqlite:///runs.db",
            "postgresql+psycopg://host/runs". A password is better kept in the
            environment or in a service file than in it.
        run: The run's name; a text of 1 to 200 characters.

    Raises:
        FrameworkMissingError: SQLAlchemy, or the database's driver, is not installed.
        LedgerError: The address or the name is none.
        UnavailableError: The database cannot be used.

    Examples:
        SqlStore("sqlite:///runs.db", "seven").append(Note(text="it began"))
    """

    __slots__ = ("_table", "address", "run")

    def __init__(self, address: str, run: str) -> None:
        if not isinstance(run, str) or not 0 < len(run) <= 200:  # noqa: PLR2004 - above
            rule = "be a text of 1 to 200 characters"
            hint = 'write the run behind a "#": sqlite:///runs.db#seven'
            raise LedgerError(describe("SqlStore.run", rule, run, hint=hint))
        self.address = address
        self.run = run
        self._table = _table(address)

    def append(
        self, *records: AnyRecord, expected_n: int | None = None
    ) -> tuple[Entry, ...]:
        """See `Store.append`."""
        for _ in range(_TRIES):
            made = self._try(records, expected_n)
            if made is not None:
                return made
        rule = "have a place left for this writer"
        raise UnavailableError(describe("SqlStore", rule, f"{_TRIES} tries"))

    def _try(
        self, records: tuple[AnyRecord, ...], expected_n: int | None
    ) -> tuple[Entry, ...] | None:
        """Write records; None if somebody else was first."""
        alchemy = _alchemy()
        rows: list[dict[str, Any]] = []
        entries: list[Entry] = []
        try:
            with self._begin() as connection:
                last = connection.execute(self._last()).first()
                n, previous = (0, START) if last is None else self._after(*last)
                if expected_n is not None and expected_n != n:
                    rule = f"be {n}, the next place"
                    hint = "read what was written meanwhile, and decide again"
                    raise ConflictError(
                        describe("append.expected_n", rule, expected_n, hint=hint)
                    )
                for record in records:
                    line, made = seal(n, record, previous)
                    rows.append({"run": self.run, "n": n, "line": line.decode()})
                    entries.append(made)
                    n, previous = n + 1, made.sha256
                if rows:
                    connection.execute(self._table.insert(), rows)
        except alchemy.exc.IntegrityError:
            return None
        except alchemy.exc.SQLAlchemyError as error:
            if "locked" in str(error):  # SQLite: two transactions began at once
                return None
            raise self._failed("be writable", error) from error
        return tuple(entries)

    def _after(self, n: int, line: str) -> tuple[int, str]:
        """Return the next place, and the digest of the last line."""
        return n + 1, self._read(n, line).sha256

    def read(self, from_n: int = 0) -> Iterator[Entry]:
        """See `Store.read`."""
        due = from_n
        for n, line in self._rows(from_n):
            if n != due:
                why = f"its place is {n}, and {due} is due"
                raise corrupt(f"{self.run}, record {n},", line, why)
            yield self._read(n, line)
            due = n + 1

    def ends(self) -> tuple[Entry, ...]:
        """See `HasEnds.ends`."""
        alchemy = _alchemy()
        n, line, run = (self._table.c[name] for name in ("n", "line", "run"))
        mine = alchemy.select(n, line).where(run == self.run)
        last = mine.order_by(n.desc()).limit(_END).subquery()
        # UNION leaves out the first where it is one of the last
        both = alchemy.union(mine.where(n == 0), alchemy.select(last)).order_by("n")
        return tuple(self._read(*row) for row in self._all(both))

    def lines(self) -> Iterator[bytes]:
        """See `Store.lines`."""
        for _, line in self._rows(0):
            yield line.encode()

    def _rows(self, from_n: int) -> Iterator[tuple[int, str]]:
        alchemy = _alchemy()
        table = self._table
        select = alchemy.select(table.c.n, table.c.line).where(table.c.run == self.run)
        while True:
            page = select.where(table.c.n >= from_n).order_by(table.c.n).limit(_PAGE)
            rows = self._all(page)
            yield from rows
            if len(rows) < _PAGE:
                return
            from_n = rows[-1][0] + 1

    def _all(self, select: Any) -> Any:
        try:
            with _reading(self.address) as connection:
                return connection.execute(select).all()
        except _alchemy().exc.SQLAlchemyError as error:
            raise self._failed("be readable", error) from error

    def _read(self, n: int, line: str) -> Entry:
        try:
            found = entry(line.encode())
            if found.n != n:
                message = f"its place is {n}, it says {found.n}"
                raise ValueError(message)
        except (ValueError, RecursionError) as error:
            raise corrupt(f"{self.run}, record {n},", line, str(error)) from error
        return found

    def _last(self) -> Any:
        table = self._table
        select = _alchemy().select(table.c.n, table.c.line)
        mine = select.where(table.c.run == self.run)
        return mine.order_by(table.c.n.desc()).limit(1)

    def _begin(self) -> Any:
        return _engine(self.address).begin()

    def _failed(self, rule: str, error: Exception) -> UnavailableError:
        hint = without_password(str(error).partition("\n")[0])
        where = without_password(self.address)
        return UnavailableError(describe("SqlStore.address", rule, where, hint=hint))

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle and copy as the place."""
        return SqlStore, (self.address, self.run)

    def __repr__(self) -> str:
        """Return the place, without a password."""
        return f"SqlStore({without_password(self.address)!r}, {self.run!r})"


def names(address: str) -> list[str]:
    """Return the names of all runs in a database, in alphabetical order.

    Raises:
        UnavailableError: It cannot be read.
    """
    return list(tips(address))


def tips(address: str) -> dict[str, int]:
    """Return the place of the last record of each run in a database, by name.

    Raises:
        UnavailableError: It cannot be read.
    """
    every = _every_run(_table(address))
    rows = _asked(address, _alchemy().select(every.c.run, every.c.last))
    return {str(name): int(place) for name, place in rows}


def all_ends(address: str) -> dict[str, tuple[Entry, ...]]:
    """Return the first record of each run in a database and the last few, by name.

    One query for all; a run of which one of them is damaged is left out.

    Raises:
        UnavailableError: It cannot be read.
    """
    alchemy = _alchemy()
    table = _table(address)
    every = _every_run(table)
    columns = alchemy.select(table.c.run, table.c.n, table.c.line)
    mine = columns.join(every, table.c.run == every.c.run)
    first = mine.where(table.c.n == 0, every.c.last >= _FEW)
    found: dict[str, list[Entry]] = {}
    damaged: set[str] = set()
    for select in (first, mine.where(table.c.n > every.c.last - _FEW)):
        for run, n, line in _asked(address, select.order_by(table.c.run, table.c.n)):
            try:
                made = entry(line.encode())
            except (ValueError, RecursionError):
                made = None
            if made is None or made.n != n:
                damaged.add(run)
            else:
                found.setdefault(run, []).append(made)
    return {run: tuple(ends) for run, ends in found.items() if run not in damaged}


def _every_run(table: Any) -> Any:
    """Return the names of all runs, each with the place of its last record."""
    alchemy = _alchemy()
    run, n = table.c.run, table.c.n
    # from each run to the next by the primary key: DISTINCT and GROUP BY would pass
    # over all records
    found = alchemy.select(alchemy.func.min(run).label("run")).cte(recursive=True)
    after = alchemy.select(alchemy.func.min(run)).where(run > found.c.run)
    step = alchemy.select(after.scalar_subquery()).where(found.c.run.is_not(None))
    every = found.union_all(step)
    last = alchemy.select(alchemy.func.max(n)).where(run == every.c.run)
    select = alchemy.select(every.c.run, last.scalar_subquery().label("last"))
    return select.where(every.c.run.is_not(None)).cte()


def _asked(address: str, select: Any) -> Any:
    try:
        with _reading(address) as connection:
            return connection.execute(select).all()
    except _alchemy().exc.SQLAlchemyError as error:
        raise _unusable(address, error) from error


def check_there(address: str) -> None:
    """Refuse a file of SQLite that is not there, which reading would make.

    Raises:
        LedgerError: It is not there, or the address is none.
    """
    engine = _engine(address)
    file = engine.url.database
    if engine.dialect.name != "sqlite" or file in (None, "", ":memory:"):
        return
    if not file.startswith("file:") and not os.path.exists(file):
        raise LedgerError(describe("database", "be a file that is there", file))


def without_password(text: str) -> str:
    """Return an address, or a text with one in it, without its password.

    Examples:
        >>> without_password("postgresql+psycopg://ada:secret@host/runs")
        'postgresql+psycopg://ada:***@host/runs'
    """
    return re.sub(r"(://[^:/@\s]*):[^@\s]*@", r"\1:***@", text)


def _alchemy() -> Any:
    try:
        return importlib.import_module("sqlalchemy")
    except ModuleNotFoundError as error:
        raise _missing("SQLAlchemy") from error


def _missing(what: str) -> FrameworkMissingError:
    return FrameworkMissingError(
        f"{what} cannot be imported. hint: pip install 'stepsize[sql]'"
    )


def _engine(address: str) -> Any:
    with _guard:
        if address not in _engines:
            alchemy = _alchemy()
            try:
                engine = alchemy.create_engine(address, pool_pre_ping=True)
            except ModuleNotFoundError as error:
                raise _missing(f"The driver {error.name}") from error
            except (alchemy.exc.ArgumentError, ValueError) as error:
                rule = "be the address of a database"
                hint = "sqlite:///runs.db or postgresql+psycopg://host/runs"
                shown = without_password(address)
                raise LedgerError(
                    describe("SqlStore.address", rule, shown, hint=hint)
                ) from error
            if engine.dialect.name == "sqlite":
                _begin_at_once(alchemy, engine)
            _engines[address] = engine
        return _engines[address]


def _reading(address: str) -> Any:
    engine = _engine(address)
    options: dict[str, Any] = {_READS: True}
    if engine.dialect.name != "sqlite":
        options["isolation_level"] = "AUTOCOMMIT"  # one query: nothing to begin or end
    return engine.execution_options(**options).connect()


def _begin_at_once(alchemy: Any, engine: Any) -> None:
    """Have SQLite lock when a transaction begins, wait for others, and sync."""

    @alchemy.event.listens_for(engine, "connect")  # type: ignore[untyped-decorator]
    def connect(connection: Any, _: object) -> None:
        connection.isolation_level = None  # the driver would begin by itself
        connection.execute("PRAGMA busy_timeout = 30000")
        connection.execute("PRAGMA synchronous = FULL")

    @alchemy.event.listens_for(engine, "begin")  # type: ignore[untyped-decorator]
    def begin(connection: Any) -> None:
        reads = connection.get_execution_options().get(_READS, False)
        connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")


def _table(address: str) -> Any:
    """Return the table, made if it is not there; of a server, looked for once."""
    if address in _tables:
        return _tables[address]
    alchemy = _alchemy()
    table = alchemy.Table(
        TABLE,
        alchemy.MetaData(),
        alchemy.Column("run", alchemy.String(200), primary_key=True),
        alchemy.Column("n", alchemy.BigInteger, primary_key=True, autoincrement=False),
        alchemy.Column("line", alchemy.Text, nullable=False),
    )
    try:
        table.create(_engine(address), checkfirst=True)
    except alchemy.exc.SQLAlchemyError as error:
        if "already exists" not in str(error):  # another process was first
            raise _unusable(address, error) from error
    if _engine(address).dialect.name != "sqlite":  # a file may be another one now
        _tables[address] = table
    return table


def _unusable(address: str, error: Exception) -> UnavailableError:
    hint = without_password(str(error).partition("\n")[0])
    shown = without_password(address)
    return UnavailableError(
        describe("SqlStore.address", "be a database in use", shown, hint=hint)
    )
