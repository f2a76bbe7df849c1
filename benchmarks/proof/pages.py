"""Writes docs/proof/index.md from the results, so that no number is typed by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.proof.claims import ARMS, LEAST, claims
from benchmarks.proof.expected import Check, checks
from benchmarks.proof.tasks import FULL, SEEDS, SELECT_SEEDS, Task
from stepsize.proof import Comparison, workloads
from stepsize.proof.results import ArmSummary
from stepsize.proof.statistics import Estimate

HEAD = """# The proof

What learning-rate schedules do on {count} tasks, measured by `make proof`. Every number
of this page is written by `python -m benchmarks.proof`; the raw ones lie beside it, in
`docs/proof/*.json`. [The workloads and their data](data.md) have a page of their own.

- Every task has {arms} arms on the same grid of peak rates under the same number of
  updates, warmup included; the last iterate counts (for `constant_ema` the average of
  the weights, decay 0.99 at every update). The arms are described in
  [comparing schedules](../compare.md).
- Each arm's rate is chosen by its mean **validation** metric on {select} seeds (0 and
  1). The **test** metric is read once, at that rate, on {seeds} other seeds. A seed is
  the same draw of weights, batches and split for every arm; differences are paired by
  seed, intervals are Student's t at 95 %, p-values are corrected for the number of arms
  (Holm).
- `plateau` cuts the rate by 0.3 when the trend of the validation metric, read 50 times
  in a run, shows no progress over 4 readings. So it sees validation where the others do
  not.
- Workloads, grids, arms and the rules above were set before any of these runs, from an
  earlier measurement of the same trainings; exceptions are named below. Added after the
  first results, for every task alike: the default rate on all ten seeds, and the word
  "overlaps" in the table against the earlier measurement. What was chosen
  in *that* measurement after seeing results: position code and context of the Bible
  model, a rate of the grid of each Fashion-MNIST task, the seeds of the ResNet.
"""

_NOT_RUN = """## What is left to `make proof-full`

{rows}

