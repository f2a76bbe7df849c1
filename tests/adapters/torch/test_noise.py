"""The noise scale of problems whose noise is known."""

import json
import math
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from tests.adapters.torch.rank_noise import (
    DEVIATION,
    MICRO,
    NOISE,
    SIGNAL,
    SIZE,
    Quadratic,
    batch,
)

from stepsize.adapters.torch.noise import NoiseWatch, gradient_noise
from stepsize.errors import AdapterError, InvalidScheduleError

ROOT = Path(__file__).parents[3]


def _loss(model: Quadratic, size: int, seed: int = 0) -> Callable[[], torch.Tensor]:
    drawn = torch.Generator().manual_seed(seed)
    return lambda: model(batch(size, drawn))


def test_measured_without_training() -> None:
    model = Quadratic()
    model.weight.grad = torch.ones(SIZE)
    found = gradient_noise(_loss(model, 32), model.parameters(), batch=32, batches=2000)
    assert found.noise == pytest.approx(NOISE, rel=0.01)
    assert found.signal == pytest.approx(SIGNAL, rel=0.15)
    assert found.scale == found.noise / found.signal
    assert model.weight.grad.tolist() == [1.0] * SIZE
    assert model.weight.tolist() == [0.0] * SIZE


def test_a_gradient_without_noise_has_no_scale() -> None:
    weight = torch.ones(3, requires_grad=True)
    found = gradient_noise(lambda: weight.square().sum(), [weight], batch=8)
    assert (found.signal, found.noise) == pytest.approx((12.0, 0.0))
    assert found.scale is None


@pytest.mark.parametrize("divided", [1.0, 4.0, 1e-3])
def test_watched_while_it_accumulates(divided: float) -> None:
    model = Quadratic()
    loss = _loss(model, MICRO)
    with NoiseWatch(model.parameters(), micro_batch=MICRO, decay=0.999) as watch:
        for _ in range(1000):
            for _ in range(4):
                (loss() / divided).backward()  # type: ignore[no-untyped-call]  # torch's
            watch.observe()
            model.zero_grad()
    assert watch.meter.scale is not None
    assert watch.meter.scale == pytest.approx(NOISE / SIGNAL, rel=0.25)
    assert watch.meter.noise == pytest.approx(NOISE / divided**2, rel=0.02)


def test_no_hook_stays() -> None:
    model = Quadratic()
    with NoiseWatch(model.parameters(), micro_batch=MICRO) as watch:
        for _ in range(2):
            _loss(model, MICRO)().backward()  # type: ignore[no-untyped-call]  # torch's
        watch.observe()
    before = watch.meter
    _loss(model, MICRO)().backward()  # type: ignore[no-untyped-call]  # torch's
    with pytest.raises(AdapterError, match="two backward passes or more"):
        watch.observe()
    assert watch.meter == before


def test_parameters_without_a_part_in_the_loss() -> None:
    used, unused = torch.ones(2, requires_grad=True), torch.ones(2, requires_grad=True)
    alone = gradient_noise(lambda: used.square().sum(), [used], batch=8)
    both = gradient_noise(lambda: used.square().sum(), [unused, used], batch=8)
    assert alone == both


def test_ranks_under_distributed_data_parallel(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.adapters.torch.rank_noise", tmp_path, "2"],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stderr
    one, other = json.loads(done.stdout)
    assert one == other  # every rank knows the same
    signal, noise = one
    assert noise == pytest.approx(NOISE, rel=0.02)
    assert signal == pytest.approx(SIGNAL, rel=0.35)
    assert SIZE * DEVIATION**2 == NOISE


def test_errors() -> None:
    weight = torch.ones(3, requires_grad=True)
    for value in (1, 0, True, 2.5):
        with pytest.raises(InvalidScheduleError, match=r"batches must be an int >= 2"):
            gradient_noise(weight.sum, [weight], batch=8, batches=value)  # type: ignore[arg-type]  # the point
    with pytest.raises(InvalidScheduleError, match=r"noise\.batch must be .* > 0"):
        gradient_noise(weight.sum, [weight], batch=0)
    with pytest.raises(InvalidScheduleError, match=r"micro_batch must be .* > 0"):
        NoiseWatch([weight], micro_batch=-1)
    with pytest.raises(InvalidScheduleError, match=r"NoiseWatch\.decay must be"):
        NoiseWatch([weight], micro_batch=1, decay=1.0)
    with pytest.raises(AdapterError, match="one that requires a gradient"):
        NoiseWatch([torch.ones(3)], micro_batch=1)
    for bad in (3, [3], "w"):
        with pytest.raises(AdapterError, match=r"parameters must be tensors"):
            NoiseWatch(bad, micro_batch=1)  # type: ignore[arg-type]  # the point
    for loss in (3, lambda: 1.0, lambda: torch.ones(1), lambda: weight * 2):
        with pytest.raises(AdapterError, match=r"gradient_noise\.loss must"):
            gradient_noise(loss, [weight], batch=1)  # type: ignore[arg-type]  # likewise
    with pytest.raises(AdapterError, match="gradient must be finite"):
        gradient_noise(lambda: weight.mul(math.nan).sum(), [weight], batch=1)
