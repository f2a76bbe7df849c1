"""Every error stepsize raises, in one tree; nothing here but the classes.

    StepsizeError
    ├── InvalidScheduleError (ValueError)   a schedule, or its text, breaks a rule
    │   └── UnresolvedError                 it was called before its length was known
    ├── UnitError (ValueError)              a unit lacks its conversion, or is unknown
    ├── FinderError (ValueError)            a search for a rate, or its curve, is wrong
    ├── FitError                            a loss law could not be fitted
    ├── ProofError                          a comparison could not be run
    ├── LedgerError                         a record could not be written or read
    │   ├── CorruptRecordError              a record is damaged
    │   ├── ConflictError                   somebody else wrote first
    │   └── UnavailableError                a disk or database failed; try again
    └── AdapterError                        a framework could not be driven
        ├── HorizonChangedError             a resume differs from what was saved
        ├── FrameworkMissingError (ImportError)  the framework is not installed
        └── RanksDisagreeError              processes of one run have come to differ

Messages have one form, made by `describe`: owner and field, the rule, the unit, the
value that broke it, and the way out.
"""

from __future__ import annotations


class StepsizeError(Exception):
    """The root: `except StepsizeError` catches whatever stepsize raises by itself."""


class InvalidScheduleError(StepsizeError, ValueError):
    """A schedule, one of its values, or its text breaks a rule."""


class UnresolvedError(InvalidScheduleError):
    """A schedule was evaluated before its elastic or relative parts had a length."""


class UnitError(StepsizeError, ValueError):
    """A duration has an unknown unit, or the number that converts it is missing."""


class FinderError(StepsizeError, ValueError):
    """A search for a rate was asked for what cannot be, or read a curve amiss."""


class FitError(StepsizeError):
    """A loss law could not be fitted to the runs given."""


class ProofError(StepsizeError):
    """A comparison of schedules could not be run or read."""


class LedgerError(StepsizeError):
    """A record could not be written to, or read from, a ledger."""


class CorruptRecordError(LedgerError):
    """A record of a ledger is damaged."""


class ConflictError(LedgerError):
    """Somebody else wrote first: the place that was expected to be next is taken."""


class UnavailableError(LedgerError):
    """The disk, or the database, failed: the same may succeed later."""


class AdapterError(StepsizeError):
    """A framework's objects could not be driven as asked."""


class HorizonChangedError(AdapterError):
    """A resumed run has another schedule or horizon than the saved one."""


class GaveUpError(AdapterError):
    """A guard has done what it may, and the run still comes to harm."""


class FrameworkMissingError(AdapterError, ImportError):
    """A framework that the call needs is not installed."""


class RanksDisagreeError(AdapterError):
    """The processes of a run have come to differ in what must be the same on all."""


def describe(field: str, rule: str, got: object, *, hint: str = "") -> str:
    """Word an error: "FIELD must RULE; got VALUE. hint: WAY OUT.".

    Args:
        field: Owner and field, as in "warmup.steps".
        rule: What follows "must", with the unit: "be an int >= 1 (unit: updates)".
        got: The value that broke the rule; its repr is cut at 80 characters.
        hint: The way out, without a final stop; "" leaves it out.

    Returns:
        The message, one line.
    """
    text = repr(got)
    if len(text) > 80:  # noqa: PLR2004 - one terminal line
        text = text[:77] + "..."
    message = f"{field} must {rule}; got {text}."
    return f"{message} hint: {hint}." if hint else message
