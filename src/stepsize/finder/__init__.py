"""Finds a rate: reads ramps of (lr, loss), and searches any `step(lr) -> loss`."""

from stepsize.finder.critical import critical_rate as critical_rate
from stepsize.finder.curve import Curve as Curve
from stepsize.finder.found import Found as Found
from stepsize.finder.found import Probe as Probe
from stepsize.finder.planning import Planned as Planned
from stepsize.finder.planning import planned as planned
from stepsize.finder.reading import analyse as analyse
from stepsize.finder.search import find as find
from stepsize.finder.training import Progress as Progress
