"""The schedule of a situation, with peak 1: which shape, how long a warmup, and why."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from stepsize.planner.recipes.situation import Situation
from stepsize.planner.scaling import sources, warmups
from stepsize.planner.scaling.choice import Choice
from stepsize.planner.scaling.sources import Source
from stepsize.schedules.drops import multistep
from stepsize.schedules.named import warm_restarts
from stepsize.schedules.phases import cosine, decay, hold, linear, warmup
from stepsize.schedules.schedule import Schedule

COOLDOWN = "20%"
"""Hägele et al. 2024, arXiv:2405.18392: 1-sqrt over 20 % matches cosine. Hu et al.
2024, arXiv:2404.06395: 10 % is enough."""
DROPS = ("33%", "67%", "89%")
"""Goyal et al. 2017, arXiv:1706.02677, section 5: after 30, 60, 80 of 90 epochs."""
RESTARTS, STRETCH = 4, 2.0
"""Loshchilov & Hutter 2017, arXiv:1608.03983: T_0 = 10, T_mult = 2 on 150 epochs."""
GOYAL_BATCH = 256
"""The same paper's batch without warmup."""
OPEN_WARMUP = 500
"""Updates of warmup of an open run without Adam's beta2; a convention."""


class Shaped(NamedTuple):
    """A schedule with peak 1 and the choices that made it.

    Attributes:
        schedule: The schedule.
        choices: "schedule" and, where there is one, "warmup".
    """

    schedule: Schedule
    choices: tuple[Choice, ...]


class _Shape(NamedTuple):
    text: str
    reason: str
    sources: tuple[Source, ...]
    disputed: str = ""


def shaped(s: Situation, beta2: float | None) -> Shaped:
    """Return the schedule of a situation, with peak 1.

    Args:
        s: The situation.
        beta2: Adam's second beta where the optimizer has one.
    """
    style = s.style if s.style != "auto" else _style(s)
    rise = _warmup(s, beta2)
    if rise is not None and s.total_steps is None and isinstance(rise.value, str):
        rise = _of_an_open_run(rise, beta2)
    tail: Schedule
    if s.total_steps is None and style != "constant":
        style = "open"
    if style in {"open", "constant"}:
        tail = hold()
    elif style == "wsd":
        tail = hold() >> decay(COOLDOWN, shape="1-sqrt")
    elif style == "linear":
        tail = linear()
    elif style == "step":
        tail = multistep(list(DROPS), 0.1)
    elif style == "restarts":
        tail = warm_restarts(None, RESTARTS, stretch=STRETCH)
    else:
        tail = cosine()
    whole = tail if rise is None else warmup(_length(rise.value)) >> tail
    why = _WHY[_why(s, style)]
    told = Choice(
        name="schedule",
        value=str(whole),
        reason=why.reason,
        sources=why.sources,
        disputed=why.disputed,
    )
    return Shaped(whole, (told,) if rise is None else (told, rise))


def _of_an_open_run(rise: Choice, beta2: float | None) -> Choice:
    """Return a warmup in updates: there is no run to take a share of."""
    return replace(
        rise,
        value=OPEN_WARMUP if beta2 is None else warmups.untuned(beta2),
        low=None,
        high=None,
        reason=f"{rise.reason} The end is open, so it is in updates.",
    )


def _style(s: Situation) -> str:
    if not s.scheduled:
        return "constant"
    if s.extendable:
        return "wsd"
    if s.family == "free" or s.kind in {"language", "fine-tuning", "lora"}:
        return "cosine" if s.kind == "fine-tuning" and s.task == "vision" else "linear"
    return "cosine"


def _why(s: Situation, style: str) -> str:
    if style == "constant" and not s.scheduled:
        return "averaged"
    if style == "linear" and s.kind == "language":
        return "language"
    if style == "linear" and s.family == "free":
        return "free"
    if style == "linear" and s.kind in {"fine-tuning", "lora"}:
        return "fine-tuning"
    return style


def _length(value: float | str) -> int | str:
    return value if isinstance(value, str) else int(value)


