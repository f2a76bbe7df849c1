"""`python -m benchmarks.laws.priors`: the numbers of `stepsize.planner.fitting.priors`.

For each recorded model and peak rate one fit to all its curves, under the prior that is
theory alone. Prints the table that is checked in.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.laws import recorded
from stepsize.planner.fitting import posterior, priors
from stepsize.planner.fitting.curve import Curve
from stepsize.planner.fitting.priors import Prior
from stepsize.planner.fitting.screening import screen
from stepsize.planner.laws.law import Floats


def member(curves: Sequence[Curve], prior: Prior) -> Floats:
    """Return the parameters of one model at one peak rate."""
    screened = [screen(curve) for curve in curves]
    found = posterior.estimate(
        [curve.rates for curve in curves],
        screened,
        prior,
        unit=priors.UNIT,
        reference=priors.REFERENCE,
        scale=min(float(one.losses.min()) for one in screened),
    )
    return found.theta


def measure(path: Path, prior: Prior) -> dict[str, list[Floats]]:
    """Return the members of each recorded model."""
    runs = recorded.large(path)
    peaks = sorted({run.peak for run in runs.values()})
    of_peaks = [
        [recorded.scored(run.curve) for run in runs.values() if run.peak == peak]
        for peak in peaks
    ]
    return {
        "124M": [member(curves, prior) for curves in of_peaks],
        "25M": [member(list(recorded.small(path).values()), prior)],
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.laws.priors")
    parser.parse_args(arguments)
    path = recorded.folder()
    if path is None:
        parser.error(f"set {recorded.VARIABLE} to the folder of the recorded runs")
    for name, members in measure(path, priors.VAGUE).items():
        print(f'    "{name}": (')
        for theta in members:
            print(f"        ({', '.join(f'{x:.4f}' for x in np.round(theta, 4))}),")
        print("    ),")


if __name__ == "__main__":
    main()
