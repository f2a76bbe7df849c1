"""Records of runs on disk: what was changed, when, by whom and why."""

from stepsize.ledger.event_log import EventLog
from stepsize.ledger.jsonl_store import JsonlStore
from stepsize.ledger.ledger import Ledger
from stepsize.ledger.outbox import LedgerWarning
from stepsize.ledger.store import Store

__all__ = [
    "EventLog",
    "JsonlStore",
    "Ledger",
    "LedgerWarning",
    "Store",
]
