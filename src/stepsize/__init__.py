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
    "chebyshev": "schedules.literature",
    "clip": "schedules.combinators",
    "constant": "schedules.named",
    "cosine": "schedules.phases",
    "cyclic": "schedules.waves",
    "decay": "schedules.phases",
    "exponential": "schedules.phases",
    "exponential_warmup": "schedules.warmups",
    "flat_cosine": "schedules.literature",
    "from_dict": "schedules.plain",
    "geometric": "schedules.drops",
    "hold": "schedules.phases",
    "hyperbolic": "schedules.literature",
    "infinite": "schedules.literature",
    "inverse_sqrt": "schedules.drops",
    "inverse_time": "schedules.drops",
    "jump": "schedules.combinators",
    "join": "schedules.joins",
    "k_decay": "schedules.literature",
    "knee": "schedules.literature",
    "knots": "schedules.knots",
    "linear": "schedules.phases",
    "lowered_linear": "schedules.literature",
    "maximum": "schedules.pointwise",
    "minimum": "schedules.pointwise",
    "mirrored_cosine": "schedules.literature",
    "multistep": "schedules.drops",
    "natural_exponential": "schedules.literature",
    "noam": "schedules.literature",
    "noise": "schedules.free",
    "one_cycle": "schedules.named",
    "one_cycle_momentum": "schedules.named",
    "opaque": "schedules.free",
    "parse": "schedules.text",
    "polynomial": "schedules.phases",
    "polynomial_cycles": "schedules.waves",
    "power_law": "schedules.drops",
    "radam_warmup": "schedules.warmups",
    "repeat": "schedules.cycles",
    "reverse": "schedules.combinators",
    "rex": "schedules.literature",
    "skip": "schedules.combinators",
    "slanted_triangular": "schedules.waves",
    "step": "schedules.drops",
    "table": "schedules.knots",
    "tanh": "schedules.literature",
    "untuned_warmup": "schedules.warmups",
    "warm_restarts": "schedules.named",
    "warmup": "schedules.phases",
    "wave": "schedules.waves",
    "wsd": "schedules.named",
    "wsd_s": "schedules.literature",
    "Finding": "planner.findings",
    "Recipe": "planner.recipe_file",
    "RecipeRule": "planner.recipe_file",
    "check": "planner.check",
    "load_recipe": "planner.recipe_file",
    "parse_recipe": "planner.recipe_file",
    "Advice": "planner.recipes.advice",
    "ScaledRecipe": "planner.scaling.scaled",
    "StepPlan": "planner.scaling.steps",
    "effective_batch": "planner.scaling.counting",
    "plan_steps": "planner.scaling.steps",
    "recipe": "planner.recipes.recipe",
    "scale": "planner.scaling.scale",
    "scale_horizon": "planner.scaling.longer",
    "Validation": "planner.scaling.validation",
    "validate": "planner.scaling.validation",
    "Conversion": "adapters.convert",
    "Exported": "adapters.convert",
    "TorchLambda": "adapters.convert",
    "convert": "adapters.convert",
    "to_deepspeed": "adapters.convert",
    "to_keras": "adapters.convert",
    "to_knots": "adapters.convert",
    "to_optax": "adapters.convert",
    "to_torch_lambda": "adapters.convert",
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

# Subpackages that are reached as attributes: `ss.dialects.torch`.
_MODULES = ("dialects",)

__all__ = [  # noqa: PLE0604 - the table is the list
    "__version__",
    *_NAMES,
]

