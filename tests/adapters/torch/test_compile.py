"""Compiled optimizer steps: values arrive, nothing is compiled a second time."""

import shutil
from collections.abc import Callable
from typing import Any

import pytest
import torch

import stepsize as ss
from stepsize.adapters.torch import Scheduler

Parameter = Callable[[], torch.nn.Parameter]
N = 12
COSINE = 0.1 * ss.warmup(3) >> ss.cosine()
pytestmark = pytest.mark.filterwarnings(
    # torch's own, at the first compilation of a process
    "ignore:.torch.jit.script_method. is deprecated:DeprecationWarning"
)


@pytest.fixture(autouse=True)
def _fresh() -> Any:
    torch._dynamo.reset()
    config: Any = torch._dynamo.config
    with config.patch(error_on_recompile=True):  # of any frame, with a graph or not
        yield
    torch._dynamo.reset()


class Backend:
    """Runs graphs as they are, and counts how many there were."""

    graphs = 0

    def __call__(self, graph: Any, inputs: Any) -> Any:
        self.graphs += 1
        return graph.forward


def _optimizer(base: type[torch.optim.Optimizer], parameters: list[Any]) -> Any:
    rate = torch.tensor(9.0, dtype=torch.float64)
    groups = [{"params": [parameter]} for parameter in parameters]
    made: Any = base
    return made(groups, lr=rate, foreach=False)


def _parameters() -> list[torch.nn.Parameter]:
    return [torch.nn.Parameter(torch.full((4,), 1.0 + index)) for index in range(2)]


def _train(
    step: Callable[[], Any], parameters: list[torch.nn.Parameter], then: Any
) -> list[list[float]]:
    for update in range(N):
        for parameter in parameters:
            parameter.grad = torch.full_like(parameter, 0.1 * (update + 1))
        step()
        then()
    return [parameter.tolist() for parameter in parameters]


@pytest.mark.parametrize("base", [torch.optim.SGD, torch.optim.AdamW])
@pytest.mark.parametrize("compiled_first", [False, True])
@pytest.mark.parametrize("whole", [False, True])
def test_a_compiled_step_uses_each_rate_and_is_compiled_once(
    base: type[torch.optim.Optimizer], compiled_first: bool, whole: bool
) -> None:
    plain = _parameters()
    eager = _optimizer(base, plain)
    scheduler = Scheduler(eager, lr=COSINE, total_steps=N)
    wanted = _train(eager.step, plain, scheduler.step)

    parameters, backend = _parameters(), Backend()
    optimizer = _optimizer(base, parameters)

    def update() -> None:
        optimizer.step()

    def make() -> Any:
        return torch.compile(update if whole else optimizer.step, backend=backend)

    if compiled_first:
        step = make()
        scheduler = Scheduler(optimizer, lr=COSINE, total_steps=N)
    else:
        scheduler = Scheduler(optimizer, lr=COSINE, total_steps=N)
        step = make()
    tensors = [group["lr"] for group in optimizer.param_groups]
    for parameter in parameters:
        parameter.grad = torch.zeros_like(parameter)
    found = _train(step, parameters, scheduler.step)
    assert scheduler.update == N
    assert backend.graphs == 1
    # compiled AdamW takes its capturable path: other roundings; one wrong rate of
    # these differs by more than 1e-2
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=0)
    assert all(
        group["lr"] is tensor
        for group, tensor in zip(optimizer.param_groups, tensors, strict=True)
    )


def test_other_tensor_hyperparameters_do_not_recompile_either() -> None:
    parameters, backend = _parameters(), Backend()
    optimizer = torch.optim.Adam(
        parameters,
        lr=torch.tensor(0.1),
        betas=(torch.tensor(0.9), torch.tensor(0.99)),
        foreach=False,
        capturable=True,
    )
    scheduler = Scheduler(
        optimizer,
        lr=COSINE,
        total_steps=N,
        hyperparameters={"betas[0]": 0.95 * ss.warmup(6)},
    )
    step = torch.compile(optimizer.step, backend=backend)
    _train(step, parameters, scheduler.step)
    assert (scheduler.update, backend.graphs) == (N, 1)


def test_count_call_needs_no_hooks_in_the_compiled_step() -> None:
    parameters, backend = _parameters(), Backend()
    optimizer = _optimizer(torch.optim.AdamW, parameters)
    scheduler = Scheduler(optimizer, lr=COSINE, total_steps=N, count="call")
    seen = []

    def then() -> None:
        seen.append(float(optimizer.param_groups[0]["lr"]))
        scheduler.step()

    # without its wrapper, which has a graph break of its own
    inner = optimizer.step.__wrapped__.__wrapped__
    step = torch.compile(lambda: inner(optimizer), backend=backend, fullgraph=True)
    with torch.no_grad():
        _train(step, parameters, then)
    assert seen == COSINE.resolve(N).rates()
    assert backend.graphs == 1


def test_a_compiled_training_step_may_hold_both_calls() -> None:
    model = torch.nn.Linear(2, 1)
    optimizer = _optimizer(torch.optim.SGD, list(model.parameters()))
    scheduler = Scheduler(optimizer, lr=COSINE, total_steps=N)

    def train(batch: torch.Tensor) -> None:
        model(batch).sum().backward()
        optimizer.step()
        optimizer.zero_grad()
        scheduler.step()

    step = torch.compile(train, backend=Backend())
    rates = []
    for _ in range(N):
        step(torch.ones(1, 2))
        rates.append(scheduler.last_lr[0])
    assert rates == COSINE.resolve(N).rates()


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="Inductor needs a C++ compiler")
def test_inductor_compiles_once() -> None:
    plain, parameters = _parameters(), _parameters()
    eager = _optimizer(torch.optim.AdamW, plain)
    wanted = _train(eager.step, plain, Scheduler(eager, lr=COSINE, total_steps=N).step)
    optimizer = _optimizer(torch.optim.AdamW, parameters)
    scheduler = Scheduler(optimizer, lr=COSINE, total_steps=N)
    counters: Any = torch._dynamo.utils.counters
    counters.clear()
    found = _train(torch.compile(optimizer.step), parameters, scheduler.step)
    assert scheduler.update == N
    assert counters["stats"]["unique_graphs"] == 1
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=0)
