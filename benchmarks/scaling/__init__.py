"""How good the advice is: recipes, and rules for the batch, against grids of rates.

python -m benchmarks.scaling batch|recipes [FILE]
"""
