"""Adapters: one framework each, thin; import the one you use."""
