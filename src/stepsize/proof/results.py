"""What a comparison leaves behind, as frozen values, and the file `results.json`.

Not here: how runs are made (engines.py) or summed up (summary.py).
"""

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, final

import msgspec

from stepsize.errors import ProofError
from stepsize.proof.statistics import Estimate

SCHEMA = "stepsize.results/2"
"""Name and version of the file format; the number grows when a field changes."""

Direction = Literal["min", "max"]
Status = Literal["finished", "diverged", "error", "unequal_budget"]
Tuning = Literal["grid", "halving", "given"]
Outcome = Literal["baseline", "better", "worse", "no clear difference", "no claim"]


@final
@dataclass(frozen=True, slots=True)
class Curve:
    """One metric of one run over its updates.

    Attributes:
        metric: Name of the metric, as in "train_loss".
        updates: Updates made when it was read, rising.
        values: Its values; None where it was not finite. As long as `updates`.
    """

    metric: str
    updates: tuple[int, ...]
    values: tuple[float | None, ...]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One training: an arm at one peak rate with one seed.

    Attributes:
        arm: Name of the schedule.
        schedule: The schedule that was trained, as text, the peak rate multiplied in.
        peak_lr: Factor that multiplied the arm. Unit: lr; > 0.
        seed: Seed of the run; equal seeds of two arms are a pair.
        status: "finished"; "diverged" (loss or metric not finite); "error" (the
            training function raised or returned the wrong thing); "unequal_budget"
            (it made another number of updates than the others: left out of claims).
        val: Validation metric of the final iterate; None unless it is a number.
        test: Test metric; None unless this run has the rate chosen for its arm.
        retained: The metric on the test split of what the model was trained on before;
            None unless there is one and `test` is read.
        updates: Updates made; None if unknown.
        reason: Why the status is not "finished"; empty if it is.
        traceback: Where a function raised, file by file; empty if it did not.
        curves: Metrics over the updates.
        seconds: Wall time of this run alone; None where runs train together. Left out
            when runs are compared with `==`.
    """

    arm: str
    schedule: str
    peak_lr: float
    seed: int
    status: Status
    val: float | None
    updates: int | None
    test: float | None = None
    retained: float | None = None
    reason: str = ""
    traceback: str = ""
    curves: tuple[Curve, ...] = ()
    seconds: float | None = field(default=None, compare=False)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What was trained, and how its metric is read.

    Attributes:
        name: Name of the workload, or FILE:FUNCTION.
        kind: "workload" (built in) or "function" (the user's own).
        title: One line for people.
        metric: Name of the metric that decides.
        unit: Its unit; "" if unknown.
        direction: Whether more ("max") or less ("min") is better.
        total_steps: Budget of every run. Unit: updates; int >= 1.
        default_lr: The fixed rate at which arms are compared too; None for none.
        failed_margin: A run worse than the best cell by more than this counts as
            failed. Unit: that of the metric.
        floor: What a run that diverged counts as in the mean over the grid.
        details: Further facts for the report: data, model, optimizer, ...
    """

    name: str
    kind: Literal["workload", "function"]
    title: str
    metric: str
    unit: str
    direction: Direction
    total_steps: int
    default_lr: float | None
    failed_margin: float | None
    floor: float | None
    details: dict[str, str]

    @property
    def sign(self) -> int:
        """+1 where more is better, -1 where less is."""
        return 1 if self.direction == "max" else -1


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """How soon an arm's validation is as good as the constant's in the end.

    At the chosen rates, seed by seed, from the curve "val".

    Attributes:
        share: Mean share of the budget over the seeds that get there, in (0, 1]; None
            if none does.
        never: Number of seeds that do not.
        n: Number of seeds that have both a curve and a constant to reach.
    """

    share: float | None
    never: int
    n: int


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """Time of an update with an arm, against the constant.

    Attributes:
        seconds: Median over the arm's runs. Unit: s per update.
        extra: What it takes longer than the constant, as a fraction, over pairs of
            equal rate and seed; None for the constant itself.
        n: Number of runs that were timed.
    """

    seconds: float
    extra: Estimate | None
    n: int


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class ArmSummary:
    """What one schedule achieved.

    Attributes:
        arm: Its name.
        schedule: The factor schedule, peak 1, as text.
        besides: What the arm comes with, in words: an average of the weights,
            policies; empty for a schedule alone.
        chosen_lr: Peak rate chosen by the mean validation metric; None if no run
            counts.
        at_edge: Whether that is an end of the grid, so that the best rate may lie
            outside.
        test: Test metric at the chosen rate; None if no run counts.
        val: Validation metric at the chosen rate.
        difference: Paired difference in test to the tuned constant, negative values
            included; None for the constant itself.
        holm_p: Its p-value, corrected for the number of arms.
        relative: Part of the constant's error (accuracy) or loss that is gone, as a
            fraction; negative if it grew; None if the metric has no such meaning.
        at_default: Paired difference in validation at the default rate.
        grid_mean: Mean validation metric over all rates and seeds.
        diverged: Share of runs whose loss or metric was not finite, in [0, 1].
        failed: Share of runs that failed: diverged, raised, or worse than the best
            cell by more than the margin, in [0, 1].
        runs: Number of runs that these shares are of.
        unequal: Number of runs left out for their unequal budget.
        outcome: The claim, after correction.
        failed_below: Share of the runs at rates below the constant's chosen one that
            failed; None where there are none.
        failed_above: The same above it: what a rate too high costs.
        retained: Metric on what the model was trained on before, at the chosen rate;
            None where there was nothing.
        reach: How soon it is as good as the constant; None without curves of "val".
        cost: Time of an update; None where runs train together. Left out when
            summaries are compared with `==`.
        notes: What a reader must know besides.
    """

    arm: str
    schedule: str
    chosen_lr: float | None
    at_edge: Literal["low", "high"] | None
    test: Estimate | None
    val: Estimate | None
    difference: Estimate | None
    holm_p: float | None
    relative: float | None
    at_default: Estimate | None
    grid_mean: float | None
    diverged: float | None
    failed: float | None
    runs: int
    unequal: int
    outcome: Outcome
    besides: str = ""
    failed_below: float | None = None
    failed_above: float | None = None
    retained: Estimate | None = None
    reach: Reach | None = None
    cost: Cost | None = field(default=None, compare=False)
    notes: tuple[str, ...] = ()


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Rung:
    """One rung of successive halving: short complete trainings that choose rates.

    Attributes:
        arm: The arm; rungs compare its rates with each other, never with another's.
        total_steps: Length of these runs. Unit: updates.
        scores: (rate, mean validation metric over seeds), by rate; None where a seed
            did not finish.
        kept: Rates that go on, rising.
    """

    arm: str
    total_steps: int
    scores: tuple[tuple[float, float | None], ...]
    kept: tuple[float, ...]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Several schedules and a constant rate on one subject under equal budgets.

    Attributes:
        subject: What was trained.
        lrs: Grid of peak rates, rising; the same for every arm.
        seeds: Seeds that are reported on.
        select_seeds: Seeds that rates were chosen by, where they are others; empty
            where both are the same.
        tuning: "grid" if each arm's rate was chosen here on that grid; "halving" if
            not every rate of it was trained in full; "given" if the rates were found
            before and only those were trained.
        arms: One summary per arm, the constant first; empty if interrupted.
        runs: Every run of the full budget, arm by arm, rate by rate, seed by seed.
        rungs: What successive halving did before.
        verdict: What follows, in sentences.
        repeat: The command that repeats it.
        interrupted: Whether it was stopped before every run was made.
        engine: Who trained the runs.
        seconds: Time it took. Unit: s. This and `engine` are left out when
            comparisons are compared with `==`.
    """

    subject: Subject
    lrs: tuple[float, ...]
    seeds: tuple[int, ...]
    tuning: Tuning
    arms: tuple[ArmSummary, ...]
    runs: tuple[Run, ...]
    select_seeds: tuple[int, ...] = ()
    rungs: tuple[Rung, ...] = ()
    verdict: tuple[str, ...] = ()
    repeat: str = ""
    interrupted: bool = False
    engine: str = field(default="", compare=False)
    seconds: float = field(default=0.0, compare=False)

    @property
    def grid_runs(self) -> tuple[Run, ...]:
        """The runs that rates were chosen by, the same seeds in every cell."""
        seeds = self.select_seeds or self.seeds
        return tuple(run for run in self.runs if run.seed in seeds)

    @property
    def reported_runs(self) -> tuple[Run, ...]:
        """The runs that `ArmSummary.test` is of: at each arm's chosen rate."""
        chosen = {(arm.arm, arm.chosen_lr) for arm in self.arms}
        return tuple(
            run
            for run in self.runs
            if run.seed in self.seeds and (run.arm, run.peak_lr) in chosen
        )


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Results:
    """The content of `results.json`.

    Attributes:
        schema: Name and version of the format.
        comparisons: One per subject, never summed into one number.
        environment: Versions and machine: what repeats may depend on.
        created: When it was written, ISO 8601, UTC; differs between repeats.
    """

    schema: str = SCHEMA
    comparisons: tuple[Comparison, ...]
    environment: dict[str, str] = field(default_factory=dict)
    created: str = ""


