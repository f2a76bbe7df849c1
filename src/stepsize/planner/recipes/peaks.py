"""The peak rate of a situation: a start, its range, its reason and its source.

Rates that hold for an optimizer as such are those of `planner.usual_rates`; here is
only what a task, a size or pretraining changes.
"""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise
from typing import NamedTuple

from stepsize.planner.recipes.situation import Situation
from stepsize.planner.scaling import sources, warmups
from stepsize.planner.scaling.choice import Choice, short
from stepsize.planner.scaling.horizons import step_law
from stepsize.planner.scaling.rules import GOYAL_BATCH
from stepsize.planner.scaling.sources import Source

GPT3: tuple[tuple[float, float], ...] = (
    (125e6, 6.0e-4),
    (350e6, 3.0e-4),
    (760e6, 2.5e-4),
    (1.3e9, 2.0e-4),
    (2.7e9, 1.6e-4),
    (6.7e9, 1.2e-4),
    (13e9, 1.0e-4),
    (175e9, 0.6e-4),
)
"""Parameters and peak rate of Adam; Brown et al. 2020, arXiv:2005.14165, table 2.1."""
SMALL = 1e6
"""Parameters below which a network counts as small; a convention."""


class Start(NamedTuple):
    """Where a situation's peak rate starts.

    Attributes:
        value: The rate.
        low: Smallest one that the sources use or advise.
        high: Largest one.
        reason: Why.
        sources: Where it comes from.
        formula: How it follows; "" for a number of the source.
        disputed: What speaks against it.
    """

    value: float
    low: float
    high: float
    reason: str
    sources: tuple[Source, ...]
    formula: str = ""
    disputed: str = ""


_ADAMS = ("adam", "adamw", "nadam", "radam", "adamax", "amsgrad", "ademamix")
_SGDS = ("sgd", "sgdmomentum", "nesterov")
LION_FACTOR = 0.1
"""Rate of Lion over AdamW's; Chen et al. 2023, automl/lion/README.md: 1/10 in all its
examples, 1/10 to 1/3 in its text."""
LION_RANGE = (1 / 10, 1 / 3)
"""The same text."""
LORA_FACTOR = 10.0
"""Rate for LoRA over full fine-tuning; tinker_cookbook/hyperparam_utils.py."""


def peak(s: Situation, given: float | None = None) -> Choice:
    """Return the peak rate of a situation.

    Args:
        s: The situation.
        given: A rate that was found for this very run, as by a finder; it is taken.
    """
    start = _start(s)
    if given is not None:
        far = "" if start.low <= given <= start.high else _far(given, start)
        return Choice(
            name="lr",
            value=given,
            low=start.low,
            high=start.high,
            reason="Given; the range is what is usual in this situation.",
            sources=start.sources,
            disputed=far,
        )
    value = float(f"{start.value:.3g}") if start.formula else start.value
    return Choice(
        name="lr",
        value=value,
        low=min(start.low, value),  # which was rounded
        high=max(start.high, value),
        formula=start.formula,
        reason=start.reason,
        sources=start.sources,
        disputed=start.disputed,
    )


def _far(given: float, start: Start) -> str:
    return f"{short(given)} is outside of {short(start.low)} to {short(start.high)}"


def _start(s: Situation) -> Start:  # noqa: PLR0911 - one a case
    if s.family == "free":
        return _usual(s, "The optimizer finds its rate; 1 leaves it as found.")
    if s.key == "lion":
        return _lion(s)
    if s.key == "lamb" and s.batch is not None and s.kind not in {"lora"}:
        return _lamb(s.batch)
    if s.key == "muon" and s.kind in {"vision", "language", "general"}:
        return _usual(
            s,
            "For hidden matrices, with updates of their own size; all other parameters "
            "go to AdamW. Matched to AdamW's updates, Muon takes AdamW's rates.",
            (sources.MUON, sources.MOONLIGHT),
        )
    if s.kind == "lora" and s.key in _ADAMS:
        return _LORA
    if s.kind == "fine-tuning":
        found = _fine_tuning(s)
        if found is not None:
            return found
    if s.key in _SGDS and s.kind == "vision":
        return _goyal(s)
    if s.key in _ADAMS and s.kind == "language":
        return _language(s)
    if s.key in _ADAMS and s.kind == "vision" and not _small(s):
        return _deit(s)
    if s.key in _ADAMS and s.kind in {"general", "vision"}:
        return _SMALL_ADAM if _small(s) else _ADAM
    return _usual(s, "The usual start of this optimizer; nothing more is known.")


