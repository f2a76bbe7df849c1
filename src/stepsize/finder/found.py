"""What a search returns: a suggestion with its interval, status and reasons."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, final, get_args

from stepsize.errors import FinderError, describe
from stepsize.finder.curve import Curve
from stepsize.schedules.durations import whole

VERSION = 1
Status = Literal[
    "ok", "no_blowup", "no_descent", "noisy", "too_few_steps", "nonfinite_at_start"
]
STATUSES: tuple[Status, ...] = get_args(Status)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """A short training from the snapshot, to see what a rate does.

    Attributes:
        lr: Its rate; of a scheduled probe the peak. Unit: lr.
        stream: Number of the batches it saw; probes of one stream saw the same ones.
        steps: Updates made; fewer than planned where it broke. Unit: updates.
        losses: Mean losses of its quarters, up to where it broke; the shape of its way.
        score: The loss it came to, lower is better; None if it broke. Unit: loss.
        error: Standard error of the score as compared with other probes of its stream;
            None if unknown. Unit: loss.

    Raises:
        FinderError: `stream` or `steps` is no int >= 0.
    """

    lr: float
    stream: int
    steps: int
    losses: tuple[float, ...]
    score: float | None
    error: float | None = None

    def __post_init__(self) -> None:
        """Check the counts."""
        for name in ("stream", "steps"):
            _check_count(getattr(self, name), f"Probe.{name}")

    def to_dict(self) -> dict[str, Any]:
        """Return it JSON-plain."""
        return {
            "lr": self.lr,
            "stream": self.stream,
            "steps": self.steps,
            "losses": list(self.losses),
            "score": self.score,
            "error": self.error,
        }

    @classmethod
    def from_dict(cls, plain: dict[str, Any]) -> Probe:
        """Read it again."""
        return cls(**{**plain, "losses": tuple(plain["losses"])})


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """The outcome of a search for a rate.

    Attributes:
        suggestion: The rate to use as peak of a schedule with a warmup and a decay, or
            None where nothing can be justified. Unit: lr.
        low: Lower end of the rates that the evidence does not tell from the
            suggestion; None without a suggestion. Unit: lr.
        high: Upper end of the same. Unit: lr.
        status: "ok", or what stands against the suggestion: "no_blowup" (no rate in the
            range broke the training, so that there may be a better one above it),
            "no_descent" (no rate made the loss fall), "noisy" (the probes contradict
            each other), "too_few_steps" (of the curve or the budget),
            "nonfinite_at_start" (the loss is NaN or infinite before any training).
        steps: Updates used. Unit: updates; int >= 0.
        spread: Standard deviation of log10 of the rate over streams of batches; None
            if one stream was seen. Unit: decades.
        blowup: Rate of the ramp after which the loss stays high or is not finite; None
            if it never does. Unit: lr.
        curve: The ramp.
        probes: The short trainings, in the order they were made.
        rules: What other finders read off the ramp, by name: "steepest", "valley",
            "slide", "minimum", "smith"; for comparison.
        reasons: Why it is so, a sentence each.

    Raises:
        FinderError: The status is unknown, `steps` is no int >= 0, or suggestion, low
            and high are not finite and > 0 in order.
    """

    suggestion: float | None
    low: float | None
    high: float | None
    status: Status
    steps: int
    spread: float | None
    blowup: float | None
    curve: Curve | None
    probes: tuple[Probe, ...]
    rules: dict[str, float | None] = field(hash=False)
    reasons: tuple[str, ...]

    def __post_init__(self) -> None:
        """Check the status and the order of the rates."""
        if self.status not in STATUSES:
            rule = f"be one of {', '.join(STATUSES)}"
            raise FinderError(describe("Found.status", rule, self.status))
        _check_count(self.steps, "Found.steps")
        rates = (self.low, self.suggestion, self.high)
        if rates == (None, None, None):
            if self.status == "ok":
                rule = "be a rate when the status is ok"
                raise FinderError(describe("Found.suggestion", rule, None))
            return
        if not _rising(rates):
            rule = "be finite and > 0, with low <= suggestion <= high, or all be None"
            raise FinderError(describe("Found.suggestion", rule, rates))

    def to_dict(self) -> dict[str, Any]:
        """Return it JSON-plain, with the version of the form."""
        return {
            "version": VERSION,
            "suggestion": self.suggestion,
            "low": self.low,
            "high": self.high,
            "status": self.status,
            "steps": self.steps,
            "spread": self.spread,
            "blowup": self.blowup,
            "curve": None if self.curve is None else self.curve.to_dict(),
            "probes": [probe.to_dict() for probe in self.probes],
            "rules": dict(self.rules),
            "reasons": list(self.reasons),
        }

    @classmethod
    def from_dict(cls, plain: dict[str, Any]) -> Found:
        """Read it again.

        Raises:
            FinderError: It was written in another version of the form, or a name is
                missing or unknown.
        """
        if not isinstance(plain, Mapping):
            rule = "be what `to_dict` returns"
            raise FinderError(describe("Found.from_dict", rule, plain))
        fields = dict(plain)
        version = fields.pop("version", None)
        if version != VERSION:
            rule = f"be {VERSION}, the version of the form that this release reads"
            raise FinderError(describe("Found.version", rule, version))
        try:
            curve = fields.pop("curve")
            fields["curve"] = None if curve is None else Curve.from_dict(curve)
            fields["probes"] = tuple(Probe.from_dict(each) for each in fields["probes"])
            fields["reasons"] = tuple(fields["reasons"])
            return cls(**fields)
        except (KeyError, TypeError) as error:
            rule = "be what `to_dict` returns"
            raise FinderError(describe("Found.from_dict", rule, plain)) from error


def _check_count(value: object, name: str) -> None:
    count = whole(value)
    if count is None or count < 0:
        raise FinderError(describe(name, "be an int >= 0", value))


def _rising(rates: tuple[float | None, ...]) -> bool:
    low, suggestion, high = (math.nan if rate is None else rate for rate in rates)
    return 0.0 < low <= suggestion <= high < math.inf
