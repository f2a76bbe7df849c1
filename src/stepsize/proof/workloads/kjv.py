"""A character language model on the King James Bible."""

from __future__ import annotations

import hashlib
from functools import partial
from math import log

import numpy as np
import torch

from stepsize.errors import ProofError
from stepsize.proof.workloads.files import find_file
from stepsize.proof.workloads.spec import Workload
from stepsize.proof.workloads.text import TextWindows
from stepsize.proof.workloads.transformer import CharTransformer

__all__ = ["build"]

_HINT = "run 'make data' in the project (it prints Debian's bible-kjv)"
_SHA256 = "b5c4940bcfeee072c0935b5200d0f9d88a00a0199cb0961d16133458fcdfae5d"
_CONTEXT = 32


def build() -> Workload:
    """Return the workload.

    Raises:
        DataMissingError: The text is not on this machine.
        ProofError: It is another text.
    """
    path = find_file("kjv", "kjv.txt", hint=_HINT)
    raw = path.read_bytes()
    found = hashlib.sha256(raw).hexdigest()
    if found != _SHA256:
        message = (
            f"kjv: the SHA-256 of {path} must be {_SHA256}; got {found}. hint: {_HINT}."
        )
        raise ProofError(message)
    alphabet, codes = np.unique(np.frombuffer(raw, np.uint8), return_inverse=True)
    return Workload(
        name="kjv",
        title="King James Bible, character transformer, AdamW",
        data=(
            f"{len(raw)} characters of the King James Bible (public domain), in "
            "Debian's bible-kjv-text, without the labels of the verses; 80/10/10 of "
            "its blocks"
        ),
        model=(
            "transformer, 2 pre-LN layers, width 48, 4 heads, RoPE, GELU, context 32 "
            "(62 304 parameters)"
        ),
        optimizer="adamw",
        metric="loss",
        unit="nats/char",
        direction="min",
        total_steps=1000,
        peak_lrs=(1e-3, 3e-3, 1e-2, 3e-2, 1e-1),
        default_lr=1e-3,
        seeds=3,
        failed_margin=0.3,
        chance=log(len(alphabet)),
        batch_size=8,
        curve_size=64,
        examples=TextWindows(
            text=torch.from_numpy(codes.astype(np.uint8)),
            context=_CONTEXT,
            windows=512,
        ),
        network=partial(
            CharTransformer,
            alphabet=len(alphabet),
            context=_CONTEXT,
            width=48,
            heads=4,
            depth=2,
            gelu=True,
            bias=False,
        ),
        betas=(0.9, 0.95),
        weight_decay=0.1,
        clip_norm=1.0,
        fingerprint=found[:16],
    )
