"""What stepsize costs, beside hand-written code and the other libraries.

`python -m benchmarks` runs every part: `steps`, `values`, `imports`, `population`.
How each is measured is in docs/benchmarks.md.
"""
