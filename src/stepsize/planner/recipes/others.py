"""Hyperparameters beside the rate, by optimizer and situation, with their sources."""

from __future__ import annotations

from stepsize.planner.recipes.situation import Situation
from stepsize.planner.scaling import sources
from stepsize.planner.scaling.choice import Choice
from stepsize.planner.scaling.sources import Source

_MOMENTS = ("adam", "adamw", "nadam", "radam", "adamax", "amsgrad", "lamb", "prodigy")
_DECOUPLED = ("adamw", "schedulefreeadamw")


def others(s: Situation) -> tuple[Choice, ...]:
    """Return what to set beside the rate; names are those of torch's param groups."""
    return (*_betas(s), *_decay(s))


def second_beta(choices: tuple[Choice, ...]) -> float | None:
    """Return the second beta among choices; None where there is none."""
    for choice in choices:
        if choice.name == "betas[1]" and isinstance(choice.value, float):
            return choice.value
    return None


def _betas(s: Situation) -> tuple[Choice, ...]:
    if s.key in {"sgdmomentum", "nesterov", "lars"}:
        return (
            _one("momentum", 0.9, "The usual momentum.", (sources.GOYAL,), 0.8, 0.99),
        )
    if s.key == "muon":
        return (_one("momentum", 0.95, "Muon's own default.", (sources.MUON,)),)
    if s.key == "lion":
        return (
            _one("betas[0]", 0.9, "Lion's own default.", (sources.LION,)),
            _one(
                "betas[1]",
                0.99,
                "Lion's own default; 0.98 with betas[0] = 0.95 for language models.",
                (sources.LION,),
                0.98,
                0.99,
            ),
        )
    if s.key == "schedulefreeadamw":
        return (
            _one(
                "betas[0]",
                0.9,
                "Weight of the average; 0.95 or 0.98 for very long runs.",
                (sources.SCHEDULE_FREE,),
                0.9,
                0.98,
            ),
        )
    if s.key not in _MOMENTS:
        return ()
    language = s.kind == "language"
    second = 0.95 if language else 0.999
    return (
        _one("betas[0]", 0.9, "Adam's own default.", (sources.ADAM,)),
        _one(
            "betas[1]",
            second,
            "Language models: a shorter memory, more stable with large batches."
            if language
            else "Adam's own default.",
            (sources.GPT3,) if language else (sources.ADAM,),
            0.95,
            0.999,
        ),
    )


def _decay(s: Situation) -> tuple[Choice, ...]:  # noqa: PLR0911 - one a case
    if s.key in {"sgd", "sgdmomentum", "nesterov", "lars"}:
        if s.kind == "vision":
            return (_decay_of(1e-4, "ResNets.", (sources.GOYAL,), 1e-5, 5e-4),)
        return ()
    base = _adamw_decay(s)
    if s.key in _DECOUPLED:
        return (base,)
    if s.key == "lion":
        value = float(base.value) * 10
        return (
            _decay_of(
                value,
                "AdamW's, as much larger as the rate is smaller.",
                (sources.LION, *base.sources),
                value * 0.3,
                value,
            ),
        )
    if s.key == "muon":
        return (_decay_of(0.01, "Of its own example.", (sources.MUON,), 0.0, 0.1),)
    if s.key == "lamb":
        return (_decay_of(0.01, "BERT.", (sources.LAMB,)),)
    return ()


def _adamw_decay(s: Situation) -> Choice:
    if s.kind == "language":
        return _decay_of(
            0.1,
            "Language models; what counts is its time scale, 1 / (lr * weight_decay).",
            (sources.GPT3, sources.TIMESCALE),
            0.01,
            0.3,
        )
    if s.kind == "vision" or (s.kind == "fine-tuning" and s.task == "vision"):
        small = s.model.parameters is not None and s.model.parameters < 1e6  # noqa: PLR2004 - as peaks.SMALL
        if not small:
            cited = sources.DEIT if s.kind == "vision" else sources.MAE
            return _decay_of(0.05, "Vision transformers.", (cited,), 0.01, 0.3)
    if s.kind in {"fine-tuning", "lora"}:
        return _decay_of(0.01, "BERT.", (sources.BERT, sources.ELECTRA), 0.0, 0.1)
    return _decay_of(0.01, "AdamW's default in torch.", (sources.DEFAULTS,), 0.0, 0.1)


def _decay_of(
    value: float,
    reason: str,
    cited: tuple[Source, ...],
    low: float | None = None,
    high: float | None = None,
) -> Choice:
    return _one("weight_decay", value, reason, cited, low, high)


def _one(  # noqa: PLR0917 - a row of a table
    name: str,
    value: float,
    reason: str,
    cited: tuple[Source, ...],
    low: float | None = None,
    high: float | None = None,
) -> Choice:
    return Choice(
        name=name, value=value, low=low, high=high, reason=reason, sources=cited
    )
