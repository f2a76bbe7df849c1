"""Schedules as values: pure, standard library only; no optimizer, no clock."""
