"""What changes a schedule while it runs: events, and the rate that follows from them.

Nothing here owns an optimizer, a file or a clock.
"""

from stepsize.control.events import Event, Target, append
from stepsize.control.guard import Guard
from stepsize.control.journal import Journal
from stepsize.control.policies import (
    Change,
    CooldownOnPlateau,
    Deadline,
    Greedy,
    Observation,
    Plateau,
    Policy,
    RestartOnPlateau,
    Together,
)
from stepsize.control.policies import Target as MetricTarget
from stepsize.control.sink import EventSink
from stepsize.control.trajectory import Trajectory

__all__ = [
    "Change",
    "CooldownOnPlateau",
    "Deadline",
    "Event",
    "EventSink",
    "Greedy",
    "Guard",
    "Journal",
    "MetricTarget",
    "Observation",
    "Plateau",
    "Policy",
    "RestartOnPlateau",
    "Target",
    "Together",
    "Trajectory",
    "append",
]