Long budgets matter: in the earlier measurement the gain on letters halved at four times
the budget, and that of the Bible model grew at three times.
"""

_GRIDS = ("grid_population", "grid_processes", "grid_own")


def page(
    comparisons: Mapping[str, Comparison],
    environment: Mapping[str, str],
    speed: Sequence[Mapping[str, Any]],
    missing: Mapping[str, str],
) -> str:
    """Return the page.

    Args:
        comparisons: By task.
        environment: Of the machine that trained.
        speed: Rows of speed.json; empty if it was not measured.
        missing: Task -> why it was left out.
    """
    found = checks(comparisons)
    arms = len(next(iter(comparisons.values())).arms)
    parts = [
        HEAD.format(
            count=len(comparisons), arms=arms, select=SELECT_SEEDS, seeds=SEEDS
        ),
        _summary(comparisons),
        _claims(comparisons),
        _failures(comparisons),
        _reproduced(found),
        *(_task(name, comparison) for name, comparison in comparisons.items()),
        _speed(speed),
        _machine(comparisons, environment),
    ]
    if missing:
        rows = "\n".join(f"- {name}: {why}" for name, why in missing.items())
        parts.append(f"## Left out\n\n{rows}\n")
    longer = [task for task in FULL if task.name not in comparisons]
    if longer:
        parts.append(
            _NOT_RUN.format(rows="\n".join(f"- {_words(task)}" for task in longer))
        )
    return "\n".join(parts)


def _words(task: Task) -> str:
    length = f" at {task.total_steps} updates" if task.total_steps else ""
    return f"`{task.name}`: {task.workload}{length}"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def _summary(comparisons: Mapping[str, Comparison]) -> str:
    rows = []
    for name, comparison in comparisons.items():
        arms = {arm.arm: arm for arm in comparison.arms}
        rows.append(
            [
                f"[{name}](#{name})",
                f"{comparison.subject.metric}, {comparison.subject.unit}",
                _mean(arms["constant"].test, comparison),
                *(_change(arms[one], comparison) for one in ARMS),
                str(sum(arm.outcome == "better" for arm in comparison.arms)),
                str(sum(arm.outcome == "worse" for arm in comparison.arms)),
            ]
        )
    count = len(next(iter(comparisons.values())).arms) - 1
    head = ["task", "metric", "constant, tuned", *ARMS]
    text = (
        "## What was found\n\nTest metric of the tuned constant, and of others minus "
        "it, in bold what is beyond the noise; and how many of the "
        f"{count} arms are better or worse beyond it.\n\n"
    )
    return text + _table([*head, "better", "worse"], rows)


def _claims(comparisons: Mapping[str, Comparison]) -> str:
    rows = []
    for claim in claims(comparisons):
        if not claim.gains:
            continue
        gains = ", ".join(
            f"({task} {gain:+.1f})" if task in claim.unclear else f"{task} {gain:+.1f}"
            for task, gain in claim.gains.items()
        )
        rows.append(
            [
                claim.protocol,
                claim.unit,
                claim.arm,
                f"{len(claim.holds)} of {len(claim.gains)}",
                gains,
            ]
        )
    text = (
        '## "3 to 8 % better"\n\nOn how many tasks the gain over the constant is at '
        f"least {LEAST:g}, read as points of accuracy and as the share of the error "
        "(or loss) that is gone. Tuned, it must also be beyond the noise after Holm's "
        "correction; at the default rate, beyond its own interval over all "
        f"{SELECT_SEEDS + SEEDS} seeds. The default rate is the one that the optimizer "
        "is commonly given: such a row is a choice of the rate as much as of the "
        "schedule. The mean over the grid measures how far the grid reaches into "
        "failure. (In brackets: within the noise.)\n\n"
    )
    return text + _table(["protocol", "unit", "arm", "holds on", "gains"], rows)


def _failures(comparisons: Mapping[str, Comparison]) -> str:
    names = [arm.arm for arm in next(iter(comparisons.values())).arms]
    rows = []
    for name in names:
        cells = []
        for comparison in comparisons.values():
            arm = next(one for one in comparison.arms if one.arm == name)
            shares = (arm.diverged, arm.failed, arm.failed_above)
            cells.append(" / ".join("-" if x is None else f"{x:.0%}" for x in shares))
        rows.append([name, *cells])
    text = (
        "## Failures\n\nShare of the runs on the grid that were not finite (NaN) / "
        "that failed, by a threshold: 10 points, 0.3 nats or a twentieth of the "
        "variance worse than the best cell / the same at rates above the constant's "
        "best.\n\n"
    )
    return text + _table(["arm", *comparisons], rows)


def _reproduced(found: Sequence[Check]) -> str:
    rows = [
        [
            check.task,
            check.what,
            check.before,
            check.now,
            "yes" if check.ok else "no, overlaps" if check.overlaps else "**no**",
        ]
        for check in found
    ]
    good = sum(check.ok for check in found)
    near = sum(check.overlaps for check in found)
    text = (
        f"## Against the earlier measurement\n\n{good} of {len(found)} values lie "
        "within the tolerance set then (tests), its 95 % interval (differences) or "
        f"the range that was asked for (signs); of {near} others the interval found "
        "now reaches into it. The earlier rates were chosen by the seeds that were "
        "reported on.\n\n"
    )
    return text + _table(["task", "value", "before", "now", "within"], rows)


def _task(name: str, comparison: Comparison) -> str:
    subject = comparison.subject
    retained = any(arm.retained is not None for arm in comparison.arms)
    head = [
        "arm",
        "rate",
        "test",
        "minus constant",
        "p (Holm)",
        "error cut",
        f"at {subject.default_lr:g}" if subject.default_lr is not None else "-",
        "grid mean",
        "reaches",
        "claim",
        *([_source_head(comparison)] if retained else []),
    ]
    rows = [
        [
            f"`{arm.arm}`",
            "-" if arm.chosen_lr is None else f"{arm.chosen_lr:g}{_star(arm)}",
            _estimate(arm.test, comparison),
            _estimate(arm.difference, comparison, sign="+"),
            "-" if arm.holm_p is None else f"{arm.holm_p:.2g}",
            "-" if arm.relative is None else f"{arm.relative:+.0%}",
            _estimate(arm.at_default, comparison, sign="+"),
            "-" if arm.grid_mean is None else _number(arm.grid_mean, comparison),
            _reach(arm),
            arm.outcome,
            *([_estimate(arm.retained, comparison)] if retained else []),
        ]
        for arm in comparison.arms
    ]
    details = "; ".join(f"{key}: {value}" for key, value in subject.details.items())
    notes = {task.name: task.note for task in FULL}
    note = f" {notes[name]}" if notes.get(name) else ""
    lines = [
        f"## {name}",
        "",
        f"{subject.title[0].upper()}{subject.title[1:]}; {subject.total_steps} "
        f"updates. {details}.{note}",
        "",
        _verdict(comparison),
        "",
        f"![{name}: curves, grid and differences](figures/{name}.svg)",
        "",
        _table(head, rows),
        f"`{comparison.repeat}`",
        "",
    ]
    return "\n".join(lines)


def _source_head(comparison: Comparison) -> str:
    """Head the column of what is kept of the source with its metric before."""
    before = _before(comparison)
    known = "" if before is None else f", {_number(before, comparison)} before"
    return f"source kept{known}"


def _before(comparison: Comparison) -> float | None:
    """Return the source's metric before this training, from the same data.

    The workload trains its model on the source to know it (10 seconds).
    """
    workload = workloads.load(comparison.subject.name)
    said = comparison.subject.details.get("fingerprint", "")
    same = workload.fingerprint is not None and workload.fingerprint in said
    return workload.source_metric if same else None


def _verdict(comparison: Comparison) -> str:
    """Say which arms are better, worse or neither; the table has the evidence."""
    sentences = []
    for outcome, words in (
        ("better", "Better than the tuned constant"),
        ("worse", "Worse"),
        ("no clear difference", "No clear difference"),
        ("no claim", "No claim is made"),
    ):
        names = [f"`{arm.arm}`" for arm in comparison.arms if arm.outcome == outcome]
        if names:
            sentences.append(f"**{words}**: {', '.join(names)}.")
    return " ".join(sentences)


def _speed(rows: Sequence[Mapping[str, Any]]) -> str:
    if not rows:
        return ""
    cells = [
        [
            row["workload"],
            f"{1e3 * row['one_by_one']:.3f} ({row['implementation']})",
            f"{1e3 * row['population']:.3f}",
            f"{row['ratio']:.1f}",
            "any" if row["most_cores"] is None else str(row["most_cores"]),
            str(row["runs"]),
            *(f"{row[name]:.0f}" for name in _GRIDS),
        ]
        for row in rows
    ]
    text = (
        "## Speed\n\nOn one core: whole runs from the draw of the weights to the last "
        "validation, milliseconds per update of one member; one by one is ordinary "
        "training with the fastest of torch's own implementations of the optimizer, "
        "without the start of a process; *up to* is how many cores the population, "
        "whose threads share an interpreter, should gain on by Amdahl's law.\n\n"
        "On all cores: seconds for a grid of so many runs as `stepsize compare` makes "
        "it, from start to end: as a population; in processes that are used again; and "
        "with a new process for each run (from the time of one).\n\n"
        "Against a process for each run, the population is "
        f"{_least(rows, 'grid_own'):.1f} to {_most(rows, 'grid_own'):.0f} times as "
        f"fast; against processes used again, {_least(rows, 'grid_processes'):.1f} to "
        f"{_most(rows, 'grid_processes'):.1f} times. Little is gained on one core "
        "where the arithmetic of one member already fills it: more than half of an "
        "update of `letters` are matrix products (8.5 million operations a member), "
        "which a stack does not save.\n\n"
    )
    head = ["workload", "one by one, ms", "population, ms", "times", "up to"]
    return text + _table([*head, "runs", "population, s", "processes", "new"], cells)


def _least(rows: Sequence[Mapping[str, Any]], name: str) -> float:
    return min(float(row[name] / row["grid_population"]) for row in rows)


def _most(rows: Sequence[Mapping[str, Any]], name: str) -> float:
    return max(float(row[name] / row["grid_population"]) for row in rows)


def _machine(
    comparisons: Mapping[str, Comparison], environment: Mapping[str, str]
) -> str:
    rows = [[key, value] for key, value in environment.items()]
    spent = ", ".join(
        f"{name} {one.seconds:.0f} s" for name, one in comparisons.items()
    )
    text = f"## Machine and versions\n\nWall time of the trainings: {spent}.\n\n"
    return text + _table(["what", "value"], rows)


def _star(arm: ArmSummary) -> str:
    return "" if arm.at_edge is None else f" ({arm.at_edge} end)"


def _reach(arm: ArmSummary) -> str:
    if arm.reach is None:
        return "-"
    share = "-" if arm.reach.share is None else f"{arm.reach.share:.2f}"
    return share + (f" ({arm.reach.never} never)" if arm.reach.never else "")


def _change(arm: ArmSummary, comparison: Comparison) -> str:
    text = _estimate(arm.difference, comparison, sign="+")
    return f"**{text}**" if arm.outcome in ("better", "worse") else text


def _estimate(found: Estimate | None, comparison: Comparison, *, sign: str = "") -> str:
    if found is None:
        return "-"
    half = found.half_width
    mean = _number(found.mean, comparison, sign=sign)
    return mean if half is None else f"{mean} ± {_number(half, comparison)}"


def _mean(found: Estimate | None, comparison: Comparison) -> str:
    return "-" if found is None else _number(found.mean, comparison)


def _number(value: float, comparison: Comparison, *, sign: str = "") -> str:
    digits = {"%": 2, "of the variance": 4}.get(comparison.subject.unit, 3)
    return f"{value:{sign}.{digits}f}"
