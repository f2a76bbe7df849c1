"""A run steered from outside: commands are looked for, and become events of it.

Nothing here decides whether a command is allowed; that is the ledger's.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, final

import torch

from stepsize.adapters.torch.eager import eager
from stepsize.adapters.torch.groups import Path, group_name
from stepsize.adapters.torch.readings import number_of
from stepsize.control.events import Event, Target
from stepsize.errors import AdapterError, StepsizeError, describe
from stepsize.ledger.history import Follows, alike, spec_from
from stepsize.ledger.ledger import Ledger
from stepsize.ledger.records import Metric, Spec
from stepsize.ledger.station import Order, Pace, Station

if TYPE_CHECKING:
    from stepsize.adapters.torch.scheduler import Scheduler

NEVER = 2**62
"""An update that never comes."""

ALL = Target()


def spec_of(scheduler: Scheduler, update: int) -> Spec:
    """Return the record of what a Scheduler's values follow from, besides events.

    Args:
        scheduler: Whose.
        update: The first update it is of.
    """
    plan = scheduler._current_plan()
    rows: dict[str, list[Follows | None]] = {}
    for text, row in plan.sources.items():
        path = Path.parse(text)
        rows[text] = [
            None
            if source is None
            else (
                source[0]._resolved,
                float(source[1]),
                str(getattr(path.read(group), "dtype", "float64")),
            )
            for group, source in zip(plan.groups, row, strict=True)
        ]
    names = [group_name(one, i) for i, one in enumerate(plan.groups)]
    return spec_from(update, names, rows, repr(scheduler))


_remotes: weakref.WeakKeyDictionary[Scheduler, Remote] = weakref.WeakKeyDictionary()
_latest: weakref.WeakKeyDictionary[Ledger, weakref.ref[Remote]] = (
    weakref.WeakKeyDictionary()
)
"""The Remote that a ledger had last."""


@final
class Remote:
    """Records a Scheduler's run in a ledger, and does what commands in it ask for.

    `Remote.of` makes it, on every rank, after the Scheduler; it lives as long as that.
    It looks at the ledger about once in `Ledger.poll_seconds`, never at every update;
    what a command asks for takes effect on all ranks from the same update on, which the
    answer names.

    With `count="call"`, or an optimizer without hooks, call `look` after each update.

    Args:
        scheduler: Whose run it is; it has the same ledger.
        ledger: Where records go to, and commands come from.

    Raises:
        AdapterError: The Scheduler keeps its events elsewhere, or has a Remote; or the
            ledger is that of another Scheduler, which was not closed.

    Examples:
        >>> import stepsize as ss, tempfile, torch
        >>> from stepsize.adapters.torch import Scheduler
        >>> from stepsize.ledger import Ledger
        >>> from stepsize.ledger.commands import make_command
        >>> folder = tempfile.TemporaryDirectory()
        >>> ledger = Ledger(folder.name, bounds=None)
        >>> optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(3))], lr=1.0)
        >>> scheduler = Scheduler(optimizer, lr=ss.constant(1.0), ledger=ledger)
        >>> remote = Remote.of(scheduler, ledger)
        >>> command = make_command("scale", {"factor": 0.5}, reason="it is noisy")
        >>> entries = ledger.store.append(command)  # in another process, as a rule
        >>> optimizer.step()
        >>> scheduler.next_lr, [event.kind for event in scheduler.events]
        ([0.5], ['scale'])
        >>> ledger.close(); folder.cleanup()
    """

    def __init__(self, scheduler: Scheduler, ledger: Ledger) -> None:
        ranks = scheduler._ranks
        first = ranks is None or ranks.rank == 0
        if first and scheduler._journal.sink is not ledger:
            rule = "have the same ledger as its Remote"
            hint = "Scheduler(..., ledger=ledger)"
            sink = scheduler._journal.sink
            raise AdapterError(describe("Scheduler.ledger", rule, sink, hint=hint))
        if _remotes.get(scheduler) is not None:
            rule = "have one Remote"
            hint = "Remote.of(scheduler, ledger) returns it"
            raise AdapterError(describe("Scheduler", rule, "a second", hint=hint))
        check_free(ledger)
        _remotes[scheduler] = self
        _latest[ledger] = weakref.ref(self)
        self.ledger = ledger
        self._scheduler = weakref.ref(scheduler)
        self._journal = scheduler._journal  # another one after a load_state_dict
        self._ranks = ranks
        self._first = first
        if ranks is not None:
            ledger.ranks = ranks.size
        ledger.counted(_count(self._scheduler))
        polls = ledger.poll_seconds is not None
        self._station = Station(ledger) if first and polls else None
        self._pace = Pace(ledger.poll_seconds or 1.0)
        start = scheduler.update + 1
        self._poll = start if polls else NEVER
        self._measure = start if first else NEVER
        self._due = min(self._poll, self._measure)
        self._spec: Spec | None = None
        self._plan: Any = None  # that the spec was made of
        self._made: Metric | None = None  # waits for its loss
        self._loss: Any = None
        self._wishes: set[str] = set()
        self.stopped = False  # whether a stop was asked for
        self._handles: list[Any] = []
        if not scheduler._calls:
            hook = _hook(weakref.ref(self))
            register = getattr(scheduler._optimizer, "register_step_post_hook", None)
            if register is not None:
                self._handles.append(register(hook))

    @classmethod
    def of(cls, scheduler: Scheduler, ledger: Ledger) -> Remote:
        """Return the Remote of a Scheduler, made now if it has none.

        Raises:
            AdapterError: See the class.
        """
        return _remotes.get(scheduler) or cls(scheduler, ledger)

    def loss(self, value: Any) -> None:
        """Say the loss of the update that was just made; read only if it is recorded.

        Args:
            value: A number, or a tensor of one.
        """
        if self._made is not None and self._loss is None:
            self._loss = value.detach() if isinstance(value, torch.Tensor) else value

    def look(self) -> None:
        """Record and obey, if it is time; does nothing else."""
        scheduler = self._scheduler()
        if scheduler is not None and (
            scheduler._update >= self._due or scheduler._journal is not self._journal
        ):
            self._look(scheduler)

    def asked(self, wish: str) -> bool:
        """Return whether somebody asked for a thing; once for each time it was asked.

        Args:
            wish: "checkpoint", or "stop".
        """
        if wish in self._wishes:
            self._wishes.discard(wish)
            return True
        return False

    def close(self) -> None:
        """Let go of the optimizer, and write what waits."""
        for handle in self._handles:
            handle.remove()
        self._handles = []
        self._due = self._poll = self._measure = NEVER
        scheduler = self._scheduler()
        if scheduler is not None:
            _remotes.pop(scheduler, None)
        if self._first:
            self._write()
            self.ledger.close()

    # --- one look ------------------------------------------------------------------

    @torch.compiler.disable  # type: ignore[untyped-decorator]
    def _look(self, scheduler: Scheduler) -> None:
        update = scheduler._update
        if scheduler._journal is not self._journal:
            self._begin_again(scheduler, update)
        if self._first:
            self._record(scheduler, update)
        if update >= self._poll:
            self._obey(scheduler, update)
        self._due = min(self._poll, self._measure)

    def _begin_again(self, scheduler: Scheduler, update: int) -> None:
        """Note that the Scheduler has loaded a state: all is counted from there."""
        self._journal = scheduler._journal
        self._poll = NEVER if self._poll == NEVER else update
        self._measure = NEVER if self._measure == NEVER else update
        if self._spec is not None:
            self._write()
            self._spec = self._plan = None
            self.ledger.resumed()

    def _record(self, scheduler: Scheduler, update: int) -> None:
        self._write()
        last = update - 1  # the update that was made
        if self._plan is not scheduler._plan:
            self._plan = scheduler._plan
            spec = spec_of(scheduler, last)
            if self._spec is None or not alike(spec, self._spec):
                self._spec = spec
                self.ledger.spec(spec)
        if update >= self._measure:
            self._measure = update + self.ledger.metrics_every
            self._made = Metric.of(last, _applied(scheduler))

    def _write(self) -> None:
        """Record the measurement that waits, with its loss if that was said."""
        made, loss = self._made, self._loss
        self._made = self._loss = None
        if made is None:
            return
        if loss is not None:
            values = {"loss": number_of(loss, "Remote.loss")}
            made = Metric.of(made.update, made.rates, values, when=made.time)
        self.ledger.record(made)

    def _obey(self, scheduler: Scheduler, update: int) -> None:
        ranks = self._ranks
        if ranks is None:
            plain = self._ask(scheduler, update)
        else:
            plain = ranks.once(lambda: self._ask(scheduler, update), update=update)
        order, self._poll = plain["order"], plain["next"]
        if order is None:
            return
        sequences: list[int] = []
        refused = order["refused"]
        for one in order["events"]:
            try:
                sequences.append(scheduler.add_event(Event.from_dict(one)).sequence)
            except StepsizeError as error:
                refused = refused or str(error)
        if order["wish"] and not refused:
            self._wishes.add(order["wish"])
            self.stopped = self.stopped or order["wish"] == "stop"
        if self._station is not None:
            made = Order(command=order["command"], refused=refused, why=order["why"])
            self._station.answer(made, update, tuple(sequences))

    def _ask(self, scheduler: Scheduler, update: int) -> dict[str, Any]:
        """Return what is to be done, and when to look again: on the first rank."""
        station, spec = self._station, self._spec
        if station is None or spec is None:
            return {"order": None, "next": NEVER}
        order = station.look(spec, scheduler.events, update)
        later = self._pace.next(update)
        return {
            "order": None if order is None else asdict(order),
            "next": update + 1 if station.more else later,
        }


def check_free(ledger: Ledger, *, replaced: Any = None) -> None:
    """Raise if a Scheduler that is there, and not closed, records its run in a ledger.

    Args:
        ledger: The ledger.
        replaced: The optimizer whose Scheduler is about to be closed.

    Raises:
        AdapterError: It is the record of another run.
    """
    reference = _latest.get(ledger)
    remote = None if reference is None else reference()
    scheduler = None if remote is None else remote._scheduler()
    if scheduler is None or _remotes.get(scheduler) is not remote:
        return
    if replaced is not None and scheduler._optimizer is replaced:
        return
    rule = "be that of one Scheduler: a ledger is the record of one run"
    hint = "a ledger for each, or close the other Scheduler first"
    raise AdapterError(describe("Scheduler.ledger", rule, ledger.name, hint=hint))


def _count(reference: weakref.ref[Scheduler]) -> Callable[[], int | None]:
    """Return what counts a Scheduler's updates, None when it is gone."""

    def count() -> int | None:
        scheduler = reference()
        return None if scheduler is None else scheduler.update

    return count


def _hook(reference: weakref.ref[Remote]) -> Any:
    @eager
    def after(optimizer: Any, args: object, kwargs: object) -> None:
        remote = reference()
        if remote is None:
            return
        scheduler = remote._scheduler()
        if scheduler is not None and (
            scheduler._update >= remote._due
            or scheduler._journal is not remote._journal
        ):
            remote._look(scheduler)

    return after


def _applied(scheduler: Scheduler) -> dict[str, tuple[float | None, ...]]:
    """Return what stands in the groups, which the update that was made really used.

    With `count="call"` that cannot be said: the next values stand there already.
    """
    if scheduler._calls:
        return {}
    groups = scheduler._optimizer.param_groups
    found: dict[str, tuple[float | None, ...]] = {}
    for text in scheduler.hyperparameters:
        path = Path.parse(text)
        found[text] = tuple(
            float(path.read(group)) if path.present(group) else None for group in groups
        )
    return found
