"""What changes a schedule while it runs: events, and the rate that follows from them.

Nothing here owns an optimizer, a file or a clock.
"""

from stepsize.control.events import Event, Target, append
from stepsize.control.trajectory import Trajectory

__all__ = ["Event", "Target", "Trajectory", "append"]