_LORA = Start(
    3e-4,
    1e-4,
    1e-3,
    "About ten times full fine-tuning, nearly independent of the rank: the middle of "
    "what was best for 26 models from 1B to 400B parameters.",
    (sources.LORA,),
)
_SMALL_ADAM = Start(
    3e-3,
    1e-3,
    3e-2,
    "Small networks and short runs take more than the usual 1e-3.",
    (sources.WORKLOADS, sources.ADAM),
    disputed="the common start is 1e-3; on the built-in MNIST workload, over 600 "
    "updates, 1e-2 was best on a grid in factors of 3",
)
_ADAM = Start(
    1e-3,
    1e-4,
    1e-2,
    "Adam's own default; lower for large models and long runs, higher for small ones.",
    (sources.ADAM,),
)


def _usual(s: Situation, reason: str, cited: tuple[Source, ...] | None = None) -> Start:
    known = s.usual
    source = Source(known.source, "", "quoted")
    low = max(known.low, known.start / 10)
    high = min(known.high, known.start * 10)
    return Start(known.start, low, high, reason, cited or (source,))


def _small(s: Situation) -> bool:
    return s.model.parameters is not None and s.model.parameters < SMALL


def _goyal(s: Situation) -> Start:
    """0.1 for each 256 samples; table 2: 0.05 to 0.2 cost less than 0.7 points."""
    batch = s.batch if s.batch is not None else 256.0
    by = batch / 256
    disputed = ""
    if by < 1 / 4:
        disputed = (
            "below a batch of 64 the linear rule gives less than the built-in digits "
            "workload wants (0.1 at 32)"
        )
    if batch > GOYAL_BATCH:
        disputed = (
            f"linear scaling was shown up to a batch of {GOYAL_BATCH}; beyond it the "
            "error rose"
        )
    return Start(
        0.1 * by,
        0.05 * by,
        max(0.2 * by, 0.1),
        "Convolutional networks with batch norm: 0.1 for each 256 samples.",
        (sources.GOYAL,),
        "" if by == 1 else f"0.1 * {batch:g} / 256",
        disputed,
    )


def _deit(s: Situation) -> Start:
    batch = s.batch if s.batch is not None else 512.0
    value = 5e-4 * batch / 512
    return Start(
        value,
        min(1e-4, value),
        max(3e-3, value),
        "Vision transformers: 5e-4 for each 512 samples.",
        (sources.DEIT, sources.VIT),
        f"5e-4 * {batch:g} / 512",
        "the linear rule is SGD's; for Adam the root of the batch has the theory "
        "(arXiv:2205.10287)",
    )


def kaplan(parameters: float) -> float:
    """Return Adam's peak rate for a language model of N parameters.

        lr = 0.003239 - 0.0001395 ln N

    Falls to 0 at N of about 1e10; Brown et al. used other rates from 125M on.

    Source:
        Kaplan et al. 2020, arXiv:2001.08361, eq. D.1.

    Examples:
        >>> round(kaplan(125e6), 5)
        0.00064
    """
    return 0.003239 - 0.0001395 * math.log(parameters)


def gpt3(parameters: float) -> float:
    """Return the peak rate of GPT-3's table, between its sizes in proportion of logs.

    Source:
        Brown et al. 2020, arXiv:2005.14165, table 2.1.

    Examples:
        >>> gpt3(1.3e9), gpt3(1e12)
        (0.0002, 6e-05)
    """
    if parameters <= GPT3[0][0]:
        return GPT3[0][1]
    for (n0, lr0), (n1, lr1) in pairwise(GPT3):
        if parameters <= n1:
            share = math.log(parameters / n0) / math.log(n1 / n0)
            return float(lr0 ** (1 - share) * lr1**share) if share < 1 else lr1
    return GPT3[-1][1]


