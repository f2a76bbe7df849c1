from statistics import fmean

import numpy as np
import pytest

import stepsize as ss
from stepsize.proof import compare, workloads
from stepsize.proof.arms import Arm, select
from stepsize.proof.halving import SHARES, narrow, rung_steps, updates_of
from stepsize.proof.population import train_population
from stepsize.proof.protocols import Design

ARMS = select(['slow=warmup("25%") >> cosine()'])
LRS = (1e-3, 3e-3, 1e-2, 3e-2)
STEPS, SEEDS = 320, (0, 1)

Cell = tuple[str, float]


def design(*arms: Arm, steps: int = STEPS, lrs: tuple[float, ...] = LRS) -> Design:
    return Design(arms=arms or ARMS, total_steps=steps, lrs=lrs, seeds=SEEDS)


def cut_short(cells: list[Cell], updates: int) -> dict[Cell, float]:
    """Mean validation after so many updates of trainings planned for all of them."""
    arms = {arm.name: arm for arm in ARMS}
    runs = [(cell, seed) for cell in cells for seed in SEEDS]
    rates = [arms[name].rates(lr, STEPS)[:updates] for (name, lr), _ in runs]
    trained = train_population(
        workloads.load("mnist5k"), np.array(rates), [seed for _, seed in runs]
    )
    vals: dict[Cell, list[float]] = {cell: [] for cell in cells}
    for (cell, _), val in zip(runs, trained.val, strict=True):
        vals[cell].append(float(val))
    return {cell: fmean(found) for cell, found in vals.items()}


def naive_halving() -> set[Cell]:
    """Halve all cells together, by trainings that are cut short."""
    left = [(arm.name, lr) for arm in ARMS for lr in LRS]
    for share in SHARES:
        vals = cut_short(left, int(STEPS * share))
        left = sorted(left, key=lambda cell: -vals[cell])[: len(left) // 2]
    return set(left)


def test_a_warmup_that_naive_halving_drops_is_kept_and_wins() -> None:
    halved = compare(
        "mnist5k",
        schedules={"slow": ARMS[1].schedule},
        total_steps=STEPS,
        lrs=LRS,
        seeds=2,
        halving=True,
        default_lr=None,
    )
    whole = cut_short([(arm.name, lr) for arm in ARMS for lr in LRS], STEPS)
    best = max(whole, key=lambda cell: whole[cell])
    assert best == ("slow", 1e-2)
    assert best not in naive_halving()
    assert {name for name, _ in naive_halving()} == {"constant"}
    slow = halved.arms[1]
    assert slow.chosen_lr == 1e-2
    (rung,) = [rung for rung in halved.rungs if rung.arm == "slow"]
    assert (rung.total_steps, rung.kept) == (40, (1e-2, 3e-2))
    # What needs the whole grid is not said.
    assert halved.tuning == "halving"
    assert (slow.grid_mean, slow.failed, slow.failed_above) == (None, None, None)
    assert halved.repeat.endswith("--halving")


@pytest.mark.parametrize(
    ("schedule", "steps"),
    [
        ("hold()", 100),
        ('warmup("10%") >> cosine()', 100),
        ('warmup("50%") >> cosine()', 100),
        ('warmup("60%") >> cosine()', None),  # its peak always comes too late
        ("warmup(50) >> hold()", 100),
        ("warmup(51) >> hold()", 200),
        ("warmup(150) >> hold()", 400),
        ("warmup(250) >> hold()", None),  # 500 updates of 800 would be no saving
        ("warmup(10) >> cosine(600)", None),  # does not fit in less
    ],
)
def test_a_rung_holds_the_whole_warmup_and_as_much_again(
    schedule: str, steps: int | None
) -> None:
    arm = Arm("arm", ss.parse(schedule))
    assert rung_steps(arm, design(steps=800), 1 / 8) == steps


def test_few_rates_are_not_halved() -> None:
    class Never:
        direction = None

        def train(self, plan: tuple[object, ...]) -> tuple[object, ...]:
            assert plan == ()
            return ()

    few = design(lrs=(0.1, 0.3))
    left, rungs = narrow(Never(), few)  # type: ignore[arg-type]  # trains nothing
    assert left == {"constant": (0.1, 0.3), "slow": (0.1, 0.3)}
    assert rungs == ()


def test_the_updates_are_counted_beforehand() -> None:
    told: list[tuple[int, int]] = []
    compare(
        "digits",
        schedules=["wsd"],
        total_steps=40,
        lrs=[0.001, 0.003, 0.01, 0.03, 0.1],
        default_lr=0.001,
        seeds=2,
        select_seeds=1,
        halving=True,
        on_progress=lambda done, total: told.append((done, total)),
    )
    asked = Design(
        arms=select(["wsd"]),
        total_steps=40,
        lrs=(0.001, 0.003, 0.01, 0.03, 0.1),
        seeds=(1, 2),
        select_seeds=(0,),
        default_lr=0.001,
        default_on_fresh=True,
    )
    # rungs of 5 and 10 updates with 5 and 3 rates, then 2 rates in full
    assert updates_of(asked) == 2 * (5 * 5 + 3 * 10 + 2 * 40) + 2 * 2 * 2 * 40
    assert {total for _, total in told} == {updates_of(asked)}
    assert told == sorted(told)
    assert told[-1][0] == told[-1][1]
