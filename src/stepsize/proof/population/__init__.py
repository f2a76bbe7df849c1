"""The population engine: many trainings of one workload as one batched program.

`train_population` trains a member per row of rates and gives the numbers that
`train_one` gives by ordinary training, faster; `measure_throughput` says how much.
Not here: which rates to train, and what the numbers mean.
"""

from __future__ import annotations

from stepsize.proof.population.engine import train_population
from stepsize.proof.population.result import Population
from stepsize.proof.population.single import train_one
from stepsize.proof.population.throughput import Throughput, measure_throughput

__all__ = [
    "Population",
    "Throughput",
    "measure_throughput",
    "train_one",
    "train_population",
]
