"""Every shape: an example of it and when to use it; formula and source are its own.

The first paragraph, the formula and the source come from the constructor's docstring,
so that nothing is said twice.
"""

from __future__ import annotations

import inspect
import re
import textwrap
from dataclasses import dataclass
from typing import NamedTuple, final

import stepsize
from stepsize.schedules.schedule import ResolvedSchedule

UPDATES = 1000
"""Length of the run that every shape is drawn over."""


class Shape(NamedTuple):
    """A shape and what is said of it here only.

    Attributes:
        name: What it is listed as.
        constructor: Its name in `stepsize`.
        example: Text of a schedule that shows it over `UPDATES` updates.
        when: When to use it.
    """

    name: str
    constructor: str
    example: str
    when: str


FAMILIES: dict[str, tuple[Shape, ...]] = {
    "Whole schedules": (
        Shape(
            "constant",
            "constant",
            "constant(1.0)",
            "As the baseline that every schedule has to beat, and with schedule-free "
            "optimizers.",
        ),
        Shape(
            "wsd",
            "wsd",
            'wsd("5%", cooldown_steps="20%")',
            "Pre-training whose length may still change: the plateau goes on until you "
            "decide, and any point of it can be cooled down.",
        ),
        Shape(
            "warmup and cosine",
            "cosine",
            'warmup("5%") >> cosine(to=0.1)',
            "A run whose length is fixed: the default of language and vision models.",
        ),
        Shape(
            "warmup and linear",
            "linear",
            'warmup("10%") >> linear()',
            "Fine-tuning, and runs of fixed length that end at 0.",
        ),
        Shape(
            "one_cycle",
            "one_cycle",
            "one_cycle()",
            "Short runs of convolutional networks with a high peak.",
        ),
        Shape(
            "one_cycle_momentum",
            "one_cycle_momentum",
            "one_cycle_momentum()",
            "The momentum beside one_cycle: low where the rate is high.",
        ),
        Shape(
            "slanted_triangular",
            "slanted_triangular",
            "slanted_triangular()",
            "Fine-tuning a language model for classification, as in ULMFiT.",
        ),
        Shape(
            "flat_cosine",
            "flat_cosine",
            "flat_cosine()",
            "Fine-tuning and adaptive optimizers that need no warmup (RAdam, Ranger).",
        ),
        Shape(
            "knee",
            "knee",
            'knee(warmup_steps="5%")',
            "When a long time at a high rate matters more than a smooth fall.",
        ),
        Shape(
            "noam",
            "noam",
            "noam(512, 200)",
            "To repeat the original Transformer, or where the end is not known.",
        ),
        Shape(
            "infinite",
            "infinite",
            "infinite(50, 250, 150)",
            "Continual pre-training: new data may come, any checkpoint of the flat "
            "part can be annealed.",
        ),
        Shape(
            "wsd_s",
            "wsd_s",
            "wsd_s([300, 300, 350], warmup_steps=50)",
            "One run that leaves a finished model after each of several budgets.",
        ),
    ),
    "Decays to an end": (
        Shape(
            "linear",
            "linear",
            "linear()",
            "The plain choice: close to optimal in theory and hard to beat.",
        ),
        Shape(
            "cosine",
            "cosine",
            "cosine()",
            "Stays high for longer than linear at first, and ends softly.",
        ),
        Shape(
            "polynomial",
            "polynomial",
            "polynomial()",
            "Segmentation (power 0.9), or to be low for long (power 2 and more).",
        ),
        Shape(
            "exponential",
            "exponential",
            "exponential(to=0.01)",
            "Equal factors over a run of known length; never reaches 0.",
        ),
        Shape(
            "1-sqrt",
            "decay",
            'hold("60%") >> decay(shape="1-sqrt")',
            "The cooldown of WSD: falls fast first.",
        ),
        Shape(
            "1-square",
            "decay",
            'hold("60%") >> decay(shape="1-square")',
            "A cooldown that stays high first.",
        ),
        Shape(
            "shifted-exponential",
            "decay",
            'hold("60%") >> decay(shape="shifted-exponential", ratio=0.05)',
            "An exponential cooldown that does reach its end, as Megatron has it.",
        ),
        Shape(
            "harmonic",
            "decay",
            'hold("60%") >> decay(to=0.05, shape="harmonic")',
            "A cooldown by equal steps of 1 / rate, as lingua has it.",
        ),
        Shape(
            "mirrored_cosine",
            "mirrored_cosine",
            'hold("60%") >> mirrored_cosine()',
            "A cooldown that falls fast at both ends.",
        ),
        Shape(
            "lowered_linear",
            "lowered_linear",
            'hold("60%") >> lowered_linear()',
            "A cooldown that begins with a drop.",
        ),
        Shape(
            "rex",
            "rex",
            "rex()",
            "Small budgets: holds on to high rates and falls late.",
        ),
        Shape(
            "k_decay",
            "k_decay",
            "k_decay(k=2.0)",
            "To move the fall of a cosine or a line later.",
        ),
        Shape(
            "tanh",
            "tanh",
            "tanh()",
            "Long runs of convolutional networks: a plateau with a soft fall.",
        ),
        Shape(
            "hyperbolic",
            "hyperbolic",
            "hyperbolic(ratio=0.5)",
            "When the number of epochs is still being tuned: the start does not "
            "depend on it.",
        ),
    ),
    "Decays without an end": (
        Shape(
            "inverse_sqrt",
            "inverse_sqrt",
            'warmup("10%") >> inverse_sqrt(100)',
            "Runs of unknown length: never needs the horizon.",
        ),
        Shape(
            "power_law",
            "power_law",
            'warmup("10%") >> power_law(0.51, 100)',
            "As inverse_sqrt, with the exponent free; add a short decay at the end.",
        ),
        Shape(
            "inverse_time",
            "inverse_time",
            "inverse_time(1.0, 200)",
            "Classical stochastic approximation; convex problems.",
        ),
        Shape(
            "geometric",
            "geometric",
            "geometric(0.995)",
            "Equal factors per update or epoch, whatever the length of the run.",
        ),
        Shape(
            "natural_exponential",
            "natural_exponential",
            "natural_exponential(1.0, 300)",
            "The same, written with a rate instead of a factor.",
        ),
        Shape(
            "step",
            "step",
            "step(300, 0.3)",
            "To repeat results of vision: a drop every so many epochs.",
        ),
        Shape(
            "multistep",
            "multistep",
            "multistep([500, 800], 0.2)",
            "The same with drops at chosen places.",
        ),
    ),
    "Warmups": (
        Shape(
            "warmup",
            "warmup",
            'warmup("30%") >> hold()',
            "Before any peak that the first updates would not survive: adaptive "
            "optimizers, large batches.",
        ),
        Shape(
            "untuned_warmup",
            "untuned_warmup",
            "untuned_warmup(0.99) >> hold()",
            "Adam, when nothing is known about the length of the warmup.",
        ),
        Shape(
            "exponential_warmup",
            "exponential_warmup",
            "exponential_warmup(100)",
            "The same without a corner; a factor for any schedule.",
        ),
        Shape(
            "radam_warmup",
            "radam_warmup",
            "radam_warmup(0.99)",
            "RAdam's rectification for an Adam that lacks it; a factor.",
        ),
    ),
    "Cycles": (
        Shape(
            "warm_restarts",
            "warm_restarts",
            "warm_restarts(n=3)",
            "Snapshots for an ensemble, or anytime results at each cycle's end.",
        ),
        Shape(
            "repeat",
            "repeat",
            'repeat(warmup("10%") >> linear(), 4, shrink_peak=0.7)',
            "Restarts of any shape, with any stretch and peaks that shrink.",
        ),
        Shape(
            "cyclic",
            "cyclic",
            'cyclic(100, mode="triangular2")',
            "Smith's cyclical rates, when the best rate is known as a range only.",
        ),
        Shape("wave", "wave", "wave(cycles=2.5)", "A cosine that swings up again."),
        Shape(
            "polynomial_cycles",
            "polynomial_cycles",
            "polynomial_cycles(200, to=0.1)",
            "To repeat Keras' PolynomialDecay with cycle=True.",
        ),
    ),
    "Free shapes": (
        Shape(
            "knots",
            "knots",
            "knots([(0, 0.1), (200, 1.0), (600, 0.4), (1000, 0.05)])",
            "A curve that was found elsewhere, or drawn by hand.",
        ),
        Shape(
            "table",
            "table",
            "table([1.0, 0.5, 0.8, 0.3]) >> hold()",
            "A value for each update.",
        ),
        Shape(
            "chebyshev",
            "chebyshev",
            'repeat(chebyshev(64), boundaries="real")',
            "Experiments with steps that are unstable alone and stable together.",
        ),
        Shape(
            "noise",
            "noise",
            "cosine() * noise(amplitude=0.2)",
            "Scatter that every rank and framework repeats to the bit.",
        ),
    ),
}


