"""A character model trained on Python's source text, fine-tuned on Python's manual."""

from __future__ import annotations

import hashlib
import platform
from dataclasses import replace
from functools import partial
from pydoc_data.topics import topics

import numpy as np

import stepsize as ss
from stepsize.proof.workloads import charlm
from stepsize.proof.workloads.spec import Workload
from stepsize.proof.workloads.text import TextWindows

__all__ = ["build"]

_PEAK = 3e-3  # the best of charlm's grid for this schedule
_SCHEDULE = 'warmup("10%") >> hold() >> decay("20%", shape="1-sqrt")'
_SEED = 1_000_000  # far from those of the runs that are compared


def build() -> Workload:
    """Return the workload; the model is trained on the source first (10 seconds).

    Raises:
        ProofError: This Python has no standard library in source form.
    """
    from stepsize.proof.population import train_population

    source = charlm.build()
    rates = (_PEAK * ss.parse(_SCHEDULE)).resolve(total_steps=source.total_steps)
    row = np.array([rates.block(0, source.total_steps)])
    before = train_population(source, row, [_SEED], evaluations=1)
    text = "\n".join(topics[name] for name in sorted(topics))
    return replace(
        source,
        name="finetune",
        title="character transformer, fine-tuned from source text to prose, AdamW",
        data=(
            f"{len(text)} characters of Python {platform.python_version()}'s manual "
            "(PSF-2.0), 80/10/10 of its blocks; the text changes with the Python patch "
            "version. Trained before on the standard library's source text, "
            f"{source.total_steps} updates at {_PEAK:g}, {_SCHEDULE}"
        ),
        total_steps=400,
        peak_lrs=(1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2),
        default_lr=3e-4,
        examples=TextWindows(
            text=charlm.encode(text), context=charlm.CONTEXT, windows=512
        ),
        network=partial(charlm.network, trained=before.parameters[0]),
        tuned_lrs={},
        source=source.examples,
        source_metric=float(before.test([0])[0]),
        fingerprint=hashlib.sha256(text.encode()).hexdigest()[:16],
    )