if TYPE_CHECKING:
    from stepsize import dialects as dialects
    from stepsize.adapters.convert import Conversion as Conversion
    from stepsize.adapters.convert import Exported as Exported
    from stepsize.adapters.convert import TorchLambda as TorchLambda
    from stepsize.adapters.convert import convert as convert
    from stepsize.adapters.convert import to_deepspeed as to_deepspeed
    from stepsize.adapters.convert import to_keras as to_keras
    from stepsize.adapters.convert import to_knots as to_knots
    from stepsize.adapters.convert import to_optax as to_optax
    from stepsize.adapters.convert import to_torch_lambda as to_torch_lambda
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
    from stepsize.planner.check import check as check
    from stepsize.planner.findings import Finding as Finding
    from stepsize.planner.recipe_file import Recipe as Recipe
    from stepsize.planner.recipe_file import RecipeRule as RecipeRule
    from stepsize.planner.recipe_file import load_recipe as load_recipe
    from stepsize.planner.recipe_file import parse_recipe as parse_recipe
    from stepsize.planner.recipes.advice import Advice as Advice
    from stepsize.planner.recipes.recipe import recipe as recipe
    from stepsize.planner.scaling.counting import effective_batch as effective_batch
    from stepsize.planner.scaling.longer import scale_horizon as scale_horizon
    from stepsize.planner.scaling.scale import scale as scale
    from stepsize.planner.scaling.scaled import ScaledRecipe as ScaledRecipe
    from stepsize.planner.scaling.steps import StepPlan as StepPlan
    from stepsize.planner.scaling.steps import plan_steps as plan_steps
    from stepsize.planner.scaling.validation import Validation as Validation
    from stepsize.planner.scaling.validation import validate as validate
    from stepsize.schedules.combinators import clip as clip
    from stepsize.schedules.combinators import jump as jump
    from stepsize.schedules.combinators import reverse as reverse
    from stepsize.schedules.combinators import skip as skip
    from stepsize.schedules.cycles import repeat as repeat
    from stepsize.schedules.drops import geometric as geometric
    from stepsize.schedules.drops import inverse_sqrt as inverse_sqrt
    from stepsize.schedules.drops import inverse_time as inverse_time
    from stepsize.schedules.drops import multistep as multistep
    from stepsize.schedules.drops import power_law as power_law
    from stepsize.schedules.drops import step as step
    from stepsize.schedules.free import noise as noise
    from stepsize.schedules.free import opaque as opaque
    from stepsize.schedules.horizon import Horizon as Horizon
    from stepsize.schedules.joins import join as join
    from stepsize.schedules.knots import knots as knots
    from stepsize.schedules.knots import table as table
    from stepsize.schedules.literature import chebyshev as chebyshev
    from stepsize.schedules.literature import flat_cosine as flat_cosine
    from stepsize.schedules.literature import hyperbolic as hyperbolic
    from stepsize.schedules.literature import infinite as infinite
    from stepsize.schedules.literature import k_decay as k_decay
    from stepsize.schedules.literature import knee as knee
    from stepsize.schedules.literature import lowered_linear as lowered_linear
    from stepsize.schedules.literature import mirrored_cosine as mirrored_cosine
    from stepsize.schedules.literature import natural_exponential as natural_exponential
    from stepsize.schedules.literature import noam as noam
    from stepsize.schedules.literature import rex as rex
    from stepsize.schedules.literature import tanh as tanh
    from stepsize.schedules.literature import wsd_s as wsd_s
    from stepsize.schedules.named import constant as constant
    from stepsize.schedules.named import one_cycle as one_cycle
    from stepsize.schedules.named import one_cycle_momentum as one_cycle_momentum
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
    from stepsize.schedules.warmups import exponential_warmup as exponential_warmup
    from stepsize.schedules.warmups import radam_warmup as radam_warmup
    from stepsize.schedules.warmups import untuned_warmup as untuned_warmup
    from stepsize.schedules.waves import cyclic as cyclic
    from stepsize.schedules.waves import polynomial_cycles as polynomial_cycles
    from stepsize.schedules.waves import slanted_triangular as slanted_triangular
    from stepsize.schedules.waves import wave as wave


def __getattr__(name: str) -> Any:
    """Load a public name on first use."""
    if name in _MODULES:
        return import_module(f"stepsize.{name}")
    if name not in _NAMES:
        message = f"module 'stepsize' has no attribute {name!r}"
        raise AttributeError(message)
    value = getattr(import_module(f"stepsize.{_NAMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List the public names, loaded or not."""
    return sorted(
        [*__all__, *_MODULES, *(name for name in globals() if name not in __all__)]
    )
