"""What the benchmark of laws measures on the recorded runs, a part each."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.laws import recorded, scores
from benchmarks.laws.bank import FILE
from benchmarks.results import Aim, Column, Part, Table
from stepsize.control.policies.advise import CooldownWhen
from stepsize.control.policies.policy import Observation
from stepsize.planner.best.ranking import rank
from stepsize.planner.fitting.curve import Curve
from stepsize.planner.fitting.fit import fit
from stepsize.planner.fitting.fitted import FittedLaw
from stepsize.planner.fitting.priors import recorded as prior_of
from stepsize.planner.laws import MultiPower
from stepsize.schedules.text import parse

PUBLISHED = MultiPower(
    floor=3.04045406,
    a=0.52468604,
    alpha=0.50786857,
    b=363.78751622,
    c=2.06560812,
    beta=0.58279013,
    gamma=0.64142257,
    merge=16,
)
"""Luo et al.'s parameters for their 25M model, fitted on the same three curves."""


def small(path: Path) -> Part:
    """The 25M model: the paper's split, one curve, the first halves."""
    curves, prior = recorded.small(path), prior_of("124M")
    trained = [curves[name] for name in recorded.TRAINED_ON]
    unseen = [c for name, c in curves.items() if name not in recorded.TRAINED_ON]
    begin = time.process_time()
    law = fit(trained, prior=prior)
    for curve in unseen:
        law.predict(curve.rates, curve.steps)
    seconds = time.process_time() - begin
    one = fit([curves["cosine_24000"]], prior=prior)
    rest = [c for name, c in curves.items() if name != "cosine_24000"]
    half = fit([c.first(int(c.steps[-1]) // 2) for c in trained], prior=prior)
    split, single, halves = (
        scores.on_curves(law, unseen),
        scores.on_curves(one, rest),
        scores.on_curves(half, unseen),
    )
    rows = [
        (
            "published multi-power, the paper's split",
            *scores.metrics(PUBLISHED, unseen),
        ),
        ("effective rate, the paper's split", *scores.metrics(law, unseen)),
        ("effective rate, cosine_24000 alone", *scores.metrics(one, rest)),
        ("effective rate, first halves", *scores.metrics(half, unseen)),
    ]
    names = [
        (
            name,
            scores.on_curves(
                fit([c], prior=prior), [x for x in curves.values() if x is not c]
            ).mae,
        )
        for name, c in curves.items()
    ]
    return Part(
        name="25M",
        title="25M model (Luo et al. 2025), prior from the 124M model alone",
        tables=(
            Table(
                "unseen curves",
                (
                    Column("trained on"),
                    Column("R2", ".5f"),
                    Column("MAE", ".5f"),
                    Column("RMSE", ".5f"),
                    Column("PredE", ".5f"),
                    Column("WorstE", ".5f"),
                ),
                tuple(rows),
            ),
            Table(
                "from one curve, the eight others",
                (Column("trained on"), Column("MAE", ".5f")),
                tuple(names),
            ),
        ),
        aims=(
            Aim("paper's split, MAE", split.mae, 0.0033, "nats"),
            Aim("paper's split, WorstE", split.worst, 0.0045, "relative"),
            Aim("fit and predict, one core", seconds, 1.0, "s"),
            Aim("cosine_24000 alone, MAE", single.mae, 0.0036, "nats"),
            Aim("first halves, MAE", halves.mae, 0.006, "nats"),
        ),
        notes=(
            "two runs of one recipe differ by .0021 on average: less is luck",
            "the published parameters took their authors' code 378 s",
        ),
    )


def large(path: Path) -> Part:
    """The 124M model: a constant run and one of 25k steps, at the same peak."""
    runs, prior = recorded.large(path), prior_of("25M")
    rows, found = [], []
    for peak in sorted({run.peak for run in runs.values()}):
        own = [run for run in runs.values() if run.peak == peak]
        constant = next(run for run in own if run.kind == "constant")
        made = []
        for second in (run for run in own if run.horizon == 25_000):
            law = fit([constant.curve, second.curve], prior=prior)
            unseen = [run for run in own if run not in (constant, second)]
            made.append(scores.on_finals(law, unseen))
            rows.append((f"{peak:g}: {_short(second)}", *made[-1]))
        mean = scores.Finals(*np.mean(made, axis=0).tolist())
        rows.append((f"{peak:g}: mean of {len(made)}", *mean))
        found.append(mean)
    overall = scores.Finals(*np.mean(found, axis=0).tolist())
    rows.append(("mean of the peaks", *overall))
    return Part(
        name="124M",
        title="124M model (Schaipp et al. 2025), prior from the 25M model alone",
        tables=(
            Table(
                "trained on the constant run and one of 25k steps: other finals",
                (
                    Column("second run"),
                    Column("error", ".4f"),
                    Column("bias", "+.4f"),
                    Column("rank", ".4f"),
                    Column("regret", ".4f"),
                    Column("MAE of curves", ".4f"),
                ),
                tuple(rows),
            ),
        ),
        aims=(
            Aim("error of finals", overall.error, 0.004, "nats"),
            Aim("rank correlation", overall.rank, 0.99, "", at_least=True),
            Aim("regret", overall.regret, 0.003, "nats"),
        ),
        notes=("one seed each; differences below about .002 are noise",),
    )


def across(path: Path) -> Part:
    """Peak rates: fitted at two, the third predicted."""
    runs, prior = recorded.large(path), prior_of("25M")
    rows, maes = [], []
    for peak in sorted({run.peak for run in runs.values()}):
        others = [run for run in runs.values() if run.peak != peak]
        own = [recorded.scored(r.curve) for r in runs.values() if r.peak == peak]
        few = [
            run
            for run in others
            if run.kind == "constant"
            or (run.kind, run.fraction, run.horizon) == ("wsd_linear", 0.2, 25_000)
            or (run.kind, run.horizon) == ("cosine_to_0", 25_000)
        ]
        for name, used in (("three runs a peak", few), ("all runs", others)):
            law = fit([recorded.scored(run.curve) for run in used], prior=prior)
            got = scores.on_curves(law, own)
            rows.append((f"{peak:g}, from {name}", got.mae, got.final))
            if used is others:
                maes.append(got.mae)
    return Part(
        name="across",
        title="124M model: two peak rates fitted, the third predicted",
        tables=(
            Table(
                "all runs of the third peak",
                (Column("predicted"), Column("MAE", ".4f"), Column("finals", ".4f")),
                tuple(rows),
            ),
        ),
        aims=(
            Aim("peak 5e-4, between", maes[1], 0.008, "nats"),
            Aim("peak 1e-3, twice the highest seen", maes[2], 0.008, "nats"),
            Aim("peak 1e-4, a fifth of the lowest seen", maes[0], 0.008, "nats"),
        ),
        notes=(),
    )


def calibration(path: Path) -> Part:
    """How often the 90 % intervals hold the final loss of an unseen run."""
    runs = recorded.large(path)
    rows: list[tuple[str | float | None, ...]] = []
    groups: list[tuple[str, list[scores.Covered]]] = []
    for peak in sorted({run.peak for run in runs.values()}):
        own = {n: r.curve for n, r in runs.items() if r.peak == peak}
        constant = [n for n in own if n.startswith("constant")]
        others = [n for n in own if runs[n].horizon == 25_000]
        sets = scores.pairs_and_singles(constant, others)
        covered = scores.coverage(own, sets, prior_of("25M"), recorded.scored)
        groups.append((f"124M at {peak:g}", covered))
    curves = recorded.small(path)
    names = list(curves)
    sets = scores.pairs_and_singles(names[:1], names[1:])
    groups.append(("25M", scores.coverage(curves, sets, prior_of("124M"))))
    everything = [row for _, covered in groups for row in covered]
    for name, covered in [*groups, ("all", everything)]:
        share, low, high = scores.clustered(covered)
        width = float(np.median([row.half_width for row in covered]))
        by = [
            float(np.mean([r.inside for r in covered if r.trained_on == n]))
            for n in (1, 2, 3)
        ]
        rows.append((name, float(len(covered)), share, low, high, *by, width))
    share = scores.clustered(everything)[0]
    return Part(
        name="calibration",
        title="90 % intervals: share that held the final loss of an unseen run",
        tables=(
            Table(
                "training sets of one, two and three runs",
                (
                    Column("model"),
                    Column("pairs", ".0f"),
                    Column("inside", ".3f"),
                    Column("low", ".3f"),
                    Column("high", ".3f"),
                    Column("one run", ".2f"),
                    Column("two", ".2f"),
                    Column("three", ".2f"),
                    Column("half width", ".4f"),
                ),
                tuple(rows),
            ),
        ),
        aims=(
            Aim("share inside", share, 0.85, "", at_least=True),
            Aim("share inside", share, 0.95, ""),
        ),
        notes=(
            "low and high: 95 % interval of the share, bootstrapped over unseen runs",
            "the factor and the noise of runs in the intervals were set on these pairs",
        ),
    )


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
            error = said - float(law_final(run))
            errors.append(abs(error))
            rows.append((f"{peak:g}: {_short(run)}", float(seen), said, error))
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


def law_final(run: recorded.Run) -> float:
    """Return the last loss of a run."""
    return float(run.curve.losses[-1])


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


def ranking(path: Path) -> Part:
    """Whether the probability of being the best is honest."""
    runs, prior = recorded.large(path), prior_of("25M")
    rows = []
    for peak in sorted({run.peak for run in runs.values()}):
        own = [run for run in runs.values() if run.peak == peak]
        constant = next(run for run in own if run.kind == "constant")
        second = next(r for r in own if r.kind == "cosine_to_0" and r.horizon == 25_000)
        law = fit([constant.curve, second.curve], prior=prior)
        longest = [run for run in own if run.horizon == 50_000]
        import stepsize as ss

        schedules = {
            run.name: ss.table(run.curve.rates).resolve(total_steps=50_000)
            for run in longest
        }
        ranked = rank(law, schedules, steps=50_000)
        best = min(longest, key=law_final)
        chance = next(one.p_best for one in ranked if one.name == best.name)
        rows.append((f"{peak:g}", ranked[0].name, ranked[0].p_best, best.name, chance))
    return Part(
        name="ranking",
        title="124M model: the schedule chosen among those of 50k steps",
        tables=(
            Table(
                "trained on the constant run and cosine to 0 of 25k steps",
                (
                    Column("peak"),
                    Column("chosen"),
                    Column("p(best)", ".2f"),
                    Column("really best"),
                    Column("its p(best)", ".2f"),
                ),
                tuple(rows),
            ),
        ),
        aims=(),
        notes=(),
    )


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


def _short(run: recorded.Run) -> str:
    fraction = "" if run.fraction is None else f" {run.fraction:g}"
    return f"{run.kind.replace('_', ' ')}{fraction}, {run.horizon // 1000}k"


PARTS: dict[str, Callable[[Path], Part]] = {
    "25M": small,
    "124M": large,
    "across": across,
    "calibration": calibration,
    "optimizer": optimizer,
    "advisor": advisor,
    "ranking": ranking,
    "bank": bank,
}


def run(names: Sequence[str], path: Path) -> list[Part]:
    """Measure the parts named, or all."""
    return [PARTS[name](path) for name in names or PARTS]
