"""What follows from a comparison, in sentences: losses shown like wins.

Each comparison has its own verdict; nothing is averaged over workloads.
"""

from collections.abc import Sequence

from stepsize.proof.report.words import (
    count,
    decimals,
    listing,
    metric_unit,
    number,
    p_value,
    percent,
    rate,
    relative_to,
)
from stepsize.proof.results import ArmSummary, Comparison, Reach
from stepsize.proof.statistics import Estimate

_FEW = 3
"""Up to this many arms each have their numbers in a sentence; of more, the ends."""


def verdict(comparison: Comparison) -> tuple[str, ...]:
    """Return the verdict; the first sentence is the answer, the others qualify it."""
    constant, others = comparison.arms[0], comparison.arms[1:]
    if constant.test is None:
        return (
            "No claim can be made: no run of the constant rate counts, so there is "
            "nothing to compare with.",
            *_caveats(comparison),
        )
    return (
        _answer(comparison, constant, others),
        *_losses(comparison, others),
        *_near_misses(comparison, others),
        *_default_rate(comparison, others),
        *_failures(comparison),
        *_reach(comparison),
        *_caveats(comparison),
    )


def _answer(
    comparison: Comparison, constant: ArmSummary, others: tuple[ArmSummary, ...]
) -> str:
    places = decimals(comparison)
    unit = comparison.subject.unit
    mean = number(constant.test.mean if constant.test else None, places)
    baseline = (
        f"the tuned constant ({mean}{' ' + unit if unit else ''} at "
        f"{rate(constant.chosen_lr)})"
    )
    if not others:
        return f"Only {baseline} was trained: name schedules to compare it with."
    better = [arm for arm in others if arm.outcome == "better"]
    if better:
        verb = "helps" if len(better) == 1 else "help"
        who = _named(better)
        if len(better) == len(others) > _FEW:
            who = f"All {len(others)} schedules"
        gains = _differences(comparison, better)
        return f"{who} {verb} here, against {baseline}: {gains}."
    claimed = [arm for arm in others if arm.outcome != "no claim"]
    if not claimed:
        why = next(
            (
                arm.difference.why_no_interval
                for arm in others
                if arm.difference and arm.difference.why_no_interval
            ),
            "too few runs count",
        )
        return f"No claim can be made against {baseline}: {why}."
    largest = max(
        claimed,
        key=lambda arm: comparison.subject.sign * _mean(arm.difference),
    )
    return (
        f"No schedule helps here: against {baseline}, none of {len(claimed)} is better "
        f"beyond the noise of {count(len(comparison.seeds), 'seed')}. The most "
        f"favourable is {largest.arm}, {_difference(comparison, largest)}."
    )


def _losses(comparison: Comparison, others: tuple[ArmSummary, ...]) -> list[str]:
    worse = [arm for arm in others if arm.outcome == "worse"]
    if not worse:
        return []
    who = f"{_named(worse)}: " if len(worse) > _FEW else ""
    return [f"Worse than the tuned constant: {who}{_differences(comparison, worse)}."]


def _near_misses(comparison: Comparison, others: tuple[ArmSummary, ...]) -> list[str]:
    near = [
        arm
        for arm in others
        if arm.outcome == "no clear difference"
        and arm.difference is not None
        and arm.difference.excludes_zero
    ]
    return [
        f"{arm.arm} {_difference(comparison, arm)} leaves out 0 taken by itself, but "
        f"not after correcting for {len(others)} comparisons (Holm's p "
        f"{p_value(arm.holm_p)}): no claim."
        for arm in near
    ]


def _default_rate(comparison: Comparison, others: tuple[ArmSummary, ...]) -> list[str]:
    """Say what happens without tuning; the sign often turns there."""
    lr = comparison.subject.default_lr
    sign = comparison.subject.sign
    clear = [arm for arm in others if arm.at_default and arm.at_default.excludes_zero]
    if lr is None or not clear:
        return []
    better = [a.arm for a in clear if sign * _mean(a.at_default) > 0]
    worse = [a.arm for a in clear if sign * _mean(a.at_default) < 0]
    said = [
        f"{word}: {listing(names)}"
        for word, names in (("better", better), ("worse", worse))
        if names
    ]
    return [
        f"Without tuning, all at {rate(lr)} (validation, each interval by itself), "
        f"{'; '.join(said)}. Such a difference is a choice of the rate as much as of "
        "the schedule."
    ]


def _failures(comparison: Comparison) -> list[str]:
    """Say what a rate too high does, where it does not do the same to all."""
    known = [arm for arm in comparison.arms if arm.failed_above is not None]
    if len({arm.failed_above for arm in known}) < 2:  # noqa: PLR2004 - a difference
        return []
    alike: dict[str, list[str]] = {}
    for arm in sorted(known, key=lambda arm: -(arm.failed_above or 0.0)):
        alike.setdefault(percent(arm.failed_above), []).append(arm.arm)
    if len(known) > _FEW:
        shares = "; ".join(
            f"{share} of {listing(arms)}" for share, arms in alike.items()
        )
    else:
        shares = listing([f"{arm.arm} {percent(arm.failed_above)}" for arm in known])
    best = rate(comparison.arms[0].chosen_lr)
    return [f"Failed at rates above {best}, the constant's best: {shares}."]


def _reach(comparison: Comparison) -> list[str]:
    """Say how soon validation is as good as the constant's in the end."""
    known = [(arm.arm, arm.reach) for arm in comparison.arms[1:] if arm.reach]
    if not known:
        return []
    if len(known) > _FEW:
        said = _range_of_reaches(known)
    else:
        said = ", ".join(_reached(arm, found) for arm, found in known)
    return [
        "Share of the budget until validation is as good as the constant's in the "
        f"end: {said}."
    ]


