"""What the linter can find: the codes, their names and severities; no rule of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, final

from stepsize.errors import InvalidScheduleError, describe

Severity = Literal["error", "warning", "note"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note")


class Code(NamedTuple):
    """What a code stands for.

    Attributes:
        name: In words, as in "first update at zero".
        severity: "error": the run will not do what was asked. "warning": probably not
            what was meant. "note": worth knowing.
    """

    name: str
    severity: Severity


CODES: dict[str, Code] = {
    # rates that do nothing
    "SS101": Code("first update at zero", "warning"),
    "SS102": Code("update at zero in the middle", "warning"),
    "SS103": Code("dead updates at the end", "error"),
    "SS104": Code("every update at zero", "error"),
    "SS105": Code("rate vanishes before the end", "warning"),
    "SS106": Code("rate below float32", "warning"),
    # lengths
    "SS201": Code("decay ends before the run", "warning"),
    "SS202": Code("longer than the run", "error"),
    "SS203": Code("floor never reached", "warning"),
    "SS204": Code("never decays", "warning"),
    "SS205": Code("constant", "note"),
    "SS206": Code("restart cut off", "warning"),
    "SS207": Code("run shorter than one cycle", "warning"),
    "SS208": Code("tiny cycles", "warning"),
    "SS209": Code("phase of no updates", "warning"),
    "SS210": Code("number of updates missing", "error"),
    "SS211": Code("unit without conversion", "error"),
    "SS212": Code("cannot be evaluated", "error"),
    # warmup
    "SS301": Code("warmup longer than the run", "error"),
    "SS302": Code("warmup longer than half the run", "warning"),
    "SS303": Code("warmup of one update", "warning"),
    "SS304": Code("scaled batch without warmup", "warning"),
    # jumps
    "SS401": Code("jump up", "warning"),
    "SS402": Code("jump down", "warning"),
    "SS403": Code("scaled twice", "warning"),
    "SS404": Code("floor above the peak", "error"),
    # units
    "SS501": Code("epochs mistaken for updates", "error"),
    "SS502": Code("run shorter than an epoch", "warning"),
    # the size of the rate
    "SS601": Code("peak above the usual range", "warning"),
    "SS602": Code("peak below the usual range", "warning"),
    "SS603": Code("optimizer unknown", "note"),
    "SS604": Code("decay with a schedule-free optimizer", "warning"),
    # keeping it
    "SS701": Code("reproduces a defect", "warning"),
    "SS702": Code("cannot be stored", "warning"),
}


@final
@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that the linter found.

    Attributes:
        code: Stable, as in "SS101"; its page is `docs/check/SS101.md`.
        sentence: What is wrong, with the numbers.
        hint: The way out.
        severity: "error", "warning" or "note".
        span: Updates it concerns, half open: (first, after the last); None for all.
    """

    code: str
    sentence: str
    hint: str
    severity: Severity
    span: tuple[int, int] | None = None

    @property
    def name(self) -> str:
        """The code in words."""
        return CODES[self.code].name

    @property
    def step(self) -> int | None:
        """First update it concerns, or None where it concerns the whole."""
        return None if self.span is None else self.span[0]

    def to_dict(self) -> dict[str, Any]:
        """Return it as a JSON-plain mapping."""
        return {
            "code": self.code,
            "name": self.name,
            "severity": self.severity,
            "sentence": self.sentence,
            "hint": self.hint,
            "step": self.step,
            "span": None if self.span is None else list(self.span),
        }

    def __str__(self) -> str:
        """Return code, severity, sentence and hint, two lines."""
        return f"{self.code} {self.severity}: {self.sentence}\n  hint: {self.hint}"


def finding(
    code: str,
    sentence: str,
    hint: str,
    *,
    span: tuple[float, float] | None = None,
    severity: Severity | None = None,
) -> Finding:
    """Return a finding with its code's severity, unless another is given."""
    whole = None if span is None else (int(span[0]), int(span[1]))
    return Finding(code, sentence, hint, severity or CODES[code].severity, whole)


def checked_codes(codes: object, field: str) -> frozenset[str]:
    """Return codes as a set.

    Raises:
        InvalidScheduleError: One is unknown.
    """
    if isinstance(codes, str):
        codes = (codes,)
    if not isinstance(codes, (list, tuple, set, frozenset)):
        raise InvalidScheduleError(describe(field, "be codes, as in SS101", codes))
    for code in codes:
        if code not in CODES:
            rule = f"be codes of {min(CODES)} ... {max(CODES)}"
            hint = "the page docs/check.md lists them"
            raise InvalidScheduleError(describe(field, rule, code, hint=hint))
    return frozenset(codes)
