"""How good a suggested learning rate is: regret on many small real tasks."""
