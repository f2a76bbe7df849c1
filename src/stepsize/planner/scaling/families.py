"""Which optimizers scale alike; the names are those of `planner.usual_rates`."""

from __future__ import annotations

from typing import Literal

from stepsize.errors import InvalidScheduleError, describe
from stepsize.planner.usual_rates import USUAL, Usual, usual

Family = Literal["sgd", "adam", "sign", "lamb", "lars", "muon", "free"]
"""sgd: the update is linear in the gradient. adam: the gradient is divided by its own
size. sign: only its sign counts. lamb, lars: so scaled layer by layer. muon: whole
matrices are orthogonalised. free: the optimizer finds its rate, 1 is a factor."""

FAMILIES: dict[str, Family] = {
    "sgd": "sgd",
    "sgdmomentum": "sgd",
    "nesterov": "sgd",
    "schedulefreesgd": "sgd",
    "adam": "adam",
    "adamw": "adam",
    "nadam": "adam",
    "radam": "adam",
    "adamax": "adam",
    "amsgrad": "adam",
    "ademamix": "adam",
    "soap": "adam",
    "adafactor": "adam",
    "rmsprop": "adam",
    "adagrad": "adam",
    "adadelta": "adam",
    "schedulefreeadamw": "adam",
    "lion": "sign",
    "lamb": "lamb",
    "lars": "lars",
    "muon": "muon",
    "prodigy": "free",
    "dadaptation": "free",
}

COUPLED = frozenset(
    {"adam", "amsgrad", "nadam", "radam", "adamax", "rmsprop", "adagrad", "adadelta"}
)
"""Where torch adds weight decay to the gradient, which is then divided by its own size:
it has no time scale that is known."""
LEFT = (
    "weight_decay was left as it is: this optimizer adds it to the gradient and "
    "divides that by its size, for which no rule is known"
)
"""What is said of it."""


def key_of(optimizer: object, field: str) -> str:
    """Return an optimizer's key in `usual_rates.USUAL`.

    Args:
        optimizer: A name in any spelling, a class, or an optimizer.
        field: Owner and field, for the error.

    Raises:
        InvalidScheduleError: It is not known.

    Examples:
        >>> key_of("SGD + momentum", "scale.optimizer")
        'sgdmomentum'
    """
    found = usual(optimizer) if optimizer is not None else None
    if found is None:
        rule = "be an optimizer whose scaling is known"
        hint = "one of " + ", ".join(one.name for one in USUAL.values())
        raise InvalidScheduleError(describe(field, rule, optimizer, hint=hint))
    return _KEYS[found.name]


def family_of(optimizer: object, field: str) -> Family:
    """Return how an optimizer scales.

    Raises:
        InvalidScheduleError: It is not known.
    """
    return FAMILIES[key_of(optimizer, field)]


def usual_of(optimizer: object, field: str) -> Usual:
    """Return an optimizer's usual rates.

    Raises:
        InvalidScheduleError: It is not known.
    """
    return USUAL[key_of(optimizer, field)]


_KEYS = {one.name: key for key, one in USUAL.items()}
