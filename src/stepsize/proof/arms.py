"""The arms that are compared: factors with peak 1, and the constant baseline.

An arm is a schedule, and beside it an average of the weights or policies that change
the rate. Not here: the rates the factors are multiplied by (compare.py).
"""

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from typing import final

import stepsize as ss
from stepsize.control.policies import Plateau, Policy
from stepsize.errors import InvalidScheduleError, ProofError, StepsizeError, describe

CONSTANT = "constant"
"""Name of the baseline, always the first arm."""

DEFAULTS: Mapping[str, str] = {
    CONSTANT: "hold()",
    "warmup_cosine": 'warmup("10%") >> cosine()',
    "warmup_linear": 'warmup("10%") >> linear()',
    "wsd": 'warmup("10%") >> hold() >> decay("20%", shape="1-sqrt")',
    "one_cycle": 'warmup("30%", start=0.04, shape="cosine") >> cosine(to=1e-05)',
    "step": 'hold("50%") >> jump(0.1) >> hold("25%") >> jump(0.01) >> hold()',
}
"""Name -> text of the arms that are compared unless others are asked for."""

FURTHER: Mapping[str, str] = {
    "constant_ema": "hold()",
    "exponential": "exponential(to=0.01)",
    "polynomial": "polynomial(power=2)",
    "cosine": "cosine()",
    "restarts2": "repeat(cosine(), 2)",
    "restarts3": "repeat(cosine(), 3)",
    "plateau": "hold()",
}
"""Name -> text of the other built-in arms; "all" asks for these and the defaults."""

EVERYTHING = "all"
"""What asks for every built-in arm."""

AVERAGES: Mapping[str, float] = {"constant_ema": 0.99}
"""Name -> decay of the average of the weights, by update, of the arms that have one.

An average over about 100 updates; the one value that was measured for the research.
"""

POLICIES: Mapping[str, tuple[Policy, ...]] = {
    "plateau": (Plateau("val", factor=0.3, patience=4, name="plateau"),)
}
"""Name -> policies of the arms that have any.

They observe the metric "val" 50 times in a run, in the sense that less is better: the
loss, or for an accuracy its distance from 100 %. The first cut is so possible after a
fifth of the budget, and four or five are.
"""

OPTIMIZERS = ("schedule_free", "prodigy", "dadapt", "momo")
"""Arms that replace the optimizer by one that needs no schedule, at a constant rate.

Each needs a package of its own (baselines.py); none is part of "all".
"""

_TEXTS = {**DEFAULTS, **FURTHER, **dict.fromkeys(OPTIMIZERS, "hold()")}
_DIALECT = re.compile(r"\b[a-z]+\.[A-Za-z]\w*\(")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+\- ]{0,29}")
_FAR = 100
"""A highest factor this far from 1 is taken for an absolute rate."""
_HINT = (
    "use names (" + ", ".join([*_TEXTS, EVERYTHING]) + ") or "
    "NAME=EXPRESSION, as in 'long=warmup(\"20%\") >> cosine()'"
)


@final
@dataclass(frozen=True, slots=True)
class Arm:
    """A schedule of factors under a name, and what it comes with.

    Attributes:
        name: What tables and reports call it.
        schedule: The schedule; its highest value is 1 where it is to be compared
            at equal peak rates.
        average: Decay of an exponential moving average of the weights (and running
            statistics), updated at every update; in (0, 1). The arm is then evaluated
            on the averaged weights. None: on the final iterate.
        policies: Policies that change the rate from what validation shows; they
            observe the metric "val".
        optimizer: One of `OPTIMIZERS` instead of the workload's own; None: its own.

    Raises:
        ProofError: `average` is outside its range, `optimizer` unknown, or has an
            average or policies beside it.
    """

    name: str
    schedule: ss.Schedule
    average: float | None = None
    policies: tuple[Policy, ...] = ()
    optimizer: str | None = None

    def __post_init__(self) -> None:
        """Check the average and the optimizer."""
        if self.optimizer is not None and self.optimizer not in OPTIMIZERS:
            rule = f"be None or one of {', '.join(OPTIMIZERS)}"
            raise ProofError(
                describe(f"optimizer of arm {self.name!r}", rule, self.optimizer)
            )
        if self.optimizer is not None and (self.average or self.policies):
            rule = "come without an average and policies"
            raise ProofError(
                describe(f"optimizer of arm {self.name!r}", rule, self.optimizer)
            )
        if self.average is not None and not 0 < self.average < 1:
            rule = "be None or in (0, 1) (unit: decay by update)"
            raise ProofError(
                describe(f"average of arm {self.name!r}", rule, self.average)
            )

    @property
    def is_default(self) -> bool:
        """Whether it is the built-in arm of that name."""
        return self.name in _TEXTS and self == _built_in(self.name)

    @property
    def text(self) -> str:
        """The schedule, and in words what it comes with."""
        words = [str(self.schedule)]
        if self.average is not None:
            words.append(f"weights averaged (EMA, decay {self.average:g})")
        words += [_words(policy) for policy in self.policies]
        if self.optimizer is not None:
            words.append(f"optimizer {self.optimizer}")
        return ", ".join(words)

    def rates(self, peak_lr: float, total_steps: int) -> list[float]:
        """Return the rate of every update of a run; length `total_steps`.

        Raises:
            ProofError: The schedule does not fit in `total_steps`, or a rate is
                negative or not finite.
        """
        try:
            resolved = (peak_lr * self.schedule).resolve(total_steps=total_steps)
            rates = resolved.block(0, total_steps)
        except StepsizeError as error:
            raise ProofError(f"schedule {self.name!r}: {error}") from error
        wrong = [lr for lr in rates if not (math.isfinite(lr) and lr >= 0)]
        if wrong:
            raise ProofError(
                describe(
                    f"schedule {self.name!r}",
                    "give rates that are finite and >= 0",
                    wrong[0],
                )
            )
        return rates

    def check_peak(self, total_steps: int) -> None:
        """Refuse a schedule that is not a factor, most likely an absolute one.

        Raises:
            ProofError: Its highest factor is below 0.01 or above 100.
        """
        peak = max(self.rates(1.0, total_steps))
        if not 1 / _FAR <= peak <= _FAR:
            raise ProofError(
                describe(
                    f"schedule {self.name!r}",
                    "be a factor of the peak rate, with a highest value about 1",
                    peak,
                    hint="leave the absolute rate out; --lrs gives the peak rates",
                )
            )


