"""A picture of a comparison: curves, the grid of rates, differences to the constant."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from benchmarks.proof.expected import validations
from stepsize.cli.figures import COLOURS
from stepsize.proof import Comparison
from stepsize.proof.report.failures import failures
from stepsize.proof.report.words import metric_title

_DRAWN = ("constant", "constant_ema", "warmup_cosine", "wsd", "one_cycle", "plateau")


def draw(comparison: Comparison, file: Path) -> None:
    """Write the picture as SVG, the same bytes for the same numbers."""
    import matplotlib as mpl

    with mpl.rc_context({"svg.hashsalt": "stepsize"}):
        figure = Figure(figsize=(11.0, 4.2), layout="constrained")
        left, middle, right = figure.subplots(1, 3)
        _curves(left, comparison)
        _grid(figure, middle, comparison)
        _forest(right, comparison)
        figure.savefig(file, metadata={"Date": None})


def _curves(axes: Any, comparison: Comparison) -> None:
    for name, colour in zip(_DRAWN, COLOURS, strict=False):
        runs = [run for run in comparison.reported_runs if run.arm == name]
        curves = [c for run in runs for c in run.curves if c.metric == "val"]
        if not curves:
            continue
        values = np.array([curve.values for curve in curves], dtype=np.float64)
        updates = curves[0].updates
        axes.plot(updates, np.nanmean(values, 0), color=colour, label=name, lw=1.4)
        low, high = np.nanmin(values, 0), np.nanmax(values, 0)
        axes.fill_between(updates, low, high, color=colour, alpha=0.12, lw=0)
    last = np.array([arm.val.mean for arm in comparison.arms if arm.val])
    margin = comparison.subject.failed_margin or float(np.ptp(last)) + 1e-9
    best = last.max() if comparison.subject.direction == "max" else last.min()
    sign = comparison.subject.sign
    axes.set_ylim(*sorted((best - sign * 1.5 * margin, best + sign * 0.2 * margin)))
    axes.set_xlabel("update")
    axes.set_title(
        f"validation {metric_title(comparison.subject)}: mean, range of seeds",
        fontsize=9,
    )
    axes.legend(fontsize=7, frameon=False)


def _grid(figure: Figure, axes: Any, comparison: Comparison) -> None:
    names = [arm.arm for arm in comparison.arms]
    table = np.array(
        [
            [
                np.mean(list(validations(comparison, name, lr).values()))
                for lr in comparison.lrs
            ]
            for name in names
        ]
    )
    best = table.max() if comparison.subject.direction == "max" else table.min()
    span = 2 * (comparison.subject.failed_margin or np.ptp(table))
    ends = sorted((best, best - comparison.subject.sign * span))
    colours = "viridis" if comparison.subject.direction == "max" else "viridis_r"
    image = axes.imshow(table, aspect="auto", vmin=ends[0], vmax=ends[1], cmap=colours)
    axes.set_xticks(range(len(comparison.lrs)), [f"{lr:g}" for lr in comparison.lrs])
    axes.set_yticks(range(len(names)), names, fontsize=7)
    axes.tick_params(axis="x", labelsize=7)
    failed = failures(comparison)
    for row, arm in enumerate(comparison.arms):
        for column in sorted(
            {comparison.lrs.index(run.peak_lr) for run, kind in failed[arm.arm] if kind}
        ):
            axes.plot(column, row, "x", color="white", ms=4)
        if arm.chosen_lr is not None:
            column = comparison.lrs.index(arm.chosen_lr)
            axes.plot(column, row, "o", color="white", mec="black", ms=5)
    axes.set_xlabel("peak rate (dot: chosen; x: runs failed)")
    axes.set_title(f"validation {metric_title(comparison.subject)}", fontsize=9)
    figure.colorbar(image, ax=axes, extend="both")


def _forest(axes: Any, comparison: Comparison) -> None:
    arms = [arm for arm in comparison.arms if arm.difference is not None]
    for row, arm in enumerate(arms):
        found = arm.difference
        if found is None:
            continue
        colour = {"better": "#009e73", "worse": "#d55e00"}.get(arm.outcome, "#555555")
        axes.plot(found.mean, row, "o", color=colour, ms=4)
        if found.low is not None and found.high is not None:
            axes.plot([found.low, found.high], [row, row], color=colour, lw=1.4)
    axes.axvline(0.0, color="black", lw=0.8)
    axes.set_yticks(range(len(arms)), [arm.arm for arm in arms], fontsize=7)
    axes.invert_yaxis()
    better = "right" if comparison.subject.direction == "max" else "left"
    axes.set_xlabel(f"test minus constant; {better} is better")
    axes.set_title("paired differences, 95 %", fontsize=9)
