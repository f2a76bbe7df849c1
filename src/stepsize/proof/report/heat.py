"""The heat map: schedules by rates, coloured by the mean validation metric."""

from html import escape
from typing import final

from stepsize.proof.report.failures import failures
from stepsize.proof.report.look import Look
from stepsize.proof.report.tables import scrolled
from stepsize.proof.report.words import decimals, metric_title, number, rate
from stepsize.proof.results import ArmSummary, Comparison
from stepsize.proof.statistics import estimate
from stepsize.proof.summary import Grid

_SHADES = 9
"""Classes t0 (worst) to t8 (best) of style.css."""
_STATUS = {"diverged": "NaN", "error": "error", "unequal_budget": "unequal"}


def heat_map(comparison: Comparison, look: Look) -> str:
    """Return the grid as a table with a number in every cell.

    Colours end at twice the failed margin below the best cell, so that differences
    between good cells can be seen; the numbers are exact.
    """
    cells = _Cells(comparison)
    if not cells.means:
        return ""
    default = comparison.subject.default_lr
    head = "".join(
        f'<th scope="col">{rate(lr)}'
        f"{'<small>default</small>' if lr == default else ''}</th>"
        for lr in comparison.lrs
    )
    rows = ""
    for arm in comparison.arms:
        name = look.label(arm.arm).replace("_", "_<wbr>")
        row = "".join(cells.cell(arm, lr) for lr in comparison.lrs)
        rows += f'<tr><th scope="row">{name}</th>{row}</tr>'
    table = (
        '<table class="heat sticky"><thead><tr><th scope="col">peak rate</th>'
        f"{head}</tr></thead><tbody>{rows}</tbody></table>"
    )
    title = escape(metric_title(comparison.subject))
    return (
        f"<figure><figcaption>Mean validation {title} over seeds at each peak rate. "
        "Framed: the rate chosen for the schedule. Corner and ✗: runs of the cell that "
        f"failed.<br>{cells.ramp()}</figcaption>"
        f"{scrolled(table, 'Schedules by peak rates')}</figure>"
    )


@final
class _Cells:
    """The cells of a comparison's grid."""

    def __init__(self, comparison: Comparison) -> None:
        subject = comparison.subject
        self._places = decimals(comparison)
        self._grid = Grid(comparison.grid_runs, subject, comparison.lrs)
        self._failures = failures(comparison)
        self.means = {
            (arm.arm, lr): found.mean
            for arm in comparison.arms
            for lr in comparison.lrs
            if (found := estimate(list(self._grid.vals(arm.arm, lr).values())))
        }
        means, sign = self.means.values(), subject.sign
        self._best = max(means, key=lambda mean: sign * mean, default=0.0)
        worst = min(means, key=lambda mean: sign * mean, default=0.0)
        self._reach = abs(self._best - worst)
        if subject.failed_margin:
            self._reach = min(self._reach, 2 * subject.failed_margin)
        self._worst = self._best - sign * self._reach

    def ramp(self) -> str:
        """Return the shades from worst to best between their numbers."""
        shades = "".join(f'<i class="t{i}"></i>' for i in range(_SHADES))
        worst, best = (number(x, self._places) for x in (self._worst, self._best))
        return (
            f'{worst} or worse <span class="ramp" aria-hidden="true">{shades}</span> '
            f"{best}"
        )

    def cell(self, arm: ArmSummary, lr: float) -> str:
        """Return one cell, in words for those who cannot see its frame and marks."""
        runs = self._grid.cell(arm.arm, lr).values()
        if not runs:
            return '<td class="empty">-<span class="hidden"> not trained</span></td>'
        mean, classes, marks = self.means.get((arm.arm, lr)), [], ""
        if mean is None:
            classes.append("empty")
            text = ", ".join(sorted({_STATUS.get(r.status, r.status) for r in runs}))
        else:
            classes.append(self._shade(mean))
            text = number(mean, self._places)
        here = [kind for run, kind in self._failures[arm.arm] if run.peak_lr == lr]
        failed = sum(kind is not None for kind in here)
        if failed:
            classes.append("fails")
            marks += (
                f'<small aria-hidden="true">✗ {failed}/{len(here)}</small>'
                f'<span class="hidden"> {failed} of {len(here)} failed</span>'
            )
        if lr == arm.chosen_lr:
            classes.append("chosen")
            marks += '<span class="hidden"> chosen</span>'
        return f'<td class="{" ".join(classes)}">{text}{marks}</td>'

    def _shade(self, mean: float) -> str:
        below = abs(self._best - mean) / self._reach if self._reach else 0.0
        return f"t{round((_SHADES - 1) * (1 - min(1.0, below)))}"
