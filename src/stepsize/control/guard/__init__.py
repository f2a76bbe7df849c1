"""The guard: it sees that a run comes to harm, and asks to go back to a snapshot.

Pure, like every policy; who takes and restores the snapshots is an adapter.
"""

from stepsize.control.guard.guard import Guard

__all__ = ["Guard"]
