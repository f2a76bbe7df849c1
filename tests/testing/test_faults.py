"""Each fault does what it says, where it says, and nothing anywhere else."""

import math
from typing import Any

import pytest
import torch

import stepsize as ss
from stepsize.adapters.torch import Scheduler
from stepsize.errors import InvalidScheduleError
from stepsize.testing.faults import (
    BadBatch,
    Faults,
    GradientFactor,
    InfLoss,
    LabelNoise,
    NaNGradient,
    Overflow,
    RateFactor,
    RepeatedData,
)

N = 60
COSINE = 0.1 * ss.warmup(5) >> ss.cosine()


def weight() -> torch.nn.Parameter:
    made = torch.nn.Parameter(torch.ones(3))
    made.grad = torch.tensor([1.0, 2.0, 3.0])
    return made


@pytest.mark.parametrize("start", [0, 7])
@pytest.mark.parametrize("length", [1, 12, None])
def test_a_rate_is_wrong_within_its_window_only(start: int, length: int | None) -> None:
    fault = RateFactor(30.0, start=start, length=length)
    right = COSINE.resolve(total_steps=N)
    wrong = fault.schedule(COSINE).resolve(total_steps=N)
    end = N if length is None else start + length
    for step in range(N):
        factor = 30.0 if start <= step < end else 1.0
        assert wrong(step) == pytest.approx(right(step) * factor, rel=1e-12, abs=0)


def test_a_wrong_rate_is_a_schedule_like_any_other() -> None:
    wrong = RateFactor(0.1, start=3, length=4).schedule(COSINE)
    assert ss.parse(str(wrong)) == wrong
    assert ss.from_dict(wrong.to_dict()) == wrong


def test_gradients_are_too_large_within_the_window_only() -> None:
    fault = GradientFactor(10.0, start=4, length=2)
    for update in range(8):
        one = weight()
        fault.gradients(update, [one, torch.nn.Parameter(torch.ones(1))])
        factor = 10.0 if update in (4, 5) else 1.0
        assert one.grad is not None
        assert one.grad.tolist() == [factor, 2 * factor, 3 * factor]


@pytest.mark.parametrize(
    ("fault", "value"), [(NaNGradient(2, 2), math.nan), (Overflow(2, 2), math.inf)]
)
def test_gradients_break_in_one_element(fault: Any, value: float) -> None:
    for update in range(6):
        one, scalar = weight(), torch.nn.Parameter(torch.tensor(1.0))
        scalar.grad = torch.tensor(1.0)
        fault.gradients(update, [one, scalar])
        assert one.grad is not None
        broken = [*one.grad[:1].tolist(), scalar.grad.item()]
        wanted = [value, value] if update in (2, 3) else [1.0, 1.0]
        assert broken == pytest.approx(wanted, nan_ok=True)
        assert one.grad[1:].tolist() == [2.0, 3.0]


def test_bad_batches_and_wrong_labels_leave_the_data_alone() -> None:
    inputs, targets = torch.ones(32), torch.arange(32)
    bad = BadBatch(1).batch(1, inputs, targets)
    noisy = LabelNoise(1, 1).batch(1, inputs, targets)
    assert bad[0].tolist() == [1e3] * 32
    assert bad[1] is targets
    assert noisy[0] is inputs
    assert not torch.equal(noisy[1], targets)
    assert torch.equal(noisy[1].sort().values, targets)
    assert inputs.tolist() == [1.0] * 32
    assert torch.equal(targets, torch.arange(32))
    for fault in (BadBatch(1), LabelNoise(1, 1)):
        for update in (0, 2):
            found = fault.batch(update, inputs, targets)
            assert found[0] is inputs
            assert found[1] is targets


def test_label_noise_depends_on_seed_and_update_alone() -> None:
    targets = torch.arange(64)

    def order(seed: int, update: int) -> list[int]:
        fault = LabelNoise(0, seed=seed)
        found: list[int] = fault.batch(update, targets, targets)[1].tolist()
        return found

    torch.manual_seed(5)
    before = torch.get_rng_state()
    assert order(0, 3) == order(0, 3)
    assert order(0, 3) != order(0, 4)
    assert order(0, 3) != order(1, 3)
    assert torch.equal(torch.get_rng_state(), before)


