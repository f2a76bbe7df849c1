"""Rates and events of a run where others look at them: a module for each host.

Not records of the run: those are the ledger's.
"""