@final
@dataclass(frozen=True, slots=True)
class Entry:
    """A shape with everything that is said of it.

    Attributes:
        family: Heading it stands under.
        name: What it is listed as.
        constructor: Its name in `stepsize`.
        example: Text of a schedule that shows it.
        summary: First sentence of its docstring.
        formula: The formula there; empty where the constructor only composes.
        source: The source there; empty where none is given.
        when: When to use it.
    """

    family: str
    name: str
    constructor: str
    example: str
    summary: str
    formula: str
    source: str
    when: str

    def run(self) -> ResolvedSchedule:
        """Return the example over `UPDATES` updates."""
        return stepsize.parse(self.example).resolve(total_steps=UPDATES)


def entries() -> list[Entry]:
    """Return every shape, family by family."""
    return [
        _entry(family, shape) for family, shapes in FAMILIES.items() for shape in shapes
    ]


def _entry(family: str, shape: Shape) -> Entry:
    text = inspect.getdoc(getattr(stepsize, shape.constructor)) or ""
    head, _, rest = text.partition("\n\n")
    formula = _formula(rest, shape.name)
    source = re.search(r"^Source:\n((?: {4}.*\n?|\n)+)", rest, re.MULTILINE)
    return Entry(
        family=family,
        name=shape.name,
        constructor=shape.constructor,
        example=shape.example,
        summary=" ".join(head.split()),
        formula=formula,
        source=_source(" ".join(source[1].split()) if source else "", shape),
        when=shape.when,
    )


