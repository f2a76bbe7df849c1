"""What the columns mean and what was spent, in the words that stand by the table."""

from stepsize.proof.report.words import (
    count,
    decimals,
    metric_title,
    metric_unit,
    name,
    number,
    rate,
    with_percent,
)
from stepsize.proof.results import Comparison


def legend(comparison: Comparison) -> list[str]:
    """Explain the columns, in one or two sentences each."""
    subject = comparison.subject
    better = "more" if subject.direction == "max" else "less"
    chosen = (
        "found beforehand" if comparison.tuning == "given" else "that validation chose"
    )
    lines = [
        f"{metric_title(subject).capitalize()}: {better} is better; ±CI: 95 % "
        f"interval over seeds. Test was read once, at the rate {chosen}; "
        "vs constant: paired by seed, each at its own best rate; p is corrected for "
        "the number of schedules."
    ]
    if comparison.tuning == "given":
        lines.append(
            "Only the rates that were tuned beforehand were trained: no grid, no "
            "default rate, no share of failed runs."
        )
    elif comparison.tuning == "halving":
        lines.append(
            "Not every rate was trained in full: no grid mean, no share of failed runs."
        )
    else:
        margin = subject.failed_margin
        worse = (
            ""  # no cell finished, so that none is the best
            if margin is None
            else ", or worse than the best cell by more than "
            f"{number(margin, decimals(comparison))} {metric_unit(subject)}".rstrip()
        )
        default = (
            f"at {rate(subject.default_lr)}: validation difference at that fixed rate, "
            "untuned; "
            if subject.default_lr is not None
            else ""
        )
        lines.append(
            f"{default}grid mean: validation over all rates; diverged: not finite; "
            f"failed: that{worse}."
        )
        if subject.default_lr is None:
            lines.append("Give --default-lr to compare at an untuned rate too.")
    lines += _further_columns(comparison)
    if any(arm.at_edge for arm in comparison.arms):
        lines.append("* at the edge of the grid: the best rate may lie outside.")
    if any(name(arm) != arm.arm for arm in comparison.arms):
        lines.append("! some of its runs do not count: the verdict says why.")
    if subject.kind == "function":
        lines.append(
            "Your function returns test from every run; only that of the chosen rate "
            "is read and stored."
        )
    return lines


def _further_columns(comparison: Comparison) -> list[str]:
    """Explain the columns that only some comparisons have, and what arms come with."""
    arms, lines = comparison.arms, []
    words = [
        word
        for known, word in (
            (
                any(arm.failed_above is not None for arm in arms),
                "failed below, above: at rates below and above the constant's best",
            ),
            (
                any(arm.reach is not None for arm in arms),
                "as good after: share of the budget until validation is as good as "
                "the constant's in the end, and for how many seeds it never is",
            ),
            (
                any(arm.retained is not None for arm in arms),
                "source: the metric afterwards on the test split of what the model "
                "was trained on before",
            ),
        )
        if known
    ]
    if words:
        lines.append(f"{'; '.join(words)}.".capitalize())
    besides = [f"{arm.arm}: {arm.besides}" for arm in arms if arm.besides]
    if besides:
        lines.append(f"{'; '.join(besides)}.")
    return lines


def costs(comparison: Comparison) -> list[str]:
    """Word the time of an update with and without a schedule, where it is known."""
    constant, others = comparison.arms[:1], comparison.arms[1:]
    timed = [(arm.arm, arm.cost.extra) for arm in others if arm.cost]
    if not timed or not constant[0].cost:
        return []
    words = [
        f"{arm} {with_percent(extra)}" for arm, extra in timed if extra is not None
    ]
    seconds = constant[0].cost.seconds
    return [
        f"An update takes {1e3 * seconds:.3g} ms with the constant (median); with the "
        f"others it takes more by (time, 95 % interval): {', '.join(words)}. Less than "
        "a few percent is noise."
    ]


def setting(comparison: Comparison) -> str:
    """Word the budget: "600 updates a run, 5 rates from 0.0003 to 0.03, 4 seeds"."""
    subject, lrs = comparison.subject, comparison.lrs
    rates = (
        "rates tuned beforehand"
        if comparison.tuning == "given"
        else f"{count(len(lrs), 'rate')} from {rate(lrs[0])} to {rate(lrs[-1])}"
        if len(lrs) > 1
        else f"one rate, {rate(lrs[0])}"
    )
    seeds = count(len(comparison.seeds), "seed")
    if comparison.select_seeds:
        seeds = f"{len(comparison.select_seeds)} + {len(comparison.seeds)} seeds"
    return (
        f"{count(subject.total_steps, 'update')} a run, {rates}, {seeds}: "
        f"{count(len(comparison.runs), 'run')}"
    )
