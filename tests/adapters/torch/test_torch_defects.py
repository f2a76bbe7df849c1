"""What torch's own schedulers get wrong (torch's wrong value, and the right one here).

One test for each defect; those that need a metric are not among them.
"""

import math
from collections.abc import Callable
from typing import Any, Literal

import pytest
import torch
from torch.optim.lr_scheduler import (
    CosineAnnealingLR,
    CosineAnnealingWarmRestarts,
    ExponentialLR,
    LambdaLR,
    LinearLR,
    OneCycleLR,
    SequentialLR,
    StepLR,
)

import stepsize as ss
from stepsize.adapters.torch import Scheduler
from stepsize.errors import HorizonChangedError

Make = Callable[[torch.optim.Optimizer], Any]
Parameter = Callable[[], torch.nn.Parameter]

# torch's "lr_scheduler.step() before optimizer.step()" and its use of step(epoch)
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:torch.*")

RISE_FALL = ss.warmup(5, start=0.1) >> ss.cosine(10)
STOP = 7


def _optimizer(lr: float = 1.0) -> torch.optim.Optimizer:
    parameter = torch.nn.Parameter(torch.ones(1))
    parameter.grad = torch.zeros(1)
    return torch.optim.SGD([parameter], lr=lr)


def _rates(
    optimizer: torch.optim.Optimizer, scheduler: Any, updates: int
) -> list[float]:
    rates = []
    for _ in range(updates):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return rates


def _sequential(optimizer: torch.optim.Optimizer) -> Any:
    rise, fall = LinearLR(optimizer, 0.1, 1.0, 5), CosineAnnealingLR(optimizer, 10)
    return SequentialLR(optimizer, [rise, fall], [5])


def _ours(schedule: ss.Schedule, total_steps: int = 20) -> Make:
    return lambda optimizer: Scheduler(
        optimizer, lr_factor=schedule, total_steps=total_steps
    )


def _resumed(make: Make, order: tuple[str, ...], updates: int = 4) -> list[float]:
    """Stop after 7 updates, go on in a new process, and return the rates used there."""
    optimizer = _optimizer()
    scheduler = make(optimizer)
    _rates(optimizer, scheduler, STOP)
    states = {"opt": optimizer.state_dict(), "sched": scheduler.state_dict()}
    optimizer = _optimizer()
    for call in order:
        if call == "make":
            scheduler = make(optimizer)
        elif call == "opt":
            optimizer.load_state_dict(states["opt"])
        else:
            scheduler.load_state_dict(states["sched"])
    return _rates(optimizer, scheduler, updates)


def _near(*values: float) -> Any:
    return pytest.approx(list(values), abs=5e-5)


EARLY = ("opt", "make", "sched")  # the optimizer loads before the constructor runs


def test_sequential_lr_built_after_the_optimizer_loaded() -> None:
    assert _resumed(_sequential, EARLY) == _near(0.1, 0.0878, 0.0724, 0.0553)
    wanted = RISE_FALL.resolve(20).block(STOP, STOP + 4)
    assert wanted == _near(0.9045, 0.7939, 0.6545, 0.5)
    assert _resumed(_ours(RISE_FALL), EARLY) == wanted


@pytest.mark.parametrize(
    ("torchs", "wrong", "ours"),
    [
        (
            lambda o: LinearLR(o, 0.1, 1.0, 5),
            (0.1, 0.1, 0.1, 0.1),  # ten times too low, for good
            ss.warmup(5, start=0.1),
        ),
        (
            lambda o: LambdaLR(o, lambda t: 0.9**t),
            (1.0, 0.4305, 0.3874, 0.3487),
            ss.geometric(0.9),
        ),
        (
            lambda o: CosineAnnealingWarmRestarts(o, 10),
            (1.0, 0.0955, 0.0245, 1.0),
            ss.repeat(ss.cosine(10)),
        ),
        (
            lambda o: OneCycleLR(o, 1.0, total_steps=20),
            (0.04, 0.8909, 0.8117, 0.7169),
            ss.one_cycle(19, warmup_steps=5),
        ),
    ],
)
def test_each_scheduler_built_after_the_optimizer_loaded(
    torchs: Make, wrong: tuple[float, ...], ours: ss.Schedule
) -> None:
    assert _resumed(torchs, EARLY) == _near(*wrong)
    assert _resumed(_ours(ours), EARLY) == ours.resolve(20).block(STOP, STOP + 4)


@pytest.mark.parametrize(
    ("torchs", "wrong", "ours"),
    [
        (
            lambda o: CosineAnnealingLR(o, 20),
            (1.0, 0.9003, 0.7954, 0.6878),
            ss.cosine(20),
        ),
        (lambda o: ExponentialLR(o, 0.9), (1.0, 0.9, 0.81, 0.729), ss.geometric(0.9)),
        (lambda o: StepLR(o, 3), (1.0, 1.0, 0.1, 0.1), ss.step(3, 0.1)),
        (
            lambda o: LinearLR(o, 0.1, 1.0, 10),
            (0.1, 0.1123, 0.1247, 0.137),
            ss.warmup(10, start=0.1),
        ),
    ],
)
def test_the_scheduler_loaded_and_the_optimizer_not(
    torchs: Make, wrong: tuple[float, ...], ours: ss.Schedule
) -> None:
    order = ("make", "sched")
    assert _resumed(torchs, order) == _near(*wrong)
    assert _resumed(_ours(ours), order) == ours.resolve(20).block(STOP, STOP + 4)