def test_a_loss_is_infinite_on_its_rank_and_keeps_its_gradient() -> None:
    one = torch.nn.Parameter(torch.tensor(2.0))
    fault = InfLoss(3, rank=1)
    assert fault.loss(3, one * one, rank=0).item() == 4.0
    assert fault.loss(2, one * one, rank=1).item() == 4.0
    broken = fault.loss(3, one * one, rank=1)
    broken.backward()  # type: ignore[no-untyped-call]
    assert broken.item() == math.inf
    assert one.grad is not None
    assert one.grad.item() == 4.0


def test_an_overflow_is_skipped_by_a_scaler() -> None:
    one = torch.nn.Parameter(torch.ones(2))
    optimizer = torch.optim.SGD([one], lr=0.1)
    scaler = torch.amp.GradScaler("cpu", init_scale=8.0)
    scheduler = Scheduler(optimizer, lr=0.1, scaler=scaler)
    faults = Faults(Overflow(2, 3))
    for attempt in range(10):
        optimizer.zero_grad()
        scaler.scale(one.square().sum()).backward()  # type: ignore[no-untyped-call]
        faults.gradients(attempt, [one])
        scaler.step(optimizer)
        scaler.update()
        scheduler.step()
    assert scheduler.update == 7
    assert scaler.get_scale() == 1.0
    assert one.isfinite().all()


def test_faults_are_applied_each_where_it_belongs_in_their_order() -> None:
    faults = Faults(
        RateFactor(2.0), RateFactor(5.0), RepeatedData(1, 3), BadBatch(1), InfLoss(1)
    )
    rates = faults.schedule(0.1 * ss.hold()).resolve(total_steps=4)
    assert rates(0) == pytest.approx(1.0, rel=1e-12)
    assert [faults.data(update) for update in range(6)] == [0, 1, 1, 1, 4, 5]
    inputs, _ = faults.batch(1, torch.ones(1), torch.ones(1))
    assert inputs.item() == 1e3
    assert faults.loss(1, torch.tensor(1.0)).item() == math.inf
    one = weight()
    faults.gradients(1, [one])
    assert one.grad is not None
    assert one.grad.tolist() == [1.0, 2.0, 3.0]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: RateFactor(0.0), r"RateFactor\.factor must be .*> 0"),
        (lambda: RateFactor(2.0, start=-1), r"RateFactor\.start must be an int >= 0"),
        (lambda: RateFactor(2.0, length=0), r"RateFactor\.length must be an int >= 1"),
        (lambda: GradientFactor(-1.0), r"GradientFactor\.factor must be"),
        (lambda: GradientFactor(2.0, start=-1), r"GradientFactor\.start must be"),
        (lambda: GradientFactor(2.0, length=0), r"GradientFactor\.length must be"),
        (lambda: BadBatch(-1), r"BadBatch\.update must be an int >= 0; got -1"),
        (lambda: BadBatch(1, 0), r"BadBatch\.count must be an int >= 1; got 0"),
        (lambda: BadBatch(1, factor=0.0), r"BadBatch\.factor must be"),
        (lambda: LabelNoise(-1), r"LabelNoise\.start must be"),
        (lambda: LabelNoise(1, 0), r"LabelNoise\.length must be"),
        (lambda: LabelNoise(1, seed=-1), r"LabelNoise\.seed must be"),
        (lambda: RepeatedData(-1, 1), r"RepeatedData\.start must be"),
        (lambda: RepeatedData(1, 0), r"RepeatedData\.length must be"),
        (lambda: NaNGradient(-1), r"NaNGradient\.update must be"),
        (lambda: NaNGradient(1, 0), r"NaNGradient\.count must be"),
        (lambda: Overflow(-1), r"Overflow\.attempt must be"),
        (lambda: Overflow(1, 0), r"Overflow\.count must be"),
        (lambda: InfLoss(-1), r"InfLoss\.update must be"),
        (lambda: InfLoss(1, rank=-1), r"InfLoss\.rank must be"),
        (lambda: InfLoss(1, count=0), r"InfLoss\.count must be"),
        (lambda: Faults(3), r"Faults must be faults of stepsize\.testing\.faults"),
    ],
)
def test_bad_values(make: Any, message: str) -> None:
    with pytest.raises(InvalidScheduleError, match=message):
        make()


def test_a_bad_batch_needs_floating_point_inputs() -> None:
    with pytest.raises(InvalidScheduleError, match=r"floating point dtype; got torch"):
        BadBatch(0).batch(0, torch.arange(3), torch.arange(3))