def _language(s: Situation) -> Start:
    n = s.model.parameters
    if n is None:
        return Start(
            3e-4,
            6e-5,
            1e-3,
            "The middle of what language models use: 6e-4 at 125M parameters, 6e-5 at "
            "175B. Say model= for a rate of your size.",
            (sources.GPT3,),
        )
    small = n < GPT3[0][0]
    value = kaplan(max(n, 1.0)) if small else gpt3(n)
    cited = sources.KAPLAN if small else sources.GPT3
    formula = f"0.003239 - 0.0001395 ln({n:.3g})" if small else ""
    disputed = (
        "short runs want more: the built-in character model (62k parameters, 2000 "
        "updates) was best at 3e-3"
        if n < SMALL
        else ""
    )
    tokens = _tokens(s)
    if tokens is not None and not small:
        other = step_law(n, tokens)
        disputed = (
            f"Step Law (arXiv:2503.04715) says {other.lr:.2g} with a batch of "
            f"{other.batch_tokens:.2g} tokens, for this size and {tokens:.2g} tokens"
        )
    high = 10 * value if n < SMALL else 5 * value
    reason = (
        "Falls with the size: a fit to models from 768 to 1.5B parameters."
        if small
        else "Falls with the size: the rates of GPT-3, between its sizes by their logs."
    )
    return Start(value, value / 3, high, reason, (cited,), formula, disputed)


def _tokens(s: Situation) -> float | None:
    steps, each = s.total_steps, s.horizon.tokens_per_step
    return None if steps is None or each is None else steps * each


def _lion(s: Situation) -> Start:
    base = _start(_as(s, "adamw"))
    return Start(
        base.value * LION_FACTOR,
        base.low * LION_RANGE[0],
        base.high * LION_RANGE[1],
        "A tenth to a third of AdamW's, because every update has the size of its sign.",
        (sources.LION, *base.sources),
        f"{short(base.value)} / 10",
        base.disputed,
    )


def _lamb(batch: float) -> Start:
    value = warmups.lamb(batch).lr
    return Start(
        value,
        value / 3,
        value * 3,
        "LAMB's own table for BERT, batches from 512 to 32768.",
        (sources.LAMB,),
        f"5e-3 sqrt({batch:g} / 32768)",
        ""
        if 512 <= batch <= warmups.LAMB_BATCH  # noqa: PLR2004 - the table's ends
        else "the batch is outside of the table",
    )


def _fine_tuning(s: Situation) -> Start | None:
    if s.key in _SGDS:
        return Start(
            0.01,
            1e-3,
            6e-2,
            "A tenth of training from scratch; vision transformers were fine-tuned at "
            "0.003 to 0.06, batch 512.",
            (sources.VIT,),
        )
    if s.key == "adafactor":
        return Start(
            1e-3,
            1e-4,
            1e-3,
            "With scale_parameter and relative_step off.",
            (sources.T5,),
            disputed='T5 kept the rate constant; style="constant" does so',
        )
    if s.key not in _ADAMS:
        return None
    if s.task == "vision":
        return Start(
            5e-5,
            1e-5,
            4e-3,
            "Without layer-wise decay, a tenth to a hundredth of pretraining.",
            (sources.PRACTICE,),
            disputed="with layer-wise decay MAE uses 5e-4 to 1e-3 for each 256 samples",
        )
    return Start(
        2e-5,
        1e-6,
        1e-4,
        "BERT: 2e-5, 3e-5 or 5e-5 at batches of 16 and 32; 10 to 100 times below "
        "pretraining.",
        (sources.BERT,),
        disputed="ELECTRA takes 1e-4 (small, base) and 5e-5 (large) with layer-wise "
        "decay; large language models 1e-5 to 1e-4 (tinker_cookbook)",
    )


def _as(s: Situation, key: str) -> Situation:
    return replace(s, key=key, family="adam")
