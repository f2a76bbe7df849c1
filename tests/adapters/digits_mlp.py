"""One task for the finders of all frameworks: a perceptron on scikit-learn's digits."""

import functools
import math
from typing import Any

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch.nn.functional import cross_entropy

from stepsize.adapters.torch import find_lr

ROWS, BATCH, HIDDEN = 1440, 32, 64


def digits() -> tuple[Any, Any]:
    """Return images in [0, 1], float32, shape (1440, 64), and labels."""
    features, labels = load_digits(return_X_y=True)
    return (features[:ROWS] / 16).astype(np.float32), labels[:ROWS].astype(np.int64)


def network() -> torch.nn.Module:
    torch.manual_seed(0)
    return torch.nn.Sequential(
        torch.nn.Linear(64, HIDDEN), torch.nn.ReLU(), torch.nn.Linear(HIDDEN, 10)
    )


@functools.cache
def found_by_torch() -> float:
    """Return the rate for Adam that the driver of torch finds."""
    data = torch.utils.data.TensorDataset(*map(torch.from_numpy, digits()))
    loader = torch.utils.data.DataLoader(data, BATCH, shuffle=True)
    model = network()
    found = find_lr(model, torch.optim.Adam(model.parameters()), cross_entropy, loader)
    assert found.suggestion is not None
    return found.suggestion


def decades(lr: float | None) -> float:
    """Return how far a rate is from the one that the driver of torch finds."""
    assert lr is not None
    return abs(math.log10(lr / found_by_torch()))
