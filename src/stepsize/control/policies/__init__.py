"""Policies: what decides on changes of the rate from what is measured.

Each is a frozen configuration and a pure function from a plain state and an
observation to the next state and the changes asked for. Nothing here owns an optimizer,
a file or a clock; nothing here applies a change.
"""

from stepsize.control.policies.advise import CooldownWhen
from stepsize.control.policies.deadline import Deadline
from stepsize.control.policies.forecast import Forecast
from stepsize.control.policies.greedy import Greedy
from stepsize.control.policies.on_plateau import CooldownOnPlateau, RestartOnPlateau
from stepsize.control.policies.plateau import Plateau
from stepsize.control.policies.policy import (
    Change,
    Decision,
    Observation,
    Policy,
    State,
)
from stepsize.control.policies.target import Target
from stepsize.control.policies.together import Together, from_dict

__all__ = [
    "Change",
    "CooldownOnPlateau",
    "CooldownWhen",
    "Deadline",
    "Decision",
    "Forecast",
    "Greedy",
    "Observation",
    "Plateau",
    "Policy",
    "RestartOnPlateau",
    "State",
    "Target",
    "Together",
    "from_dict",
]
