"""`rank`: schedules by predicted final loss, with the chance that each is best."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from stepsize.errors import FitError, describe
from stepsize.planner.fitting.fitted import PEAK_NOISE, QUANTILE, FittedLaw, interval
from stepsize.planner.laws.law import Floats, check_rates
from stepsize.schedules.horizon import Horizon
from stepsize.schedules.schedule import ResolvedSchedule, Schedule

_DRAWS = 20_000
_SEED = 20_240_817
"""Of the draws behind `p_best`: the same input gives the same answer."""


class Ranked(NamedTuple):
    """A schedule with its predicted final loss.

    Attributes:
        name: What it is called.
        steps: Updates of its run.
        mean: Most probable loss at the end.
        low: Lower end of the 90 % interval, for what one run would read.
        high: Upper end.
        p_best: Probability that its expected loss is the lowest of those ranked.
    """

    name: str
    steps: int
    mean: float
    low: float
    high: float
    p_best: float


def rank(
    law: FittedLaw,
    schedules: Mapping[str, Schedule | ResolvedSchedule]
    | Sequence[Schedule | ResolvedSchedule],
    *,
    steps: int | None = None,
    horizon: Horizon | None = None,
) -> list[Ranked]:
    """Rank schedules by what they are predicted to end at, best first.

    The probabilities come from the law's joint uncertainty: schedules that resemble
    each other err alike, so that their difference is surer than either.

    Args:
        law: A fitted law.
        schedules: By name; or a list, which is named by its texts.
        steps: Updates of the run; int >= 1.
        horizon: Instead of `steps`, where durations need its conversions.

    Returns:
        One entry for each schedule.

    Raises:
        FitError: `law` is none, there is no schedule, or its length is not known.
    """
    if not isinstance(law, FittedLaw):
        raise FitError(describe("rank.law", "be a FittedLaw", law))
    if isinstance(schedules, Mapping):
        named = dict(schedules)
    elif isinstance(schedules, Sequence):
        named = {str(one): one for one in schedules}
    else:
        rule = "be a mapping or a list of schedules"
        raise FitError(describe("rank.schedules", rule, schedules))
    if not named:
        raise FitError(describe("rank.schedules", "be at least one", schedules))
    rows, lengths, apart = [], [], []
    for name, schedule in named.items():
        rates = rates_of(schedule, name, steps=steps, horizon=horizon)
        rows.append(law.law.jacobian(rates, [len(rates)]))
        lengths.append(len(rates))
        apart.append(law.apart(rates))
    means = np.concatenate([loss for loss, _ in rows])
    joint = law.joint(np.concatenate([slopes for _, slopes in rows]))
    shared = PEAK_NOISE * np.array(apart) * means  # alike at one peak
    joint = joint + np.outer(shared, shared)
    own = law.run_noise * means
    spans = interval(means, QUANTILE * np.sqrt(np.diag(joint) + own**2))
    draws = np.random.default_rng(_SEED).multivariate_normal(
        means, joint, size=_DRAWS, method="eigh", check_valid="ignore"
    )
    # two equal schedules share what they win
    lowest = draws <= draws.min(axis=1, keepdims=True) + 1e-12
    wins = (lowest / lowest.sum(axis=1, keepdims=True)).mean(axis=0)
    made = [
        Ranked(
            name,
            lengths[at],
            float(means[at]),
            float(spans.low[at]),
            float(spans.high[at]),
            float(wins[at]),
        )
        for at, name in enumerate(named)
    ]
    return sorted(made, key=lambda one: one.mean)


def rates_of(
    schedule: Schedule | ResolvedSchedule,
    name: str,
    *,
    steps: int | None = None,
    horizon: Horizon | None = None,
) -> Floats:
    """Return the rate of every update of a schedule.

    Raises:
        FitError: It is no schedule, its length is not known or said twice, or all its
            rates are 0.
    """
    if steps is not None and horizon is not None:
        rule = "be given as steps or as horizon, not both"
        raise FitError(describe(f"length of schedule {name!r}", rule, (steps, horizon)))
    if isinstance(schedule, Schedule):
        schedule = (
            schedule.resolve(total_steps=steps)
            if horizon is None
            else schedule.resolve(horizon=horizon)
        )
    if not isinstance(schedule, ResolvedSchedule):
        raise FitError(describe(f"schedule {name!r}", "be a Schedule", schedule))
    length = schedule.total_steps if steps is None else steps
    if length is None and horizon is not None:
        length = horizon.total_steps
    if length is None:
        hint = "say steps=N, or --total-steps N"
        raise FitError(describe(f"schedule {name!r}", "have a length", None, hint=hint))
    return check_rates(schedule.block(0, length), f"schedule {name!r}")