def select(
    wanted: Iterable[str] | Mapping[str, str | ss.Schedule | Arm] | None,
) -> tuple[Arm, ...]:
    """Read the arms asked for; the constant comes first, whether asked for or not.

    Args:
        wanted: Names of built-in arms ("all" for every one) and `NAME=EXPRESSION`
            texts; or a mapping from names to schedules, their texts or arms; None for
            the default arms.

    Raises:
        ProofError: A name is unknown, used twice or unfit, or nothing is asked for.
        InvalidScheduleError: An expression is not a schedule.

    Examples:
        >>> [arm.name for arm in select(["wsd"])]
        ['constant', 'wsd']
    """
    given = [_built_in(name) for name in DEFAULTS] if wanted is None else _read(wanted)
    if not given:
        raise ProofError(describe("schedules", "name at least one arm", [], hint=_HINT))
    arms = {CONSTANT: _built_in(CONSTANT)}
    for arm in given:
        if not _NAME.fullmatch(arm.name):
            rule = "have names of 1 to 30 letters, digits, spaces or _ . + -"
            raise ProofError(describe("schedules", rule, arm.name, hint=_HINT))
        if arm.name != CONSTANT and arm.name in arms:
            raise ProofError(
                describe("schedules", "have each name once", arm.name, hint=_HINT)
            )
        if arm.name == CONSTANT and arm != arms[CONSTANT]:
            raise ProofError(
                describe(
                    f"schedule {CONSTANT!r}",
                    "stay the plain constant, the baseline of every comparison",
                    arm.text,
                    hint="give yours another name",
                )
            )
        arms[arm.name] = arm
    return tuple(arms.values())


def _read(
    wanted: Iterable[str] | Mapping[str, str | ss.Schedule | Arm],
) -> list[Arm]:
    """Return the arms asked for, in that order, their names not yet checked."""
    if isinstance(wanted, Mapping):
        return [_arm(name, value) for name, value in wanted.items()]
    arms = []
    for text in wanted:
        name, equals, expression = text.partition("=")
        name = name.strip()
        if text == EVERYTHING:
            arms += [
                _built_in(name) for name in (*DEFAULTS, *FURTHER) if name != CONSTANT
            ]
        elif equals and _NAME.fullmatch(name):
            arms.append(_arm(name, expression))
        elif name in _TEXTS and not equals:
            arms.append(_built_in(name))
        else:
            rule = "be known names or NAME=EXPRESSION"
            raise ProofError(describe("schedules", rule, text, hint=_HINT))
    return arms


def _words(policy: Policy) -> str:
    """Write a policy without the fields that have their default."""
    try:
        usual: object = type(policy)()
    except TypeError:  # it has fields without a default
        usual = None
    named = [
        f"{field.name}={value!r}"
        for field in fields(policy)  # type: ignore[arg-type]  # all are dataclasses
        if (value := getattr(policy, field.name))
        not in (getattr(usual, field.name, field.default), policy.name)
    ]
    return f"{type(policy).__name__}({', '.join(named)})"


def _built_in(name: str) -> Arm:
    schedule = ss.parse(_TEXTS[name])
    optimizer = name if name in OPTIMIZERS else None
    return Arm(name, schedule, AVERAGES.get(name), POLICIES.get(name, ()), optimizer)


def _arm(name: str, value: str | ss.Schedule | Arm) -> Arm:
    """Read a schedule under a name, saying whose it is if it cannot be read."""
    if isinstance(value, Arm):
        return replace(value, name=name)
    if not isinstance(value, str):
        return Arm(name, value)
    try:
        return Arm(name, ss.parse(value))
    except InvalidScheduleError as error:
        message = f"schedule {name!r}: {error}"
        if found := _DIALECT.search(value):
            message = message.partition(" hint: ")[0] + (
                " hint: write the text that it prints: python -c 'from stepsize import "
                f"dialects; print(dialects.{found[0]}...))'"
            )
        raise InvalidScheduleError(message) from error
