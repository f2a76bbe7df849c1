"""The ledger's part of `make bench` runs, small, and measures what it says it does."""

import math

from benchmarks import __main__ as command
from benchmarks import ledger


def test_it_measures_a_file_and_a_training() -> None:
    assert "ledger" in command.PARTS
    part = ledger.run(records=2000, updates=50, rounds=2)
    names = [row[0] for table in part.tables for row in table.rows]
    assert names == [
        "written in thousands, a record",
        "a million read",
        "a million verified",
        "one record, synced: median",
        "one record, synced: p99",
        "looks for commands",
        "looks, rates and losses",
        "the same, of a step of 1 ms",
    ]
    file, added = ([float(row[1] or "nan") for row in one.rows] for one in part.tables)
    assert all(value > 0 for value in file)
    assert all(map(math.isfinite, added))
    assert [one.what for one in part.aims] == [
        "a million records read",
        "looks for commands",
        "ledger and looks, of a step of 1 ms",
    ]
