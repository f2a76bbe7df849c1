"""The schedules that are compared: factors with peak 1, and the constant baseline.

Not here: the rates they are multiplied by (compare.py).
"""

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import final

import stepsize as ss
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

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+\- ]{0,29}")
_FAR = 100
"""A highest factor this far from 1 is taken for an absolute rate."""
_HINT = (
    "use names (" + ", ".join(DEFAULTS) + ") or NAME=EXPRESSION, as in "
    "'long=warmup(\"20%\") >> cosine()'"
)


@final
@dataclass(frozen=True, slots=True)
class Arm:
    """A schedule of factors under a name.

    Attributes:
        name: What tables and reports call it.
        schedule: The schedule; its highest value is 1 where it is to be compared
            at equal peak rates.
    """

    name: str
    schedule: ss.Schedule

    @property
    def is_default(self) -> bool:
        """Whether it is the default arm of that name."""
        text = DEFAULTS.get(self.name)
        return text is not None and self.schedule == ss.parse(text)

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
    wanted: Iterable[str] | Mapping[str, str | ss.Schedule] | None,
) -> tuple[Arm, ...]:
    """Read the arms asked for; the constant comes first, whether asked for or not.

    Args:
        wanted: Names of default arms and `NAME=EXPRESSION` texts; or a mapping from
            names to schedules or their texts; None for the default arms.

    Raises:
        ProofError: A name is unknown, used twice or unfit, or nothing is asked for.
        InvalidScheduleError: An expression is not a schedule.

    Examples:
        >>> [arm.name for arm in select(["wsd"])]
        ['constant', 'wsd']
    """
    if wanted is None:
        pairs: list[tuple[str, str | ss.Schedule]] = list(DEFAULTS.items())
    elif isinstance(wanted, Mapping):
        pairs = list(wanted.items())
    else:
        pairs = [_pair(text) for text in wanted]
    if not pairs:
        raise ProofError(
            describe("schedules", "name at least one arm", list(pairs), hint=_HINT)
        )
    arms: dict[str, Arm] = {}
    for name, value in [(CONSTANT, DEFAULTS[CONSTANT]), *pairs]:
        if not _NAME.fullmatch(name):
            raise ProofError(
                describe(
                    "schedules",
                    "have names of 1 to 30 letters, digits, spaces or _ . + -",
                    name,
                    hint=_HINT,
                )
            )
        arm = Arm(name, _schedule(name, value))
        if name == CONSTANT and arm.schedule != ss.parse(DEFAULTS[CONSTANT]):
            raise ProofError(
                describe(
                    f"schedule {CONSTANT!r}",
                    "stay the plain constant, the baseline of every comparison",
                    str(arm.schedule),
                    hint="give yours another name",
                )
            )
        if name in arms and name != CONSTANT:
            raise ProofError(
                describe("schedules", "have each name once", name, hint=_HINT)
            )
        arms[name] = arm
    return tuple(arms.values())


def _pair(text: str) -> tuple[str, str]:
    """Split NAME or NAME=EXPRESSION."""
    name, equals, expression = text.partition("=")
    name = name.strip()
    if equals and _NAME.fullmatch(name):
        return name, expression
    if name in DEFAULTS and not equals:
        return name, DEFAULTS[name]
    raise ProofError(
        describe("schedules", "be known names or NAME=EXPRESSION", text, hint=_HINT)
    )


def _schedule(name: str, value: str | ss.Schedule) -> ss.Schedule:
    """Read an arm's schedule, saying whose it is if it cannot be read."""
    if not isinstance(value, str):
        return value
    try:
        return ss.parse(value)
    except InvalidScheduleError as error:
        raise InvalidScheduleError(f"schedule {name!r}: {error}") from error
