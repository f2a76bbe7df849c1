"""Fashion-MNIST as two workloads share it: 8000 images, 5000 and the 10 000 of test.

Not here: the networks (`convolutions`) and their settings (`fashion_cnn`,
`fashion_resnet`).
"""

from __future__ import annotations

import gzip
from functools import cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from stepsize.errors import ProofError
from stepsize.proof.workloads.files import find_file
from stepsize.proof.workloads.images import LabelledRows

__all__ = ["DATA_TEXT", "fashion", "read_idx"]

DATA_TEXT = (
    "Fashion-MNIST (Zalando, MIT), in Debian's dataset-fashion-mnist: images 0 to 7999 "
    "of its training set, 50 000 to 54 999 for validation, its test set of 10 000"
)
_HINT = "on Debian and Ubuntu: apt install dataset-fashion-mnist, or 'make data'"
_DEBIAN = Path("/usr/share/datasets/fashion-mnist")
_TRAIN, _VALIDATION = slice(0, 8_000), slice(50_000, 55_000)
_MEAN, _DEVIATION = 0.2860, 0.3530  # of the training set's pixels, in [0, 1]
_HEAD = 4  # bytes of an IDX file, the last of them its number of dimensions
_IMAGES = 3  # dimensions


@cache
def fashion(workload: str) -> LabelledRows:
    """Return the examples; their splits are the same for all seeds.

    Raises:
        DataMissingError: The files are not on this machine.
        ProofError: They are not IDX files of that size.
    """
    images, labels = (
        {
            part: read_idx(
                find_file(
                    workload,
                    f"fashion-mnist/{part}-{kind}.gz",
                    hint=_HINT,
                    also=(_DEBIAN / f"{part}-{kind}.gz",),
                )
            )
            for part in ("train", "t10k")
        }
        for kind in ("images-idx3-ubyte", "labels-idx1-ubyte")
    )

    def chosen(content: dict[str, Tensor]) -> Tensor:
        train = content["train"]
        return torch.cat([train[_TRAIN], train[_VALIDATION], content["t10k"]])

    pixels = chosen(images).float().div_(255.0).sub_(_MEAN).div_(_DEVIATION)
    return LabelledRows(
        rows=pixels,
        labels=chosen(labels).long(),
        train_size=8_000,
        val_size=5_000,
        order="epochs",
        split="as_given",
    )


def read_idx(path: Path) -> Tensor:
    """Return the bytes of an IDX file: uint8, shape (n,) or (n, pixels).

    Raises:
        ProofError: It is no gzipped IDX file of bytes.
    """
    try:
        raw = gzip.decompress(path.read_bytes())
    except (OSError, EOFError) as error:
        raise ProofError(
            f"{path} must be a gzipped IDX file of bytes; {error}"
        ) from error
    dimensions = raw[3] if raw[:3] == b"\x00\x00\x08" and len(raw) > _HEAD else 0
    start = _HEAD + 4 * dimensions
    shape = np.frombuffer(raw[_HEAD:start], dtype=">u4")
    if not dimensions or len(raw) != start + int(np.prod(shape)):
        raise ProofError(f"{path} must be a gzipped IDX file of bytes.")
    values = torch.from_numpy(np.frombuffer(raw, np.uint8, offset=start).copy())
    return values.view(len(values) // 784, 784) if dimensions == _IMAGES else values
