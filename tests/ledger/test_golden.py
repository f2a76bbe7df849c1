"""Ledgers that released versions wrote; files here are only ever added."""

from pathlib import Path

import pytest

from stepsize.ledger import JsonlStore
from stepsize.ledger.audit import rows
from stepsize.ledger.history import History
from stepsize.ledger.records import Run
from stepsize.ledger.verify import verify

FILES = sorted((Path(__file__).parent / "golden").glob("*.jsonl"))
HEADS = {"ledger-0.1.0.jsonl": "2fad4b59406572d5"}


def test_every_file_has_its_digest() -> None:
    assert [path.name for path in FILES] == sorted(HEADS)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_ledger_is_read_as_it_was_written(path: Path) -> None:
    found = verify(JsonlStore(path), HEADS[path.name])
    assert found.findings == ()
    assert found.head[:16] == HEADS[path.name]
    assert (found.records, found.rates) == (43, 60)
    history = History(JsonlStore(path).read())
    assert isinstance(history.run, Run)
    assert history.run.run == "seven"
    assert history.update == 31
    assert [event.to_dict() for event in history.events] == [
        {
            "version": 1,
            "update": 20,
            "sequence": 0,
            "kind": "scale",
            "values": {"factor": 0.5, "over": 0},
            "source": "operator:ada",
            "reason": "it is noisy",
            "time": 1.0,
            "target": {"hyperparameter": "lr", "groups": "*"},
        }
    ]
    rates = (0.046650635094610975, 0.09330127388238907)
    assert history.rates().at(25) == pytest.approx(rates, rel=1e-7)
    assert [row.what for row in rows(history)][-3:] == ["note", "note", "closed"]