def dumps(results: Results) -> bytes:
    """Write results as JSON text, indented by two spaces, ending in a newline."""
    return msgspec.json.format(msgspec.json.encode(results), indent=2) + b"\n"


def loads(text: bytes | str) -> Results:
    """Read results back; `loads(dumps(r)) == r`.

    Raises:
        ProofError: The text is not JSON, of another schema, or a field has the
            wrong type.
    """
    try:
        plain: Any = msgspec.json.decode(text)
        schema = plain.get("schema") if isinstance(plain, dict) else None
        if schema != SCHEMA:
            raise ProofError(
                f"results.schema must be {SCHEMA!r}; got {schema!r}. hint: read the "
                "file with the version of stepsize that wrote it."
            )
        return msgspec.convert(plain, Results)
    except msgspec.MsgspecError as error:
        raise ProofError(f"results must be valid {SCHEMA} JSON; {error}.") from error


def save(results: Results, path: str | os.PathLike[str]) -> Path:
    """Write `results.json`, whole or not at all, and return its path."""
    return write_whole(dumps(results), path)


def load(path: str | os.PathLike[str]) -> Results:
    """Read a `results.json`.

    Raises:
        ProofError: It cannot be read, or is not one.
    """
    try:
        return loads(Path(path).read_bytes())
    except OSError as error:
        raise ProofError(f"results file {os.fspath(path)!r}: {error}.") from error


def write_whole(content: bytes, path: str | os.PathLike[str]) -> Path:
    """Write a file beside its place and move it there, so no half file is seen.

    Raises:
        ProofError: The folder cannot be written to.
    """
    target = Path(path)
    beside = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        beside.write_bytes(content)
        beside.replace(target)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise ProofError(
            f"{os.fspath(path)!r} could not be written: {error.strerror or error}. "
            "hint: name a file in a folder that exists and is writable."
        ) from error
    return target
