"""Only updates that were made count: AMP, accumulation, double and foreign calls."""

import importlib.util
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import stepsize as ss
from stepsize.adapters.torch import Scheduler, SchedulerWarning
from stepsize.errors import AdapterError

Recording = Callable[[type[torch.optim.Optimizer]], Any]
Parameter = Callable[[], torch.nn.Parameter]
COSINE = 0.1 * ss.warmup(3) >> ss.cosine()
N = 12
RATES = COSINE.resolve(N).rates()


def _used(optimizer: Any) -> list[float]:
    return [groups[0]["lr"] for groups in optimizer.used]


@pytest.mark.parametrize("fused", [False, True])
def test_an_update_that_amp_skips_is_not_counted(
    fused: bool, recording: Recording
) -> None:
    model = torch.nn.Linear(2, 1)
    optimizer = recording(torch.optim.SGD)(model.parameters(), lr=9.0, fused=fused)
    scheduler = Scheduler(optimizer, lr=COSINE, total_steps=N)
    scaler = torch.amp.GradScaler(device="cpu", init_scale=4.0)
    skipped, made = 0, []
    for micro in range(2 * N):
        bad = micro % 2 == 0
        loss = model(torch.full((1, 2), float("inf") if bad else 1.0)).sum()
        scaler.scale(loss).backward()
        before = scheduler.update
        scaler.step(optimizer)
        scaler.update()
        optimizer.zero_grad()
        scheduler.step()
        skipped += scheduler.update == before
        if not bad:
            made.append(optimizer.used[-1][0]["lr"])
    assert skipped == N
    assert scheduler.update == N
    assert scheduler.skipped == (N if fused else 0)
    assert made == RATES
    assert bool(torch.isfinite(model.weight).all())


@pytest.mark.parametrize("fused", [False, True])
def test_a_scaler_that_skips_long_at_the_start_warns_of_nothing(
    fused: bool, recording: Recording
) -> None:
    model = torch.nn.Linear(2, 1)
    optimizer = recording(torch.optim.SGD)(model.parameters(), lr=9.0, fused=fused)
    scheduler = Scheduler(optimizer, lr=COSINE, total_steps=N)
    scaler = torch.amp.GradScaler(device="cpu")
    for _ in range(25):
        scaler.scale(model(torch.full((1, 2), float("inf"))).sum()).backward()
        scaler.step(optimizer)
        scaler.update()
        optimizer.zero_grad()
        scheduler.step()
    assert scheduler.update == 0


@pytest.mark.parametrize("outside", [False, True])
def test_micro_batches_do_not_count(outside: bool, recording: Recording) -> None:
    model = torch.nn.Linear(2, 1)
    optimizer = recording(torch.optim.AdamW)(model.parameters(), lr=9.0)
    scheduler = Scheduler(optimizer, lr=COSINE, total_steps=N)
    accumulate = 16
    for micro in range(accumulate * N):
        model(torch.ones(1, 2)).sum().backward()
        last = micro % accumulate == accumulate - 1
        if last:
            optimizer.step()
            optimizer.zero_grad()
        if last or outside:  # whoever calls step() for each micro-batch is understood
            scheduler.step()
    assert _used(optimizer) == RATES


def test_a_forgotten_step_does_no_harm(
    recording: Recording, parameter: Parameter
) -> None:
    optimizer = recording(torch.optim.SGD)([parameter()], lr=9.0)
    scheduler = Scheduler(optimizer, lr=COSINE, total_steps=N)
    for _ in range(N):
        optimizer.step()
    assert _used(optimizer) == RATES
    assert scheduler.update == N


def test_step_before_the_update_is_right_too(
    recording: Recording, parameter: Parameter
) -> None:
    optimizer = recording(torch.optim.SGD)([parameter()], lr=9.0)
    scheduler = Scheduler(optimizer, lr=COSINE, total_steps=N)
    for _ in range(N):
        scheduler.step()
        optimizer.step()
    assert _used(optimizer) == RATES


def test_a_second_call_warns_does_nothing_and_the_tenth_raises(
    parameter: Parameter,
) -> None:
    optimizer = torch.optim.SGD([parameter()], lr=9.0)
    scheduler = Scheduler(optimizer, lr=COSINE, total_steps=N)
    optimizer.step()
    scheduler.step()
    with pytest.warns(SchedulerWarning, match="called again with no optimizer update"):
        scheduler.step()
    for _ in range(7):
        scheduler.step()
    assert scheduler.update == 1
    assert optimizer.param_groups[0]["lr"] == RATES[1]
    with pytest.raises(AdapterError, match=r'10 times in a row.*count="call"'):
        scheduler.step()


