"""The warning of every adapter."""

from __future__ import annotations


class SchedulerWarning(UserWarning):
    """A training loop drives a Scheduler in a way that may not be meant."""
