"""What the benchmark of laws measures: the search for a schedule, and the advisor."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.laws import recorded
from benchmarks.results import Aim, Column, Part, Table
from stepsize.control.policies.advise import CooldownWhen
from stepsize.control.policies.policy import Observation
from stepsize.planner.fitting.curve import Curve
from stepsize.planner.fitting.fit import fit
from stepsize.planner.fitting.fitted import FittedLaw
from stepsize.planner.fitting.priors import recorded as prior_of


def optimizer(path: Path) -> Part:
    """How long the search takes, and what it is predicted to gain."""
    curves = recorded.small(path)
    law = fit([curves[n] for n in recorded.TRAINED_ON], prior=prior_of("124M"))
    rows: list[tuple[str | float | None, ...]] = []
    worst, slowest = -np.inf, 0.0
    for steps in (5_000, 24_000, 72_000, 100_000):
        begin = time.process_time()
        found = law.optimum(steps=steps, warmup=min(2160, steps // 10))
        seconds = time.process_time() - begin
        slowest = max(slowest, seconds)
        worst = max(worst, found.loss - found.simple.loss)
        cosine = next(
            one for one in found.tried if one.name == "cosine over 100% to 10%"
        )
        rows.append(
            (
                f"{steps}",
                seconds,
                found.loss,
                found.simple.loss,
                cosine.loss,
                found.simple.name,
            )
        )
    return Part(
        name="optimizer",
        title="25M model: the schedule with the lowest predicted loss",
        tables=(
            Table(
                f"against {len(found.tried)} named schedules",
                (
                    Column("steps"),
                    Column("seconds", ".2f"),
                    Column("optimum", ".4f"),
                    Column("best named", ".4f"),
                    Column("cosine to 10 %", ".4f"),
                    Column("which"),
                ),
                tuple(rows),
            ),
        ),
        aims=(
            Aim("time of a search, up to 100000 steps", slowest, 2.0, "s"),
            Aim("optimum less the best named", worst, 0.0, "nats"),
        ),
        notes=(),
    )


def advisor(path: Path) -> Part:
    """The cooldown advisor, replayed on the recorded runs."""
    runs, prior = recorded.large(path), prior_of("25M")
    rows, errors = [], []
    for peak in sorted({run.peak for run in runs.values()}):
        own = [run for run in runs.values() if run.peak == peak]
        constant = next(run for run in own if run.kind == "constant")
        probe = min(
            (r for r in own if r.kind == "wsd_linear" and r.fraction == 0.2),
            key=lambda run: run.horizon,
        )
        seen = probe.horizon
        law = fit([constant.curve.first(seen), probe.curve], prior=prior)
        for run in own:
            if run.kind != "wsd_linear" or run is probe or run.horizon > 2 * seen:
                continue
            length = round((run.fraction or 0) * run.horizon)
            early = run.horizon - int(run.curve.steps[-1])
            said = replayed(
                law, constant.curve, run.horizon - length, length, early=early
            )
            error = said - recorded.last_loss(run)
            errors.append(abs(error))
            rows.append((f"{peak:g}: {recorded.short(run)}", float(seen), said, error))
    micro = cost_of_a_step(law, constant.curve)
    return Part(
        name="advisor",
        title="124M model: `cool down now`, once one decay has been seen",
        tables=(
            Table(
                "up to twice the horizon seen",
                (
                    Column("run"),
                    Column("seen", ".0f"),
                    Column("predicted", ".4f"),
                    Column("error", "+.4f"),
                ),
                tuple(rows),
            ),
        ),
        aims=(
            Aim(
                "mean error of the predicted final",
                float(np.mean(errors)),
                0.005,
                "nats",
            ),
            Aim("time of a step", micro, 10.0, "us"),
        ),
        notes=(
            "trained on the constant run up to the end of the probe, and the probe: "
            "the shortest run with a linear cooldown of 20 %",
        ),
    )


def replayed(
    law: FittedLaw, constant: Curve, start: int, length: int, *, early: int
) -> float:
    """Return what the advisor says at update `start` of a linear cooldown.

    Of the loss `early` updates before its end, where the last reading is.
    """
    policy = CooldownWhen(law.forecast(), metric="loss", target=-1.0, to=early / length)
    measured = dict(zip(constant.steps.tolist(), constant.losses.tolist(), strict=True))
    state = policy.start()
    for update in range(0, start + 1, 50):
        seen = _seen(constant, update, measured)
        if update + 50 > start:
            break
        state, _ = policy.observe(state, seen)
    return policy.predicted(state, _seen(constant, start, measured), length - early)


def cost_of_a_step(law: FittedLaw, constant: Curve) -> float:
    """Return the time of an observation. Unit: microseconds of the processor."""
    policy = CooldownWhen(law.forecast(), metric="loss", price=1e-12)
    seen = [_seen(constant, update, {}) for update in range(20_000)]
    measured = {20_000: float(constant.losses[-1])}
    state, _ = policy.observe(policy.start(), _seen(constant, 20_000, measured))
    seen = [replace(one, update=one.update + 20_001) for one in seen]
    begin = time.process_time()
    for one in seen:
        state, _ = policy.observe(state, one)
    return (time.process_time() - begin) / len(seen) * 1e6


def _seen(curve: Curve, update: int, measured: dict[int, float]) -> Observation:
    metrics = {"loss": measured[update]} if update in measured else {}
    return Observation(
        update=update,
        step=update,
        rate=float(curve.rates[min(update, len(curve.rates) - 1)]),
        peak=float(curve.rates.max()),
        metrics=metrics,
        in_warmup=update < 300,
    )
