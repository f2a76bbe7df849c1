"""What the benchmark of laws measures: the bank of curves that is checked in."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from benchmarks.laws.bank import FILE
from benchmarks.results import Column, Part, Table
from stepsize.planner.fitting.curve import Curve
from stepsize.planner.fitting.fit import fit
from stepsize.schedules.text import parse


def bank(path: Path) -> Part:
    """The bank of our own: runs of 1500 updates fitted, those of 3000 predicted."""
    del path  # it is checked in
    curves = bank_curves()
    rows, errors, ranks = [], [], []
    for second in ("cosine", "linear", "wsd 20 %", "wsd 50 %"):
        law = fit([curves["constant", 1500], curves[second, 1500]])
        unseen = {key: c for key, c in curves.items() if key[1] == 3000}
        said = np.array([law.loss(c.rates, c.steps)[-1] for c in unseen.values()])
        real = np.array([float(c.losses[-1]) for c in unseen.values()])
        rank = float(
            np.corrcoef(said.argsort().argsort(), real.argsort().argsort())[0, 1]
        )
        low_high = [law.predict(c.rates, c.steps[-1:]) for c in unseen.values()]
        inside = [
            bool(one.low[0] <= final <= one.high[0])
            for one, final in zip(low_high, real, strict=True)
        ]
        regret = float(real[said.argmin()] - real.min())
        off = float(np.abs(said - real).mean())
        bias = float((said - real).mean())
        rows.append(
            (f"constant and {second}", off, bias, rank, regret, float(np.mean(inside)))
        )
        errors.append(off)
        ranks.append(rank)
    return Part(
        name="bank",
        title="character model trained here: twice the horizon, the default prior",
        tables=(
            Table(
                "finals of eight runs of 3000 updates, from two of 1500",
                (
                    Column("trained on"),
                    Column("error", ".4f"),
                    Column("bias", "+.4f"),
                    Column("rank", ".3f"),
                    Column("regret", ".4f"),
                    Column("inside", ".2f"),
                ),
                tuple(rows),
            ),
        ),
        aims=(),
        notes=("means of two seeds, which differ by .003 to .018 at the end",),
    )


def bank_curves() -> dict[tuple[str, int], Curve]:
    """Return the curves of the bank by schedule and horizon."""
    plain = json.loads(FILE.read_text(encoding="utf-8"))
    made = {}
    for run in plain["runs"]:
        horizon = run["horizon"]
        rates = parse(run["text"]).resolve(total_steps=horizon).block(0, horizon)
        name = f"{run['schedule']}, {horizon}"
        made[run["schedule"], horizon] = Curve(
            rates, run["steps"], run["losses"], name=name
        )
    return made
