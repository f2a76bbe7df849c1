"""`python -m benchmarks.laws.bank`: train the bank of loss curves that is checked in.

The small character model under eight schedules and two horizons, two seeds each; what
is kept is the mean over the seeds. About half an hour on one core.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

import stepsize as ss
from stepsize.schedules.schedule import Schedule

FILE = Path(__file__).parent / "data" / "charlm.json"
HORIZONS = (1500, 3000)
PEAK, WARMUP, SEEDS, READINGS = 3e-3, 100, (0, 1), 60
HELD: dict[str, Schedule] = {
    "constant": ss.hold(),
    "cosine": ss.cosine(),
    "cosine to 10 %": ss.cosine(to=0.1),
    "linear": ss.linear(),
    "wsd 20 %": ss.hold() >> ss.decay("20%", shape="linear"),
    "wsd 50 %": ss.hold() >> ss.decay("50%", shape="linear"),
    "wsd 20 %, 1-sqrt": ss.hold() >> ss.decay("20%", shape="1-sqrt"),
    "step": ss.hold() >> 0.2 * ss.hold("30%"),
}
"""What follows the warmup."""


def schedule(name: str) -> Schedule:
    """Return a schedule of the bank."""
    return PEAK * ss.warmup(WARMUP) >> HELD[name]


def train(seeds: Sequence[int] = SEEDS) -> dict[str, Any]:
    """Train every member and return the bank, JSON-plain."""
    from stepsize.proof.population.engine import train_population
    from stepsize.proof.workloads.charlm import build

    workload = build()
    workload = replace(workload, curve_size=512)
    runs = []
    for horizon in HORIZONS:
        names = list(HELD)
        rates = np.array(
            [
                schedule(name).resolve(total_steps=horizon).block(0, horizon)
                for name in names
                for _ in seeds
            ]
        )
        found = train_population(
            workload,
            rates,
            [seed for _ in names for seed in seeds],
            evaluations=READINGS,
            threads=1,
        )
        for number, name in enumerate(names):
            own = slice(number * len(seeds), (number + 1) * len(seeds))
            losses = found.val_curve[own]
            runs.append(
                {
                    "schedule": name,
                    "text": str(schedule(name)),
                    "horizon": horizon,
                    "steps": found.updates.tolist(),
                    "losses": [round(float(x), 5) for x in losses.mean(axis=0)],
                    "final_of_seeds": [round(float(x), 5) for x in losses[:, -1]],
                }
            )
    return {
        "workload": workload.describe(),
        "peak": PEAK,
        "seeds": list(seeds),
        "runs": runs,
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Train, and write the file."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.laws.bank")
    parser.add_argument("--output", type=Path, default=FILE)
    given = parser.parse_args(arguments)
    begin = time.perf_counter()
    bank = train()
    given.output.parent.mkdir(parents=True, exist_ok=True)
    given.output.write_text(json.dumps(bank, indent=1) + "\n", encoding="utf-8")
    print(f"{len(bank['runs'])} runs in {time.perf_counter() - begin:.0f} s")


if __name__ == "__main__":
    main()
