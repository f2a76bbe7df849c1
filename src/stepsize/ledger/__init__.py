"""Records of runs on disk: what was changed, when, by whom and why."""

from stepsize.ledger.event_log import EventLog

__all__ = ["EventLog"]
