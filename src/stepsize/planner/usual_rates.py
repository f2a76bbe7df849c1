"""Usual peak rates by optimizer, each with its source; not a recommendation.

The ends are the smallest and the largest peak rate that the sources use or advise,
moved outward by up to a factor of ten: what lies outside is far outside.
"""

from __future__ import annotations

import re
from typing import NamedTuple

ADAM_SOURCE = (
    "Kingma & Ba 2015, arXiv:1412.6980 (1e-3); fine-tuning of large models at 1e-6 to "
    "5e-5 (BERT: Devlin et al. 2019, arXiv:1810.04805, 2e-5 to 5e-5); small networks "
    "up to 1e-2"
)


class Usual(NamedTuple):
    """Where the peak rate of an optimizer usually lies.

    Attributes:
        name: The optimizer, as people write it.
        low: Smallest usual peak. Unit: lr.
        high: Largest usual peak. Unit: lr.
        start: Where to start if nothing is known. Unit: lr.
        source: Where the numbers come from.
    """

    name: str
    low: float
    high: float
    start: float
    source: str


_SGD = Usual(
    "SGD",
    1e-4,
    10.0,
    0.1,
    "Goyal et al. 2017, arXiv:1706.02677: 0.1 per 256 samples, up to 3.2 at 8192; "
    "fine-tuning down to 1e-3 (the default of torch and of Keras is 1e-3 and 1e-2)",
)
_ADAM = Usual("Adam", 1e-6, 1e-2, 1e-3, ADAM_SOURCE)

USUAL: dict[str, Usual] = {
    "sgd": _SGD,
    "sgdmomentum": _SGD._replace(name="SGD with momentum", high=5.0),
    "nesterov": _SGD._replace(name="SGD with Nesterov momentum", high=5.0),
    "adam": _ADAM,
    "adamw": _ADAM._replace(
        name="AdamW",
        start=3e-4,
        source="Loshchilov & Hutter 2019, arXiv:1711.05101; " + ADAM_SOURCE,
    ),
    "nadam": _ADAM._replace(name="NAdam"),
    "radam": _ADAM._replace(name="RAdam"),
    "adamax": _ADAM._replace(name="Adamax", high=2e-2, start=2e-3),
    "amsgrad": _ADAM._replace(name="AMSGrad"),
    "ademamix": _ADAM._replace(name="AdEMAMix"),
    "soap": _ADAM._replace(
        name="SOAP",
        high=3e-2,
        start=3e-3,
        source="Vyas et al. 2024, arXiv:2409.11321 (3e-3)",
    ),
    "lion": Usual(
        "Lion",
        1e-7,
        1e-3,
        1e-4,
        "Chen et al. 2023, arXiv:2302.06675: a third to a tenth of AdamW's rate",
    ),
    "adafactor": Usual(
        "Adafactor",
        1e-5,
        5e-2,
        1e-3,
        "Shazeer & Stern 2018, arXiv:1804.04235: at most 1e-2, relative; 1e-3 fixed "
        "for fine-tuning (Raffel et al. 2020, arXiv:1910.10683)",
    ),
    "lamb": Usual(
        "LAMB",
        1e-4,
        2e-2,
        2e-3,
        "You et al. 2020, arXiv:1904.00962: 5e-3 * sqrt(batch / 32768), from 6e-4 at "
        "512 to 5e-3 at 32768",
    ),
    "lars": Usual(
        "LARS",
        1e-2,
        50.0,
        1.0,
        "You et al. 2017, arXiv:1708.03888: linear in the batch",
    ),
    "muon": Usual(
        "Muon",
        1e-4,
        1e-1,
        2e-2,
        "Jordan et al. 2024 (0.02 where the update keeps its own size); Liu et al. "
        "2025, arXiv:2502.16982 (AdamW's rates where it is matched to AdamW's)",
    ),
    "rmsprop": Usual(
        "RMSprop",
        1e-5,
        0.5,
        1e-3,
        "Hinton 2012, lecture 6e (1e-3); defaults of Keras 1e-3 and of torch 1e-2; "
        "with a large epsilon 0.045 (Szegedy et al. 2016, arXiv:1512.00567) and 0.256 "
        "(Tan & Le 2019, arXiv:1905.11946)",
    ),
    "adagrad": Usual(
        "Adagrad",
        1e-4,
        1.0,
        1e-2,
        "Duchi et al. 2011; defaults of Keras 1e-3 and of torch 1e-2; the step shrinks "
        "by itself, so rates up to 1 are in use",
    ),
    "adadelta": Usual(
        "Adadelta",
        1e-3,
        2.0,
        1.0,
        "Zeiler 2012, arXiv:1212.5701 (1.0); default of Keras 1e-3",
    ),
    "prodigy": Usual(
        "Prodigy",
        0.1,
        3.0,
        1.0,
        "Mishchenko & Defazio 2024, arXiv:2306.06101: keep it at 1",
    ),
    "dadaptation": Usual(
        "D-Adaptation",
        0.1,
        3.0,
        1.0,
        "Defazio & Mishchenko 2023, arXiv:2301.07733: keep it at 1",
    ),
    "schedulefreeadamw": Usual(
        "schedule-free AdamW",
        1e-5,
        3e-2,
        2.5e-3,
        "Defazio et al. 2024, arXiv:2405.15682, and its package: default 2.5e-3, 1 to "
        "10 times AdamW's rate",
    ),
    "schedulefreesgd": Usual(
        "schedule-free SGD",
        1e-2,
        50.0,
        1.0,
        "Defazio et al. 2024, arXiv:2405.15682, and its package: default 1, 10 to 50 "
        "times SGD's rate",
    ),
}

_OTHER_NAMES = {
    "momentum": "sgdmomentum",
    "sgdm": "sgdmomentum",
    "sgdnesterov": "nesterov",
    "sgdwithmomentum": "sgdmomentum",
    "sgdwithnesterovmomentum": "nesterov",
    "adamwschedulefree": "schedulefreeadamw",
    "schedulefree": "schedulefreeadamw",
    "radamschedulefree": "schedulefreeadamw",
    "sgdschedulefree": "schedulefreesgd",
    "dadapt": "dadaptation",
    "dadaptadam": "dadaptation",
    "dadaptsgd": "dadaptation",
    "dadaptlion": "dadaptation",
    "adam8bit": "adam",
    "adamw8bit": "adamw",
    "pagedadamw": "adamw",
    "fusedadam": "adam",
    "adamwtorchfused": "adamw",
    "adamwtorch": "adamw",
    "sparseadam": "adam",
}


def usual(optimizer: object) -> Usual | None:
    """Return where an optimizer's peak usually lies; None where it is not known.

    Args:
        optimizer: A name in any spelling ("adam_w", "sgd+momentum"), an optimizer's
            class, or an optimizer: its class is what counts, for SGD its momentum too.

    Examples:
        >>> usual("SGD + momentum").high
        5.0
        >>> usual("my_own") is None
        True
    """
    key = re.sub(r"[^a-z0-9]", "", name_of(optimizer).lower())
    return USUAL.get(_OTHER_NAMES.get(key, key))


def name_of(optimizer: object) -> str:
    """Return the name of an optimizer, its class, or of what was written."""
    if isinstance(optimizer, str):
        return optimizer
    if isinstance(optimizer, type):
        return optimizer.__name__
    name = type(optimizer).__name__
    defaults = getattr(optimizer, "defaults", None)
    if (
        isinstance(defaults, dict)
        and name.lower() == "sgd"
        and defaults.get("momentum")
    ):
        return "SGD + momentum"
    return name
