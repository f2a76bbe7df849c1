"""`Ranks`: processes of torch.distributed that decide together; not what they decide.

All they say to each other goes through one exchange, which everyone must make in the
same order. What was called, and for which update, is part of it: a call that one of
them makes alone, or in another order, is an error that names them, on all of them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from typing import Any, NoReturn, TypeVar, final

from torch import distributed

from stepsize.adapters.driving.arguments import check_count
from stepsize.adapters.torch.rank_messages import Messages
from stepsize.adapters.torch.together import differing, reduced
from stepsize.errors import AdapterError, RanksDisagreeError, describe

_DIGEST = 16  # hexadecimal digits: 64 bits

Made = TypeVar("Made")


@final
class Ranks:
    """The processes of one run, which reduce, share and compare plain values.

    It talks over a group of its own, gloo on the CPU, made of the processes of `group`:
    nothing waits for a GPU's stream, and a call missing on one rank cannot be mistaken
    for a collective of the training. Every process of `group` must construct it, and
    must make the calls below, in the same order.

    A rank that ends, or does not come within the timeout, is an AdapterError on the
    others. Nothing can be exchanged after that: restart from a checkpoint.

    Attributes:
        rank: This process, counted within the group; 0 decides.
        size: Number of processes.
        check_every: Updates between two comparisons of all that must be equal.
        timeout_seconds: How long the others are waited for; None: torch's default.

    Args:
        group: The processes; None: all of torch.distributed.
        check_every: Unit: updates; int >= 1.
        timeout_seconds: Unit: seconds; > 0. It must cover what one rank does alone
            meanwhile, such as writing a checkpoint. None: 30 minutes, torch's default.

    Raises:
        AdapterError: torch.distributed is not initialised, this process is not in the
            group, gloo cannot be used, or a value is outside its range.

    Examples:
        >>> Ranks.here() is None  # in a process that is alone
        True
    """

    __slots__ = (
        "_messages",
        "_pending",
        "check_every",
        "rank",
        "size",
        "timeout_seconds",
    )

    def __init__(
        self,
        group: Any = None,
        check_every: int = 100,
        timeout_seconds: float | None = None,
    ) -> None:
        self.check_every = check_count(check_every, "Ranks.check_every", 1)
        if timeout_seconds is not None and not timeout_seconds > 0:
            rule = "be > 0, or None (unit: seconds)"
            raise AdapterError(describe("Ranks.timeout_seconds", rule, timeout_seconds))
        self.timeout_seconds = timeout_seconds
        if not _initialised():
            rule = "be made after torch.distributed.init_process_group"
            hint = "leave ranks out where there is one process"
            raise AdapterError(describe("Ranks", rule, "no group", hint=hint))
        self.rank: int = distributed.get_rank(group)
        if self.rank < 0:
            rule = "be a group that this process is in"
            raise AdapterError(describe("Ranks.group", rule, group))
        self.size: int = distributed.get_world_size(group)
        self._messages = Messages(group, timeout_seconds)
        self._pending: list[str] = []  # what disagree() has to say

    @classmethod
    def here(
        cls, *, check_every: int = 100, timeout_seconds: float | None = None
    ) -> Ranks | None:
        """Return all processes of torch.distributed; None if this one is alone."""
        if not _initialised() or distributed.get_world_size() == 1:
            return None
        return cls(check_every=check_every, timeout_seconds=timeout_seconds)

    # --- what all of them call -----------------------------------------------------

    def reduce(
        self,
        metrics: Mapping[str, float],
        how: str | Mapping[str, str] = "mean",
        *,
        update: int | None = None,
    ) -> dict[str, float]:
        """Return what was measured on all ranks together, the same on each.

        A metric counts for the ranks that have it: the others do not pull a mean down.
        NaN on one of them makes the result NaN (but for "first"), and an infinity makes
        a mean or a sum infinite (NaN, if both infinities are there). Sums are rounded
        once, so that the order of ranks does not matter; the mean of equal values is
        that value.

        Args:
            metrics: By name, in any order; may be empty, and differ between ranks.
            how: "mean", "sum", "max", "min", or "first" (of the lowest rank that has
                it); or one of them for each name, "mean" for names left out.
            update: What the metrics are of; compared if given. Unit: updates.

        Returns:
            By name, in alphabetical order.

        Raises:
            RanksDisagreeError: A rank called something else, or for another update.
            AdapterError: `how` is unknown, or a rank was lost.

        Examples:
            With {"loss": 1.0} on rank 0, {"loss": 3.0, "grad_norm": 0.5} on rank 1:

                ranks.reduce(metrics)  # {"grad_norm": 0.5, "loss": 2.0}
        """
        ways = {} if isinstance(how, str) else dict(how)
        default = how if isinstance(how, str) else "mean"
        for one in (default, *ways.values()):
            if one not in ("mean", "sum", "max", "min", "first"):
                rule = 'be "mean", "sum", "max", "min" or "first"'
                raise AdapterError(describe("Ranks.reduce.how", rule, one))
        call = f"reduce({default}{json.dumps(ways, sort_keys=True) if ways else ''})"
        values = {name: float(value) for name, value in metrics.items()}
        ranks = self._exchange(call, values, update=update)
        found: dict[str, float] = {}
        for name in sorted({name for one in ranks for name in one}):
            measured = [one[name] for one in ranks if name in one]
            found[name] = reduced(measured, ways.get(name, default))
        return found

    def share(self, value: Any, *, update: int | None = None) -> Any:
        """Return rank 0's value on every rank.

        Args:
            value: JSON-plain, NaN and infinities included; that of other ranks is
                ignored.
            update: What it is about; compared if given. Unit: updates.

        Returns:
            Rank 0's value, as JSON gives it back: tuples are lists.

        Raises:
            RanksDisagreeError: A rank called something else, or for another update.
            AdapterError: The value is not JSON-plain (TypeError or ValueError on rank
                0), or a rank was lost.
        """
        return self.once(lambda: value, update=update)

    def once(self, make: Callable[[], Made], *, update: int | None = None) -> Made:
        """Have rank 0 make something, and return it on every rank.

        If it raises there, no rank waits for what does not come: rank 0 raises the
        same, all others an AdapterError that repeats it.

        Args:
            make: Called on rank 0 only; returns something JSON-plain.
            update: What it is about; compared if given. Unit: updates.

        Raises:
            RanksDisagreeError: A rank called something else, or for another update.
            AdapterError: Rank 0 failed (there: what it raised), or a rank was lost.
        """
        said: dict[str, Any] | None = None
        failed: Exception | None = None
        if self.rank == 0:
            try:
                said = {"value": make()}
                json.dumps(said)
            except Exception as error:  # raised below, on all ranks
                failed = error
                said = {"error": f"{type(error).__name__}: {error}"}
        first = self._exchange("share", said, update=update)[0]
        if failed is not None:
            raise failed
        if "error" in first:
            rule = "have a value of rank 0"
            hint = "see the traceback of rank 0"
            raise AdapterError(describe("Ranks.share", rule, first["error"], hint=hint))
        made: Made = first["value"]
        return made

    def agree(self, update: int, digest_parts: Mapping[str, Any]) -> None:
        """Raise, on all ranks, unless every part is the same on all of them.

        What is compared is the text, or else the repr, by its digest: NaN equals NaN, 1
        is not 1.0. Only if something differs are the texts themselves sent.

        Args:
            update: Updates made; compared too.
            digest_parts: What must be equal, by name.

        Raises:
            RanksDisagreeError: A part differs; it says which, on which ranks, and what
                they have.
            AdapterError: A rank was lost.
        """
        texts = {
            name: value if isinstance(value, str) else repr(value)
            for name, value in digest_parts.items()
        }
        digests = {
            name: hashlib.sha256(text.encode()).hexdigest()[:_DIGEST]
            for name, text in texts.items()
        }
        ranks = self._exchange("agree", digests, update=update)
        names = dict.fromkeys(name for one in ranks for name in one)
        split = [name for name in names if len({one.get(name) for one in ranks}) > 1]
        if not split:
            return
        own = {name: texts.get(name) for name in split}
        said = self._exchange("agree on texts", own, update=update)
        parts = [differing(name, [one[name] for one in said]) for name in split]
        self._raise(update, parts)

    def disagree(self, update: int, part: str, first: Any, own: Any) -> None:
        """Have all ranks raise at their next exchange: this one differs from rank 0.

        Raising here and now would leave the others waiting for this rank.

        Args:
            update: Updates made.
            part: What differs.
            first: What rank 0 has.
            own: What this rank has.
        """
        texts: list[str | None] = [repr(first), repr(own)]
        said = differing(part, texts, ranks=[0, self.rank])
        self._pending.append(f"{said} at update {update}")

    def barrier(self) -> None:
        """Return once all ranks are here.

        Raises:
            RanksDisagreeError: A rank called something else.
            AdapterError: A rank was lost.
        """
        self._exchange("barrier", None)

    # --- the exchange --------------------------------------------------------------

    def _exchange(
        self, call: str, value: Any, *, update: int | None = None
    ) -> list[Any]:
        """Return what every rank gave, in order of ranks; all must make this call."""
        message = json.dumps([call, update, self._pending, value])
        frames = [json.loads(one) for one in self._messages.gather(message.encode())]
        self._pending = []
        calls = [
            one[0] if one[1] is None else f"{one[0]} of update {one[1]}"
            for one in frames
        ]
        wrong = [said for one in frames for said in one[2]]
        if len(set(calls)) > 1:
            wrong.append(differing("call", calls))
        if wrong:
            self._raise(None, wrong)
        return [one[3] for one in frames]

    def _raise(self, update: int | None, parts: list[str]) -> NoReturn:
        when = "" if update is None else f" at update {update}"
        raise RanksDisagreeError(
            f"Ranks must be the same on every rank{when}; got {'; '.join(parts)}. "
            "hint: call step, observe, add_event and load_state_dict on all ranks "
            "alike, or restart them from one checkpoint."
        )

    # --- copies --------------------------------------------------------------------

    def __copy__(self) -> Ranks:
        """Return itself: a copy would speak to the same processes."""
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Ranks:
        """Return itself, as `__copy__` does."""
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle as all processes that are there when it is loaded, or None."""
        return (_here_again, (self.check_every, self.timeout_seconds))

    def __repr__(self) -> str:
        """Return what it is."""
        return (
            f"Ranks(rank={self.rank}, size={self.size}, "
            f"check_every={self.check_every}, timeout_seconds={self.timeout_seconds})"
        )


def _initialised() -> bool:
    return distributed.is_available() and distributed.is_initialized()


def _here_again(check_every: int, timeout_seconds: float | None) -> Ranks | None:
    return Ranks.here(check_every=check_every, timeout_seconds=timeout_seconds)