def _source(text: str, shape: Shape) -> str:
    """Return the source; of a constructor with many shapes, that of this one."""
    if shape.constructor != "decay":
        return text
    own = [one for one in text.rstrip(".").split("; ") if f"({shape.name}" in one]
    return "".join(own).replace(f" ({shape.name})", "") + "." if own else ""


def _formula(text: str, name: str) -> str:
    """Return the formula before the sections; of a list of shapes, the one's own."""
    body = re.split(r"^[A-Z][a-z]+:$", text, maxsplit=1, flags=re.MULTILINE)[0]
    blocks: list[str] = re.findall(r"(?:^ {4}.*\n?)+", body, re.MULTILINE)
    own = re.search(rf"^ {{4}}{re.escape(name)} {{2,}}(.*)$", body, re.MULTILINE)
    if own is not None:
        return f"{_WEIGHTED}\n{own[1]}" if own[1].startswith("w =") else own[1]
    given = re.search(r"^With (?:.|\n)*?(?=\n\n)", body, re.MULTILINE)
    lines = [textwrap.dedent(block).rstrip() for block in blocks]
    if given is not None and lines:
        lines.insert(0, " ".join(given[0].split()))
    return "\n".join(lines)


_WEIGHTED = "value(d) = w * entry + (1 - w) * end,   p = d / n"
