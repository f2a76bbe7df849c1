"""Proof: schedules compared under equal budgets, on real data.

`workloads` holds what is trained, `population` trains many runs as one program; the
comparison, its statistics and its report stand beside them.
"""

from stepsize.proof.compare import ComparisonInterrupted, compare
from stepsize.proof.results import Comparison, Results

__all__ = ["Comparison", "ComparisonInterrupted", "Results", "compare"]
