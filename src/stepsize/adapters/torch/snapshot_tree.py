"""Values as a plain tree and a flat list of the tensors in it; and back again.

A node is a pair of a kind and what it has: ("plain", 0.9), ("tensor", 3), ("dict",
[(key, node), ...]), ("list", [node, ...]), ("tuple", [node, ...]), ("other", object),
("keep", None). The tree needs no code to be read again.
"""

from __future__ import annotations

import copy
import numbers
from collections.abc import Callable, Sequence
from typing import Any, Literal, final

import torch
from torch import Tensor

from stepsize.adapters.torch.snapshot_tensors import copies, fill, fits
from stepsize.errors import AdapterError, describe

Node = tuple[str, Any]
Purpose = Literal["look", "hold", "write"]
"""What for: to look at the tensors now, to hold them in memory, to write a file."""

_PLAIN = frozenset(
    {type(None), bool, int, float, complex, str, bytes}
    | {torch.dtype, torch.device, torch.Size}
)
_KEYS = frozenset((bool, int, float, str, tuple))
_NUMBERS: tuple[tuple[type, Callable[[Any], Any]], ...] = (
    (numbers.Integral, int),
    (numbers.Real, float),
    (numbers.Complex, complex),
    (str, str),
)


@final
class Walk:
    """Makes trees, and collects the tensors in them.

    Attributes:
        tensors: Each once, whatever the number of places it is at.
        purpose: See `Purpose`.
    """

    __slots__ = ("_places", "purpose", "tensors")

    def __init__(self, purpose: Purpose) -> None:
        self.tensors: list[Tensor] = []
        self.purpose = purpose
        self._places: dict[int, int] = {}

    def place(self, tensor: Tensor) -> int:
        """Return a tensor's index in the list."""
        place = self._places.setdefault(id(tensor), len(self.tensors))
        if place == len(self.tensors):
            self.tensors.append(tensor)
        return place

    def node(self, value: Any, owner: str, *, keep: bool = False) -> Node:
        """Return the tree of a value.

        Args:
            value: Anything.
            owner: Whose it is, for the error.
            keep: Whether what is no value (a function, a process group) is left out.

        Raises:
            AdapterError: It cannot be copied, or cannot be written to a file.
        """
        kind = type(value)
        if kind in _PLAIN:
            return ("plain", value)
        if isinstance(value, Tensor):
            return ("tensor", self.place(value))
        if kind is dict and all(type(key) in _KEYS for key in value):
            made = [
                (key, self.node(one, f"{owner}[{key!r}]", keep=keep))
                for key, one in value.items()
            ]
            return ("dict", made)
        if kind in (list, tuple):
            return (kind.__name__, [self.node(one, owner, keep=keep) for one in value])
        return self._foreign(value, owner, keep=keep)

    def _foreign(self, value: Any, owner: str, *, keep: bool) -> Node:
        for kind, plain in _NUMBERS:
            if isinstance(value, kind):
                return ("plain", plain(value) if self.purpose == "write" else value)
        if keep:
            return ("keep", None)
        if self.purpose == "look":
            return ("other", value)
        if self.purpose == "write":
            rule = "consist of tensors, numbers and texts, to be written to a file"
            hint = "MemorySnapshots hold any object that can be copied"
            raise AdapterError(describe(owner, rule, value, hint=hint))
        try:
            return ("other", copy.deepcopy(value))
        except (TypeError, RuntimeError) as error:
            rule = "be something that can be copied"
            raise AdapterError(describe(owner, rule, value, hint=str(error))) from error


@final
class Filling:
    """Puts the tensors of a snapshot where they were.

    What is there now is filled in place if it has the same shape and kind; otherwise
    a new tensor comes there. What was one tensor at several places is one again.

    Attributes:
        own: The snapshot's tensors, which stay its own.
        home: Device of what must be made anew, unless the snapshot had it on the CPU.
    """

    __slots__ = ("_made", "_used", "_wait", "home", "homes", "own")

    def __init__(self, own: Sequence[Tensor], homes: Sequence[str]) -> None:
        self.own = own
        self.homes = homes
        self.home: torch.device | None = None
        self._made: dict[int, Tensor] = {}
        self._used: set[int] = set()
        self._wait: list[tuple[Tensor, Tensor]] = []

    def bind(self, place: int, there: Tensor) -> None:
        """Fill a tensor that cannot be another one: a parameter."""
        self._made[place] = there
        self._used.add(id(there))
        self._wait.append((there, self.own[place]))

    def tensor(self, place: int, there: object = None) -> Tensor:
        """Return the tensor to be at a place; it has its values after `finish`."""
        made = self._made.get(place)
        if made is not None:
            return made
        own = self.own[place]
        if isinstance(there, Tensor) and self._usable(there, own):
            self.bind(place, there)
            return there
        made = copies([own])[0]
        home = self.home if self.homes[place] != "cpu" else None
        if home is not None:
            made = made.to(home)
        self._made[place] = made
        self._used.add(id(made))
        return made

    def _usable(self, there: Tensor, own: Tensor) -> bool:
        return id(there) not in self._used and fits(there, own)

    def finish(self) -> None:
        """Write all values."""
        fill([into for into, _ in self._wait], [value for _, value in self._wait])
        self._wait = []

    def value(self, node: Node, there: Any = None) -> Any:
        """Return the value of a tree, filling what is there now where it can be."""
        kind, has = node
        if kind == "plain":
            return has
        if kind == "tensor":
            return self.tensor(has, there)
        if kind == "dict":
            return self._dict(has, there)
        if kind in ("list", "tuple"):
            old = there if isinstance(there, (list, tuple)) else ()
            items = [
                self.value(one, old[index] if index < len(old) else None)
                for index, one in enumerate(has)
            ]
            return items if kind == "list" else tuple(items)
        return there if kind == "keep" else copy.deepcopy(has)

    def _dict(self, items: Sequence[tuple[Any, Node]], there: Any) -> dict[Any, Any]:
        into: dict[Any, Any] = there if type(there) is dict else {}
        made = {
            key: self.value(node, into.get(key))
            for key, node in items
            if node[0] != "keep" or key in into
        }
        into.clear()
        into.update(made)
        return into