def _reached(arm: str, found: Reach) -> str:
    """Word one arm: "wsd 75 %", "step 54 % (never for 1 of 8 seeds)"."""
    if found.share is None:
        return f"{arm} never"
    never = f" (never for {found.never} of {found.n} seeds)" if found.never else ""
    return f"{arm} {percent(found.share)}{never}"


def _range_of_reaches(known: list[tuple[str, Reach]]) -> str:
    """Word the soonest and the latest arm, and where some seeds never get there."""
    always = sorted(
        (found.share, arm)
        for arm, found in known
        if found.share is not None and not found.never
    )
    ends = [f"{percent(share)} ({arm})" for share, arm in always]
    never = [arm for arm, found in known if found.share is None]
    partly = [arm for arm, found in known if found.share is not None and found.never]
    words = [
        f"from {ends[0]} to {ends[-1]}"
        if len(ends) > 1
        else "".join(ends) or "no schedule gets there with every seed",
        f"not with every seed: {listing(partly)}" if partly and always else "",
        f"never: {listing(never)}" if never else "",
    ]
    return "; ".join(word for word in words if word)


def _bootstrap(comparison: Comparison) -> list[str]:
    """Say where an interval that supposes no normal distribution disagrees."""
    said = []
    for arm in comparison.arms:
        if arm.difference is None or arm.difference.bootstrap is None:
            continue
        low, high = arm.difference.bootstrap
        claimed = arm.outcome in ("better", "worse")
        if claimed and low <= 0 <= high:
            places = decimals(comparison)
            ends = (
                f"{number(low, places, sign=True)} to {number(high, places, sign=True)}"
            )
            said.append(
                f"{arm.arm}: its bootstrap interval, {ends}, covers 0, so the claim "
                "rests on the differences being about normal."
            )
    return said


def _caveats(comparison: Comparison) -> list[str]:
    said = _bootstrap(comparison)
    if comparison.select_seeds:
        chosen, seeds = comparison.select_seeds, comparison.seeds
        said.append(
            f"Rates were chosen on {count(len(chosen), 'seed')}; the numbers are of "
            f"{count(len(seeds), 'other seed')}, which chose nothing."
        )
    if comparison.rungs:
        shortest = min(rung.total_steps for rung in comparison.rungs)
        said.append(
            "Rates were found by successive halving: complete trainings of "
            f"{shortest} updates and more dropped the worse half of each schedule's "
            "rates. The best rate of a short training may not be that of a long one."
        )
    if comparison.tuning == "given":
        said.append(
            "The rates were found beforehand and only they were trained, so this says "
            "nothing about how much a schedule depends on its rate."
        )
    edges = [arm for arm in comparison.arms if arm.at_edge is not None]
    if edges:
        names = listing([f"{a.arm} ({rate(a.chosen_lr)})" for a in edges])
        ends = {arm.at_edge for arm in edges}
        ways = {"low": "lower", "high": "higher"}
        way = listing([word for end, word in ways.items() if end in ends])
        said.append(
            f"The best rate lies at the edge of the grid for {names}, so it may lie "
            f"outside: repeat with {way} rates in --lrs."
        )
    unequal = [arm for arm in comparison.arms if arm.unequal]
    if unequal:
        names = listing([f"{arm.arm} ({arm.unequal})" for arm in unequal])
        said.append(
            "Unequal budget: runs that made another number of updates than "
            f"{comparison.subject.total_steps} are left out: {names}."
        )
    said += [f"{arm.arm}: {note}." for arm in comparison.arms for note in arm.notes]
    errors = sum(run.status == "error" for run in comparison.runs)
    if errors:
        said.append(
            f"{count(errors, 'run')} of {len(comparison.runs)} raised or returned the "
            "wrong thing; the report and results.json have the reasons."
        )
    return said


def _by_size(arms: Sequence[ArmSummary]) -> list[ArmSummary]:
    """Sort arms of one outcome, the largest difference first."""
    return sorted(arms, key=lambda arm: -abs(_mean(arm.difference)))


def _named(arms: Sequence[ArmSummary]) -> str:
    ordered = _by_size(arms) if len(arms) > _FEW else arms
    return listing([arm.arm for arm in ordered])


def _differences(comparison: Comparison, arms: Sequence[ArmSummary]) -> str:
    """Word the differences of arms: each, or of many the largest and the smallest."""
    if len(arms) <= _FEW:
        return "; ".join(f"{arm.arm} {_difference(comparison, arm)}" for arm in arms)
    ordered = _by_size(arms)
    most, least = (
        f"{arm.arm} {_difference(comparison, arm)}" for arm in (ordered[0], ordered[-1])
    )
    return f"from {most} to {least}"


def _difference(comparison: Comparison, arm: ArmSummary) -> str:
    """Word a difference: "+0.82 points (95 % interval +0.10 to +1.54)"."""
    difference, places = arm.difference, decimals(comparison)
    if difference is None:
        return ""
    unit = metric_unit(comparison.subject)
    mean = number(difference.mean, places, sign=True)
    text = f"{mean} {unit}" if unit else mean
    inside = []
    if difference.low is not None:
        low = number(difference.low, places, sign=True)
        high = number(difference.high, places, sign=True)
        inside.append(f"95 % interval {low} to {high}")
    if arm.relative is not None:
        word = "less" if arm.relative >= 0 else "more"
        what = relative_to(comparison.subject)
        inside.append(f"{abs(100 * arm.relative):.0f} % {word} {what}".rstrip())
    return f"{text} ({', '.join(inside)})" if inside else text


def _mean(estimate: Estimate | None) -> float:
    return 0.0 if estimate is None else estimate.mean