def test_an_update_between_begins_a_new_row(parameter: Parameter) -> None:
    optimizer = torch.optim.SGD([parameter()], lr=9.0)
    scheduler = Scheduler(optimizer, lr=COSINE, total_steps=N)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SchedulerWarning)
        for _ in range(N):
            optimizer.step()
            for _ in range(9):
                scheduler.step()
    assert scheduler.update == N


def test_an_engine_that_makes_the_updates_itself_is_found_out() -> None:
    model = torch.nn.Linear(2, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=9.0)
    scheduler = Scheduler(optimizer, lr=COSINE, total_steps=N)

    def batch() -> None:
        model(torch.ones(1, 2)).sum().backward()
        with torch.no_grad():
            for weights in model.parameters():
                weights.sub_(0.1)
        scheduler.step()

    batch()
    with pytest.warns(SchedulerWarning, match='count="call"'):
        batch()
    for _ in range(7):
        batch()
    with pytest.raises(AdapterError, match=r'10 times in a row.*count="call"'):
        batch()


def test_an_unlucky_probe_does_not_hide_a_frozen_rate() -> None:
    frozen, used = torch.nn.Parameter(torch.ones(1)), torch.nn.Parameter(torch.ones(1))
    optimizer = torch.optim.SGD([frozen, used], lr=9.0)
    scheduler = Scheduler(optimizer, lr=COSINE, total_steps=N)

    def batch() -> None:
        torch.autograd.backward((used * 2).sum())
        with torch.no_grad():
            used.sub_(0.1)
        scheduler.step()

    batch()
    batch()  # all that is known yet: the first parameter was not written to
    with pytest.warns(SchedulerWarning, match="called again"):
        batch()
    for _ in range(7):
        batch()
    with pytest.raises(AdapterError, match='count="call"'):
        batch()


def test_count_call_counts_the_calls(parameter: Parameter) -> None:
    optimizer = torch.optim.SGD([parameter()], lr=9.0)
    scheduler = Scheduler(optimizer, lr=COSINE, total_steps=N, count="call")
    found = []
    for _ in range(N):
        found.append(optimizer.param_groups[0]["lr"])
        scheduler.step()
    assert found == RATES
    assert scheduler.update == N


def test_accelerates_call_for_each_process_is_recognised(
    tmp_path: Path, recording: Recording, parameter: Parameter
) -> None:
    # as accelerate.scheduler.AcceleratedScheduler.step does, in a module of that name
    source = tmp_path / "scheduler.py"
    source.write_text(
        "def step(scheduler, processes):\n"
        "    for _ in range(processes):\n"
        "        if hasattr(scheduler, 'total_steps'):\n"
        "            if scheduler._step_count <= scheduler.total_steps:\n"
        "                scheduler.step()\n"
        "        else:\n"
        "            scheduler.step()\n"
        "def accumulate(scheduler):\n"
        "    scheduler._step_count += 1\n"
    )
    spec = importlib.util.spec_from_file_location("accelerate.scheduler", source)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert "accelerate.scheduler" not in sys.modules
    optimizer = recording(torch.optim.SGD)([parameter()], lr=9.0)
    scheduler = Scheduler(optimizer, lr=COSINE, total_steps=N)
    for _ in range(N):
        module.accumulate(scheduler)
        optimizer.step()
        module.step(scheduler, 16)
    assert _used(optimizer) == RATES


def test_lbfgs_counts_one_update_for_all_its_evaluations(recording: Recording) -> None:
    weights = torch.nn.Parameter(torch.tensor([3.0, -2.0]))
    optimizer = recording(torch.optim.LBFGS)([weights], lr=9.0, max_iter=4)
    scheduler = Scheduler(optimizer, lr=COSINE, total_steps=N)
    calls = 0

    def closure() -> torch.Tensor:
        nonlocal calls
        calls += 1
        optimizer.zero_grad()
        loss = (weights**4).sum()
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    for _ in range(4):
        optimizer.step(closure)
        scheduler.step()
    assert calls > 4
    assert scheduler.update == 4
    assert _used(optimizer) == RATES[:4]


class Wrapper:
    """Steps the optimizer inside only; no hooks of its own."""

    def __init__(self, inner: Any, name: str) -> None:
        setattr(self, name, inner)
        self.inner = inner

    @property
    def param_groups(self) -> Any:
        return self.inner.param_groups

    def step(self) -> None:
        self.inner.step()