def test_sequential_lr_started_in_the_middle() -> None:
    optimizer = _optimizer()
    optimizer.param_groups[0]["initial_lr"] = 1.0
    rise, fall = LinearLR(optimizer, 0.1, 1.0, 5), CosineAnnealingLR(optimizer, 10)
    SequentialLR(optimizer, [rise, fall], [5], last_epoch=STOP)
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.1)  # the first child's

    optimizer = _optimizer()
    Scheduler(optimizer, lr_factor=RISE_FALL, total_steps=20, update=STOP)
    right = optimizer.param_groups[0]["lr"]
    assert right == RISE_FALL.resolve(20)(STOP) == pytest.approx(0.9045, abs=5e-5)


def test_a_horizon_that_changes_in_the_middle() -> None:
    optimizer = _optimizer()
    torchs = CosineAnnealingLR(optimizer, 20)
    _rates(optimizer, torchs, 10)
    torchs.T_max = 40
    assert _rates(optimizer, torchs, 7)[6] == pytest.approx(0.3834, abs=5e-5)
    new, old = (0.5 * (1 + math.cos(math.pi * 16 / total)) for total in (40, 20))
    assert (new, old) == pytest.approx((0.6545, 0.0955), abs=5e-5)  # it is neither

    optimizer = _optimizer()
    scheduler = Scheduler(optimizer, lr_factor=ss.cosine(), total_steps=20)
    _rates(optimizer, scheduler, 10)
    state = scheduler.state_dict()
    with pytest.raises(HorizonChangedError, match="lr of update 10"):
        Scheduler(_optimizer(), lr_factor=ss.cosine(), total_steps=40).load_state_dict(
            state
        )
    found = {}
    policies: tuple[Literal["keep", "adopt"], ...] = ("keep", "adopt")
    for policy in policies:
        optimizer = _optimizer()
        scheduler = Scheduler(
            optimizer,
            lr_factor=ss.cosine(),
            total_steps=40,
            on_horizon_change=policy,
        )
        scheduler.load_state_dict(state)
        found[policy] = _rates(optimizer, scheduler, 7)[6]
    assert (found["adopt"], found["keep"]) == pytest.approx((new, old), rel=1e-12)


def _with_a_group_added(make: Make, updates: int = 12) -> list[float]:
    optimizer = _optimizer()
    scheduler = make(optimizer)
    _rates(optimizer, scheduler, 3)
    parameter = torch.nn.Parameter(torch.ones(1))
    optimizer.add_param_group({"params": [parameter], "lr": 0.5})
    rates = []
    for _ in range(updates):
        scheduler.optimizer.step()
        rates.append(optimizer.param_groups[1]["lr"])
        scheduler.step()
    return rates


def test_a_group_added_in_the_middle() -> None:
    with pytest.raises(ValueError, match="shorter"):  # at once
        _with_a_group_added(lambda o: LambdaLR(o, lambda t: 0.9**t))
    with pytest.raises(ValueError, match="longer"):  # at T_max + 1
        _with_a_group_added(lambda o: CosineAnnealingLR(o, 8))
    for schedule in (ss.geometric(0.9), ss.cosine(8), ss.step(3, 0.1)):
        factors = schedule.resolve(20).block(3, 15)
        wanted = [factor * 0.5 for factor in factors]
        assert _with_a_group_added(_ours(schedule)) == wanted


def test_one_cycle_after_a_warmup() -> None:
    optimizer = _optimizer()
    rise = LinearLR(optimizer, 0.1, 1.0, 5)
    cycle = OneCycleLR(optimizer, 1.0, total_steps=20)
    torchs = SequentialLR(optimizer, [rise, cycle], [5])
    # the second constructor rewrote the base of the first
    wrong = _near(0.004, 0.0112, 0.0184, 0.0256, 0.0328)
    assert _rates(optimizer, torchs, 5) == wrong

    optimizer = _optimizer()
    both = ss.warmup(5, start=0.1) >> ss.one_cycle(20)
    found = _rates(optimizer, _ours(both, 25)(optimizer), 6)
    assert found == _near(0.1, 0.28, 0.46, 0.64, 0.82, 0.04)


def test_one_cycle_of_few_updates() -> None:
    with pytest.raises(ZeroDivisionError):
        OneCycleLR(_optimizer(), 1.0, total_steps=2, pct_start=0.5)
    optimizer = _optimizer()
    torchs = OneCycleLR(optimizer, 1.0, total_steps=3)
    assert _rates(optimizer, torchs, 1) == _near(0.9944)  # never at its peak
    optimizer = _optimizer()
    torchs = OneCycleLR(optimizer, 1.0, total_steps=20, pct_start=0.0)
    assert max(_rates(optimizer, torchs, 19)) < 0.995  # here neither

    for total, wanted in ((2, _near(0.04, 1.0)), (3, _near(0.04, 1.0, 0.5))):
        optimizer = _optimizer()
        scheduler = _ours(ss.one_cycle(), total)(optimizer)
        assert _rates(optimizer, scheduler, total) == wanted
    optimizer = _optimizer()
    scheduler = _ours(1.0 * ss.cosine(to=4e-6), 20)(optimizer)  # no rise at all
    assert _rates(optimizer, scheduler, 1) == [1.0]


def test_after_the_end() -> None:
    optimizer = _optimizer()
    torchs = CosineAnnealingLR(optimizer, 10)
    assert max(_rates(optimizer, torchs, 21)[11:]) > 0.9  # it rises again
    optimizer = _optimizer()
    found = _rates(optimizer, _ours(ss.cosine(), 10)(optimizer), 21)
    assert found[10:] == [0.0] * 11
