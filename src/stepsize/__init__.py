"""The learning rate: found, planned, scheduled, steered, proven.

    import stepsize as ss

    schedule = 3e-4 * ss.warmup(500) >> ss.hold() >> ss.decay("20%", shape="1-sqrt")
    rates = schedule.resolve(total_steps=50_000)
    rates(0), rates(10_000)

Names load on first use; no framework and no numpy is imported.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

# Name -> the module of stepsize that defines it.
_NAMES = {
    "Horizon": "schedules.horizon",
    "ResolvedSchedule": "schedules.schedule",
    "Schedule": "schedules.schedule",
    "average": "schedules.pointwise",
    "clip": "schedules.combinators",
    "constant": "schedules.named",
    "cosine": "schedules.phases",
    "decay": "schedules.phases",
    "exponential": "schedules.phases",
    "from_dict": "schedules.plain",
    "geometric": "schedules.drops",
    "hold": "schedules.phases",
    "inverse_sqrt": "schedules.drops",
    "jump": "schedules.combinators",
    "knots": "schedules.knots",
    "linear": "schedules.phases",
    "maximum": "schedules.pointwise",
    "minimum": "schedules.pointwise",
    "multistep": "schedules.drops",
    "noise": "schedules.free",
    "one_cycle": "schedules.named",
    "opaque": "schedules.free",
    "parse": "schedules.text",
    "polynomial": "schedules.phases",
    "repeat": "schedules.cycles",
    "reverse": "schedules.combinators",
    "skip": "schedules.combinators",
    "step": "schedules.drops",
    "table": "schedules.knots",
    "warm_restarts": "schedules.named",
    "warmup": "schedules.phases",
    "wsd": "schedules.named",
    "StepsizeError": "errors",
    "InvalidScheduleError": "errors",
    "UnresolvedError": "errors",
    "UnitError": "errors",
    "FitError": "errors",
    "ProofError": "errors",
    "LedgerError": "errors",
    "CorruptRecordError": "errors",
    "AdapterError": "errors",
    "HorizonChangedError": "errors",
    "FrameworkMissingError": "errors",
}

__all__ = [  # noqa: PLE0604 - the table is the list
    "__version__",
    *_NAMES,
]

if TYPE_CHECKING:
    from stepsize.errors import AdapterError as AdapterError
    from stepsize.errors import CorruptRecordError as CorruptRecordError
    from stepsize.errors import FitError as FitError
    from stepsize.errors import FrameworkMissingError as FrameworkMissingError
    from stepsize.errors import HorizonChangedError as HorizonChangedError
    from stepsize.errors import InvalidScheduleError as InvalidScheduleError
    from stepsize.errors import LedgerError as LedgerError
    from stepsize.errors import ProofError as ProofError
    from stepsize.errors import StepsizeError as StepsizeError
    from stepsize.errors import UnitError as UnitError
    from stepsize.errors import UnresolvedError as UnresolvedError
    from stepsize.schedules.combinators import clip as clip
    from stepsize.schedules.combinators import jump as jump
    from stepsize.schedules.combinators import reverse as reverse
    from stepsize.schedules.combinators import skip as skip
    from stepsize.schedules.cycles import repeat as repeat
    from stepsize.schedules.drops import geometric as geometric
    from stepsize.schedules.drops import inverse_sqrt as inverse_sqrt
    from stepsize.schedules.drops import multistep as multistep
    from stepsize.schedules.drops import step as step
    from stepsize.schedules.free import noise as noise
    from stepsize.schedules.free import opaque as opaque
    from stepsize.schedules.horizon import Horizon as Horizon
    from stepsize.schedules.knots import knots as knots
    from stepsize.schedules.knots import table as table
    from stepsize.schedules.named import constant as constant
    from stepsize.schedules.named import one_cycle as one_cycle
    from stepsize.schedules.named import warm_restarts as warm_restarts
    from stepsize.schedules.named import wsd as wsd
    from stepsize.schedules.phases import cosine as cosine
    from stepsize.schedules.phases import decay as decay
    from stepsize.schedules.phases import exponential as exponential
    from stepsize.schedules.phases import hold as hold
    from stepsize.schedules.phases import linear as linear
    from stepsize.schedules.phases import polynomial as polynomial
    from stepsize.schedules.phases import warmup as warmup
    from stepsize.schedules.plain import from_dict as from_dict
    from stepsize.schedules.pointwise import average as average
    from stepsize.schedules.pointwise import maximum as maximum
    from stepsize.schedules.pointwise import minimum as minimum
    from stepsize.schedules.schedule import ResolvedSchedule as ResolvedSchedule
    from stepsize.schedules.schedule import Schedule as Schedule
    from stepsize.schedules.text import parse as parse


def __getattr__(name: str) -> Any:
    """Load a public name on first use."""
    if name not in _NAMES:
        message = f"module 'stepsize' has no attribute {name!r}"
        raise AttributeError(message)
    value = getattr(import_module(f"stepsize.{_NAMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List the public names, loaded or not."""
    return sorted([*__all__, *(name for name in globals() if name not in __all__)])
