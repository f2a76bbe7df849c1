"""Random numbers of a finder's own: each stream of batches has its seeds.

Not here: putting the generators back afterwards, which `restoring` does.
"""

from __future__ import annotations

import hashlib
import random
import sys
from collections.abc import Iterable
from typing import Any, final

import torch
from torch import Generator


def stream_seed(*parts: object) -> int:
    """Return a seed in [0, 2**63) that the parts decide, alike on every machine."""
    text = "/".join(map(str, parts))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def seed_everything(seed: int) -> None:
    """Seed Python's, torch's and NumPy's global generators: those of `random_state`.

    Args:
        seed: In [0, 2**63).
    """
    random.seed(seed)
    # torch.manual_seed would leave a seed behind for devices that are not in use yet
    torch.default_generator.manual_seed(seed)
    for kind in ("cuda", "xpu"):
        devices = getattr(torch, kind)
        if devices.is_available() and devices.is_initialized():
            devices.manual_seed_all(seed)
    if torch.backends.mps.is_available():
        torch.mps.manual_seed(seed)
    if "numpy" in sys.modules:
        import numpy as np

        np.random.seed(seed % 2**32)


@final
class Private:
    """Generators that objects keep as attributes: seeded, saved and loaded.

    Python's `random.Random`, NumPy's `Generator` and `RandomState`, torch's.

    Args:
        owners: Objects to look into, one level deep.

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

    def __init__(self, owners: Iterable[object]) -> None:
        self._found: list[Any] = []
        for owner in owners:
            for one in getattr(owner, "__dict__", {}).values():
                if _is_generator(one) and not any(one is old for old in self._found):
                    self._found.append(one)

    def __len__(self) -> int:
        """Return the number of generators."""
        return len(self._found)

    def seed(self, seed: int) -> None:
        """Seed them, each with a seed of its own."""
        for place, one in enumerate(self._found):
            own = stream_seed(seed, place)
            if isinstance(one, Generator):
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
            if isinstance(one, Generator):
                one.set_state(state)
            elif isinstance(one, random.Random):
                one.setstate(state)
            elif hasattr(one, "bit_generator"):
                one.bit_generator.state = state
            else:
                one.set_state(state)


def _state(one: Any) -> Any:
    if isinstance(one, Generator):
        return one.get_state()
    if isinstance(one, random.Random):
        return one.getstate()
    if hasattr(one, "bit_generator"):
        return one.bit_generator.state
    return one.get_state(legacy=False)


def _is_generator(value: object) -> bool:
    if isinstance(value, random.Random):
        return not isinstance(value, random.SystemRandom)
    if isinstance(value, Generator):
        return True
    if "numpy" not in sys.modules:
        return False
    import numpy as np

    return isinstance(value, (np.random.Generator, np.random.RandomState))
