"""Random generators that data keep: found, seeded, saved and put back."""

from __future__ import annotations

import hashlib
import random
import sys
from collections.abc import Iterable
from typing import Any, final


def stream_seed(*parts: object) -> int:
    """Return a seed in [0, 2**63) that the parts decide, alike on every machine."""
    text = "/".join(map(str, parts))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


@final
class Private:
    """Random generators: seeded, saved and loaded.

    Python's `random.Random`, NumPy's `Generator` and `RandomState`, torch's.

    Args:
        owners: Objects that keep them as attributes, looked into one level deep.
        generators: Others.

    Examples:
        >>> class Shuffled:
        ...     def __init__(self) -> None:
        ...         self.order = random.Random(0)
        >>> shuffled = Shuffled()
        >>> private = Private([shuffled])
        >>> state = private.state_dict()
        >>> first = shuffled.order.random()
        >>> private.load_state_dict(state)
        >>> first == shuffled.order.random()
        True
    """

    __slots__ = ("_found",)

    def __init__(
        self, owners: Iterable[object], generators: Iterable[object] = ()
    ) -> None:
        self._found: list[Any] = []
        kept = [one for it in owners for one in getattr(it, "__dict__", {}).values()]
        for one in (*generators, *kept):
            if _is_generator(one) and not any(one is old for old in self._found):
                self._found.append(one)

    def __len__(self) -> int:
        """Return the number of generators."""
        return len(self._found)

    def seed(self, seed: int) -> None:
        """Seed them, each with a seed of its own."""
        for place, one in enumerate(self._found):
            own = stream_seed(seed, place)
            if _is_torch(one):
                one.manual_seed(own)
            elif hasattr(one, "bit_generator"):
                bits = one.bit_generator
                bits.state = type(bits)(own).state
            else:  # NumPy's RandomState takes 32 bits
                one.seed(own % 2**32)

    def state_dict(self) -> dict[str, Any]:
        """Return their states."""
        return {"states": [_state(one) for one in self._found]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Set them to what `state_dict` returned."""
        for one, state in zip(self._found, state_dict["states"], strict=True):
            if isinstance(one, random.Random):
                one.setstate(state)
            elif hasattr(one, "bit_generator"):
                one.bit_generator.state = state
            else:
                one.set_state(state)


def _state(one: Any) -> Any:
    if isinstance(one, random.Random):
        return one.getstate()
    if hasattr(one, "bit_generator"):
        return one.bit_generator.state
    return one.get_state() if _is_torch(one) else one.get_state(legacy=False)


def _is_generator(value: object) -> bool:
    if isinstance(value, random.Random):
        return not isinstance(value, random.SystemRandom)
    if _is_torch(value):
        return True
    if "numpy" not in sys.modules:
        return False
    import numpy as np

    return isinstance(value, (np.random.Generator, np.random.RandomState))


def _is_torch(value: object) -> bool:
    names = ("manual_seed", "initial_seed", "get_state", "set_state")
    return all(hasattr(type(value), name) for name in names)


def global_generators() -> list[object]:
    """Return the generators behind `random`, `numpy.random` and torch's loaders."""
    found: list[object] = [random.getstate.__self__]  # type: ignore[attr-defined]
    if "numpy" in sys.modules:
        import numpy as np

        found.append(np.random.get_state.__self__)  # type: ignore[attr-defined]
    if "torch" in sys.modules:  # loaders of other frameworks' trainings may be its
        found.append(getattr(sys.modules["torch"], "default_generator", None))
    return found


def parts(batches: object) -> list[object]:
    """Return a loader and those of its parts that may keep random generators."""
    names = ("dataset", "sampler", "batch_sampler", "collate_fn")
    found = [getattr(batches, name, None) for name in names]
    return [batches, *(one for one in found if one is not None)]
