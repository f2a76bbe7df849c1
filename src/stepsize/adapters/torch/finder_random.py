"""Seeds for every global random generator, as each stream of batches has them.

Not here: putting the generators back afterwards, which `restoring` does.
"""

from __future__ import annotations

import random
import sys

import torch


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