def _warmup(s: Situation, beta2: float | None) -> Choice | None:
    if s.style == "step" and s.batch is not None and s.batch <= GOYAL_BATCH:
        return None
    if s.key == "lamb" and s.batch is not None:
        return _rise(
            f"{100 * warmups.lamb(s.batch).warmup:.4g}%",
            "LAMB's table: as many updates at every batch.",
            (sources.LAMB,),
        )
    if s.kind in {"fine-tuning", "lora"}:
        return _rise(
            "10%",
            "Fine-tuning of transformers: a tenth of the run.",
            (sources.ELECTRA,),
            low=0.06,
            high=0.10,
        )
    if s.family == "free":
        return _rise(
            "5%",
            "0 to 20 % is recommended; turn safeguard_warmup on with it.",
            (sources.PRODIGY,),
            low=0.0,
            high=0.2,
        )
    if beta2 is not None:
        return _adam(s, beta2)
    return _rise(
        "5%",
        "5 of 90 epochs; it lets the run survive a higher peak.",
        (sources.GOYAL, sources.WARMUP_WHY),
        low=0.0,
        high=0.10,
        disputed=_NO_GAIN,
    )


_NO_GAIN = (
    "in this project's measurements it made no measurable difference at the tuned "
    "rate; it saved runs whose rate was too high"
)


def _adam(s: Situation, beta2: float) -> Choice:
    wanted, total = warmups.untuned(beta2), s.total_steps
    reason = f"2 / (1 - {beta2:g}) updates"
    value: int | str = wanted
    if total is not None and wanted > total / 10:
        value, reason = "10%", reason + " would be more than a tenth of the run"
    elif total is not None and wanted < total / 100:
        value, reason = "1%", reason + " would be less than a hundredth of the run"
    return _rise(
        value,
        reason + ": until then the second moment has seen too few gradients.",
        (sources.UNTUNED, sources.WARMUP_WHY),
        disputed=_NO_GAIN,
    )


def _rise(
    value: float | str,
    reason: str,
    cited: tuple[Source, ...],
    *,
    low: float | None = None,
    high: float | None = None,
    disputed: str = "",
) -> Choice:
    return Choice(
        name="warmup",
        value=value,
        low=low,
        high=high,
        reason=reason,
        sources=cited,
        disputed=disputed,
    )


_SAME = (
    "in this project's measurements on five small tasks warmed-up cosine, linear and "
    "WSD were close once each had its own rate; the rate matters more than the shape"
)
_WHY: dict[str, _Shape] = {
    "cosine": _Shape(
        "cosine",
        "The length is fixed: a warmup and half a cosine to zero are the robust "
        "default.",
        (sources.SGDR, sources.BUDGETED),
        _SAME,
    ),
    "linear": _Shape(
        "linear",
        "Linear to zero over the given budget is robust.",
        (sources.BUDGETED,),
        _SAME,
    ),
    "language": _Shape(
        "linear",
        "Language models: linear to zero beats cosine to a tenth at the tuned peak, "
        "and the more so the more tokens per parameter.",
        (sources.TO_ZERO,),
        "GPT-3 and Chinchilla end a cosine at a tenth of the peak (arXiv:2005.14165, "
        "arXiv:2203.15556); WSD is level with cosine (arXiv:2405.18392), and led on a "
        "small character model here",
    ),
    "fine-tuning": _Shape(
        "linear",
        "Fine-tuning: linear warmup, linear to zero.",
        (sources.BERT, sources.ELECTRA),
    ),
    "free": _Shape(
        "linear",
        "The schedule is a factor of the rate that the optimizer finds: linear to zero "
        "is what its implementation in optax recommends.",
        (sources.PRODIGY,),
    ),
    "wsd": _Shape(
        "wsd",
        "The run may be extended: stay at the peak, and cool down once, at the end.",
        (sources.COOLDOWN, sources.MINICPM),
        "MiniCPM finds that 10 % of cooldown are enough",
    ),
    "open": _Shape(
        "open",
        "The length is open: stay at the peak. Whenever it shall end, cool down over "
        'the last fifth: scheduler.cooldown("20%", shape="1-sqrt").',
        (sources.COOLDOWN, sources.MINICPM),
    ),
    "averaged": _Shape(
        "constant",
        "The optimizer averages its iterates instead of decaying: warm up, then hold.",
        (sources.SCHEDULE_FREE,),
    ),
    "constant": _Shape(
        "constant",
        "One rate: a baseline; any decay at the end usually beats it.",
        (sources.PRACTICE,),
    ),
    "restarts": _Shape(
        "restarts",
        "Warm restarts: a usable model at the end of every cycle.",
        (sources.SGDR,),
        "for the last model alone one cycle over the whole run is the default: the "
        "last cycle has little more than half of it",
    ),
    "step": _Shape(
        "step",
        "The simple choice: a tenth at a third, two thirds and eight ninths of the "
        "run.",
        (sources.GOYAL,),
        "cosine and linear need no milestones; on four of five small tasks of this "
        "project's measurements steps were behind them, on one level",
    ),
}
