"""What others can test with: strategies of schedules, conformance suites."""

from stepsize.testing.adapter_suite import AdapterSuite, Case, Trained
from stepsize.testing.adapters import LoopSuite

__all__ = ["AdapterSuite", "Case", "LoopSuite", "Trained"]
