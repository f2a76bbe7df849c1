"""How the best peak rate follows tokens, parameters and compute: language models only.

The laws disagree on tokens, because one holds the batch and the others let it grow with
the data. So they are different functions; say which batch is meant.
"""

from __future__ import annotations

from typing import NamedTuple

from stepsize.schedules.arguments import number

TOKEN_EXPONENT = 0.32
"""Bjorck et al. 2024, arXiv:2409.19913, section 4: fitted at 760M to 2.7B parameters
and a batch of 0.5M tokens."""
TOKEN_EXPONENT_RANGE = (0.32, 0.70)
"""Exponents of the fits for one size each, 50M (0.70) to 2.7B; the same, table 5."""
FAR = 10.0
"""Extrapolation in tokens beyond which such a law is said to bend; a convention.
arXiv:2606.29158 sees upward curvature for 22M to 707M parameters, 5B to 100B tokens."""


class Optimum(NamedTuple):
    """Peak rate and batch that a law calls best.

    Attributes:
        lr: Peak rate.
        batch_tokens: Tokens in an update.
    """

    lr: float
    batch_tokens: float


def at_fixed_batch(lr: float, from_tokens: float, to_tokens: float) -> float:
    """Return the peak rate for another number of tokens at the same batch.

        lr' = lr (from_tokens / to_tokens) ** 0.32

    A longer run wants a lower peak.

    Args:
        lr: Best peak rate at `from_tokens`; > 0.
        from_tokens: Tokens of the run that was tuned (or its updates); > 0.
        to_tokens: Likewise, of the new run.

    Source:
        Bjorck et al. 2024, arXiv:2409.19913, section 4.

    Examples:
        >>> round(at_fixed_batch(1e-3, 25e9, 100e9), 6)
        0.000642
    """
    rate = number(lr, "at_fixed_batch.lr", open_low=True, unit="lr")
    old = number(from_tokens, "at_fixed_batch.from_tokens", open_low=True)
    new = number(to_tokens, "at_fixed_batch.to_tokens", open_low=True)
    return float(rate * (old / new) ** TOKEN_EXPONENT)


def step_law(parameters: float, tokens: float) -> Optimum:
    """Return peak rate and batch, both free, of a language model under AdamW.

        lr = 1.79 N ** -0.713 D ** 0.307,  batch = 0.58 D ** 0.571 tokens

    The batch grows with the data here, and the rate with it. The fits end at a last
    rate of 1e-5, not at a share of the peak.

    Args:
        parameters: N, without embeddings; > 0.
        tokens: D; > 0.

    Source:
        Li et al. 2025, arXiv:2503.04715, eq. 1.

    Examples:
        >>> lr, batch = step_law(1e9, 100e9)
        >>> round(lr, 5), round(batch / 1e6, 2)
        (0.00163, 1.11)
    """
    n = number(parameters, "step_law.parameters", open_low=True)
    d = number(tokens, "step_law.tokens", open_low=True)
    return Optimum(1.79 * n**-0.713 * d**0.307, 0.58 * d**0.571)


def deepseek_law(compute: float) -> Optimum:
    """Return peak rate and batch of a language model for a compute budget.

        lr = 0.3118 C ** -0.1250,  batch = 0.2920 C ** 0.3271 tokens

    Args:
        compute: C, floating point operations without embeddings (tokens times those of
            one token); > 0.

    Source:
        Bi et al. 2024, arXiv:2401.02954, eq. 1.

    Examples:
        >>> lr, batch = deepseek_law(8.456e22)  # its 7B model on 2e12 tokens: 4.2e-4
        >>> round(lr, 6), round(batch / 1e6, 1)
        (0.000425, 9.2)
    """
    c = number(compute, "deepseek_law.compute", open_low=True)
    return Optimum(0.3118 * c**-0.1250, 0.2920 * c**0.3271)
