"""Where the records of a run are, from what a user writes."""

from __future__ import annotations

import os
from pathlib import Path

from stepsize.errors import LedgerError, describe
from stepsize.ledger.chain import Entry
from stepsize.ledger.jsonl_store import NAME, JsonlStore
from stepsize.ledger.store import Store


def store_of(place: str | os.PathLike[str] | Store) -> Store:
    """Return the store that a place names.

    Args:
        place: A run's folder, its `ledger.jsonl`, or the address of a database with the
            run's name behind a "#": "sqlite:///runs.db#first",
            "postgresql+psycopg://host/runs#first". A `Store` is taken as it is.

    Raises:
        LedgerError: It is none of these.
        FrameworkMissingError: It is a database, and SQLAlchemy is not installed.
    """
    if isinstance(place, Store):
        return place
    if isinstance(place, str) and "://" in place:
        from stepsize.ledger.sql_store import SqlStore

        address, _, run = place.partition("#")
        return SqlStore(address, run)
    if isinstance(place, (str, os.PathLike)) and os.fspath(place):
        return JsonlStore(place)
    rule = "be a run's folder, the address of a database, or a Store"
    raise LedgerError(describe("Ledger.place", rule, place))


def existing(place: str | os.PathLike[str]) -> Store:
    """Return the store of a run that is there.

    Raises:
        LedgerError: There is none.
    """
    if isinstance(place, str) and "://" in place:
        from stepsize.ledger.sql_store import check_there

        check_there(place.partition("#")[0])
    store = store_of(place)
    if isinstance(store, JsonlStore) and not store.path.is_file():
        rule = f"be the folder of a run, with a {NAME}"
        hint = "stepsize runs FOLDER lists the runs below a folder"
        raise LedgerError(describe("RUN", rule, os.fspath(place), hint=hint))
    return store


def name_of(store: Store) -> str:
    """Return what a run is called that was given no name."""
    run = getattr(store, "run", None)
    if isinstance(run, str):
        return run
    path = getattr(store, "path", None)
    if not isinstance(path, Path):
        return "run"
    return (path.parent if path.name == NAME else path.with_suffix("")).resolve().name


def stores_below(where: str) -> list[tuple[str, Store]]:
    """Return all runs below a folder, or in a database, with their places, by name.

    Args:
        where: The folder, or the address of a database.

    Raises:
        LedgerError: It is neither.
    """
    if "://" in where:
        from stepsize.ledger.sql_store import check_there, names

        check_there(where)
        places = [f"{where}#{name}" for name in names(where)]
        return [(place, store_of(place)) for place in places]
    folder = Path(where)
    if not folder.is_dir():
        rule = "be a folder, or the address of a database"
        raise LedgerError(describe("FOLDER", rule, where))
    found = sorted(path.parent for path in folder.rglob(NAME) if path.is_file())
    return [(os.fspath(path), JsonlStore(path)) for path in found]


def ends_below(where: str) -> dict[str, tuple[Entry, ...]]:
    """Return the first and the last few records of all runs of a database, by name.

    Of a folder none: a file's ends are as quickly read one by one.

    Raises:
        UnavailableError: It cannot be read.
    """
    if "://" not in where:
        return {}
    from stepsize.ledger.sql_store import all_ends

    return all_ends(where)


def last_places(where: str) -> dict[str, int]:
    """Return the place of each run's last record, by name, of a database; else none.

    Raises:
        UnavailableError: It cannot be read.
    """
    if "://" not in where:
        return {}
    from stepsize.ledger.sql_store import tips

    return tips(where)