@pytest.mark.parametrize("name", ["optimizer", "base_optimizer"])
def test_wrappers_are_unwrapped(
    name: str, recording: Recording, parameter: Parameter
) -> None:
    inner = recording(torch.optim.SGD)([parameter()], lr=9.0)
    outer = Wrapper(Wrapper(inner, name), name)
    scheduler = Scheduler(outer, lr=COSINE, total_steps=N)
    for _ in range(N):
        outer.step()
        scheduler.step()
    assert _used(inner) == RATES
    assert scheduler.optimizer is inner


def test_sams_second_step_counts_once(recording: Recording) -> None:
    class SAM(torch.optim.Optimizer):
        def __init__(self, parameters: Any, base: Any) -> None:
            super().__init__(parameters, {})
            self.base_optimizer = base
            self.param_groups = base.param_groups

        def step(self, closure: Any) -> None:  # type: ignore[override]
            closure()
            closure()
            self.base_optimizer.step()

    model = torch.nn.Linear(2, 1)
    base = recording(torch.optim.SGD)(model.parameters(), lr=9.0)
    optimizer = SAM(list(model.parameters()), base)
    scheduler = Scheduler(optimizer, lr=COSINE, total_steps=N)
    for _ in range(N):
        optimizer.step(lambda: model(torch.ones(1, 2)).sum().backward())
        scheduler.step()
    assert _used(base) == RATES


def test_two_optimizers_each_follow_their_own_updates(
    recording: Recording, parameter: Parameter
) -> None:
    one = recording(torch.optim.SGD)([parameter()], lr=9.0)
    two = recording(torch.optim.AdamW)([parameter()], lr=9.0)
    first = Scheduler(one, lr=COSINE, total_steps=N)
    second = Scheduler(two, lr=2.0 * COSINE, total_steps=N)
    for update in range(N):
        one.step()
        first.step()
        if update % 3 == 0:
            two.step()
            second.step()
    assert _used(one) == RATES
    assert _used(two) == (2.0 * COSINE).resolve(N).rates()[:4]


def test_an_update_that_raises_is_not_counted(parameter: Parameter) -> None:
    class Failing(torch.optim.SGD):
        def step(self, closure: Any = None) -> Any:
            raise ZeroDivisionError

    optimizer = Failing([parameter()], lr=9.0)
    scheduler = Scheduler(optimizer, lr=COSINE, total_steps=N)
    with pytest.raises(ZeroDivisionError):
        optimizer.step()
    assert scheduler.update == 0


def test_the_dry_run_of_a_distributed_checkpoint_is_no_update(
    recording: Recording,
) -> None:
    from torch.distributed.checkpoint.state_dict import (
        get_optimizer_state_dict,
        set_optimizer_state_dict,
    )

    model = torch.nn.Linear(2, 1)
    optimizer = recording(torch.optim.AdamW)(
        model.parameters(), lr=9.0, weight_decay=0.5
    )
    scheduler = Scheduler(optimizer, lr=COSINE, total_steps=N)
    weights = model.weight.detach().clone()
    state = get_optimizer_state_dict(model, optimizer)
    assert [groups[0]["lr"] for groups in optimizer.used] == [0.0]
    assert torch.equal(model.weight, weights)
    assert scheduler.update == 0
    set_optimizer_state_dict(model, optimizer, state)
    for _ in range(N):
        model(torch.ones(1, 2)).sum().backward()
        optimizer.step()
        scheduler.step()
    assert _used(optimizer)[1:] == RATES


def test_a_subclass_that_calls_super_counts_once(parameter: Parameter) -> None:
    torch.optim.SGD([parameter()])  # only now torch has put hooks into SGD.step

    class Twice(torch.optim.SGD):
        def step(self, closure: Any = None) -> Any:
            return super().step(closure)

    optimizer = Twice([parameter()], lr=9.0)
    fired = []
    optimizer.register_step_post_hook(lambda *_: fired.append(1))
    scheduler = Scheduler(optimizer, lr=COSINE, total_steps=N)
    optimizer.step()
    assert len(fired) == 2  # torch runs its hooks twice
    assert scheduler.update == 1


def test_counting_goes_on_after_an_update_that_raised(parameter: Parameter) -> None:
    class Sometimes(torch.optim.SGD):
        fail = True

        def step(self, closure: Any = None) -> Any:
            if self.fail:
                raise ZeroDivisionError
            return super().step(closure)

    optimizer = Sometimes([parameter()], lr=9.0)
    scheduler = Scheduler(optimizer, lr=COSINE, total_steps=N)
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            optimizer.step()
    optimizer.fail = False
    for _ in range(3):
        optimizer.step()
    assert scheduler.update == 3
