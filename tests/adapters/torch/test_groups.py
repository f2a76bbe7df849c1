"""Hyperparameters, param groups, rules, base rates, and tensors filled in place."""

from collections.abc import Callable
from typing import Any

import pytest
import torch

import stepsize as ss
from stepsize.adapters.torch import Rule, Scheduler, SchedulerWarning
from stepsize.control import Event, Target

Recording = Callable[[type[torch.optim.Optimizer]], Any]
Parameter = Callable[[], torch.nn.Parameter]
N = 10
FACTOR = ss.warmup(2) >> ss.cosine(to=0.1)
FACTORS = FACTOR.resolve(N).rates()


def _run(optimizer: Any, scheduler: Scheduler, updates: int = N) -> None:
    for _ in range(updates):
        optimizer.step()
        scheduler.step()


def _used(optimizer: Any, key: str, group: int = 0) -> list[Any]:
    return [groups[group][key] for groups in optimizer.used if len(groups) > group]


def test_any_hyperparameter_follows_its_schedule(
    recording: Recording, parameter: Parameter
) -> None:
    optimizer = recording(torch.optim.AdamW)([parameter()], lr=9.0, betas=(0.5, 0.6))
    wd, beta = 0.1 * ss.linear(), 0.9 * ss.warmup(4)
    scheduler = Scheduler(
        optimizer,
        lr=0.1 * FACTOR,
        total_steps=N,
        hyperparameters={"weight_decay": wd, "betas[0]": beta, "eps": 1e-5},
    )
    _run(optimizer, scheduler)
    assert _used(optimizer, "lr") == (0.1 * FACTOR).resolve(N).rates()
    assert _used(optimizer, "weight_decay") == wd.resolve(N).rates()
    betas = beta.resolve(N).rates()
    assert _used(optimizer, "betas") == [(one, 0.6) for one in betas]
    assert _used(optimizer, "eps") == [1e-5] * N


def test_a_hyperparameter_alone_leaves_the_rate_alone(
    recording: Recording, parameter: Parameter
) -> None:
    optimizer = recording(torch.optim.SGD)([parameter()], lr=0.7, momentum=0.1)
    momentum = 0.9 * ss.warmup(4)
    scheduler = Scheduler(
        optimizer, hyperparameters={"momentum": momentum}, total_steps=N
    )
    _run(optimizer, scheduler)
    assert _used(optimizer, "momentum") == momentum.resolve(N).rates()
    assert _used(optimizer, "lr") == [0.7] * N
    assert scheduler.last_lr == [0.7]


def test_two_schedulers_share_an_optimizer_if_not_a_hyperparameter(
    recording: Recording, parameter: Parameter
) -> None:
    optimizer = recording(torch.optim.SGD)([parameter()], lr=9.0)
    one = Scheduler(optimizer, lr=0.1 * FACTOR, total_steps=N)
    decay = 0.5 * ss.linear()
    two = Scheduler(optimizer, hyperparameters={"weight_decay": decay}, total_steps=N)
    _run(optimizer, one, 4)
    state = optimizer.state_dict()
    assert {k: v for k, v in state["param_groups"][0].items() if ":" in k} == {
        "stepsize_update:lr": 4,
        "stepsize_update:weight_decay": 4,
    }
    assert _used(optimizer, "weight_decay") == decay.resolve(N).rates()[:4]
    assert two.update == 4


def test_a_factor_multiplies_what_each_group_was_given(
    recording: Recording, parameter: Parameter
) -> None:
    bases = (0.1, 0.01, 0.003)
    groups = [{"params": [parameter()], "lr": base} for base in bases]
    optimizer = recording(torch.optim.SGD)(groups, lr=9.0)
    scheduler = Scheduler(optimizer, lr_factor=FACTOR, total_steps=N)
    _run(optimizer, scheduler)
    for group, base in enumerate(bases):
        assert _used(optimizer, "lr", group) == [f * base for f in FACTORS]
    assert scheduler.base_lrs == list(bases)
    assert [g["initial_lr"] for g in optimizer.param_groups] == list(bases)


def test_one_rate_for_groups_given_different_ones_warns(parameter: Parameter) -> None:
    groups = [{"params": [parameter()], "lr": lr} for lr in (0.1, 0.01)]
    optimizer = torch.optim.SGD(groups, lr=9.0)
    with pytest.warns(SchedulerWarning, match=r"given 0\.01, 0\.1.*lr_factor"):
        Scheduler(optimizer, lr=FACTOR, total_steps=N)


@pytest.mark.parametrize("relative", [False, True])
def test_a_group_added_between_step_and_the_update_is_covered(
    relative: bool, recording: Recording, parameter: Parameter
) -> None:
    optimizer = recording(torch.optim.AdamW)([parameter()], lr=0.1)
    which = "lr_factor" if relative else "lr"
    scheduler = Scheduler(optimizer, total_steps=N, **{which: FACTOR})  # type: ignore[arg-type]  # one of the two
    _run(optimizer, scheduler, 4)
    optimizer.add_param_group({"params": [parameter()], "lr": 0.02})
    _run(optimizer, scheduler, N - 4)
    base = 0.02 if relative else 1.0
    assert _used(optimizer, "lr", 1) == [f * base for f in FACTORS[4:]]


def test_a_group_replaced_in_the_list_is_covered(
    recording: Recording, parameter: Parameter
) -> None:
    optimizer = recording(torch.optim.SGD)([parameter()], lr=0.1)
    scheduler = Scheduler(optimizer, lr=FACTOR, total_steps=N)
    _run(optimizer, scheduler, 4)
    old = optimizer.param_groups[0]
    optimizer.param_groups[0] = old | {"lr": 5.0}
    _run(optimizer, scheduler, 2)
    optimizer.param_groups[0] = old | {"params": [parameter()], "lr": 5.0}
    _run(optimizer, scheduler, N - 6)
    assert _used(optimizer, "lr") == FACTORS


def test_groups_that_cannot_be_compared_are_new_groups(
    recording: Recording, parameter: Parameter
) -> None:
    # parameters of two elements have no truth value: comparing the groups raises
    for early in (False, True):
        optimizer = recording(torch.optim.SGD)([parameter()], lr=0.1)
        scheduler = Scheduler(optimizer, lr=FACTOR, total_steps=N)
        optimizer.step()
        optimizer.param_groups[0] = {**optimizer.param_groups[0], "lr": 5.0}
        optimizer.param_groups[0]["params"] = [parameter()]
        with pytest.raises(RuntimeError, match="ambiguous"):
            assert optimizer.param_groups == scheduler._plan.groups
        if early:
            scheduler.step()
            assert optimizer.param_groups[0]["lr"] == FACTORS[1]
        optimizer.step()
        assert _used(optimizer, "lr") == FACTORS[:2]


def test_an_optimizer_of_frozen_parameters_has_nothing_to_probe() -> None:
    frozen = torch.nn.Parameter(torch.ones(2), requires_grad=False)
    optimizer = torch.optim.SGD([frozen], lr=0.1)
    scheduler = Scheduler(optimizer, lr=FACTOR, total_steps=N)
    for update in range(3):
        optimizer.step()
        scheduler.step()
        assert scheduler.last_lr == [FACTORS[update]]


def test_rules_match_names_indices_and_predicates(
    recording: Recording, parameter: Parameter
) -> None:
    names = ("encoder.0", "encoder.1", "head", "bias", "other")
    groups = [{"params": [parameter()], "name": name} for name in names]
    optimizer = recording(torch.optim.SGD)(groups, lr=1.0)
    own = 0.5 * ss.linear()
    scheduler = Scheduler(
        optimizer,
        lr=FACTOR,
        hyperparameters={"weight_decay": 0.1},
        total_steps=N,
        rules=[
            Rule("encoder.0", 0.25),
            Rule("encoder*", 0.5),
            Rule("head", own),
            Rule(3, 0),
            Rule(lambda group: group["name"] == "bias", 0.0, "weight_decay"),
        ],
    )
    _run(optimizer, scheduler, 3)
    optimizer.add_param_group({"params": [parameter()], "name": "encoder.2"})
    _run(optimizer, scheduler, N - 3)
    assert _used(optimizer, "lr", 0) == [f * 0.25 for f in FACTORS]
    assert _used(optimizer, "lr", 1) == [f * 0.5 for f in FACTORS]
    assert _used(optimizer, "lr", 2) == own.resolve(N).rates()
    assert _used(optimizer, "lr", 3) == [0.0] * N
    assert _used(optimizer, "lr", 4) == FACTORS
    assert _used(optimizer, "lr", 5) == [f * 0.5 for f in FACTORS[3:]]
    assert _used(optimizer, "weight_decay", 3) == [0.0] * N
    assert _used(optimizer, "weight_decay", 4) == [0.1] * N


def test_a_mapping_of_rules_is_for_the_rate(
    recording: Recording, parameter: Parameter
) -> None:
    groups = [{"params": [parameter()]}, {"params": [parameter()]}]
    optimizer = recording(torch.optim.SGD)(groups, lr=1.0)
    scheduler = Scheduler(optimizer, lr=FACTOR, total_steps=N, rules={"1": 0.1})
    _run(optimizer, scheduler)
    assert _used(optimizer, "lr", 0) == FACTORS
    assert _used(optimizer, "lr", 1) == [f * 0.1 for f in FACTORS]


def test_events_reach_the_groups_and_hyperparameters_they_name(
    recording: Recording, parameter: Parameter
) -> None:
    groups = [{"params": [parameter()], "name": name} for name in ("body", "head")]
    optimizer = recording(torch.optim.SGD)(groups, lr=1.0)
    scheduler = Scheduler(
        optimizer, lr=FACTOR, hyperparameters={"weight_decay": 0.1}, total_steps=N
    )
    halve = {"kind": "scale", "values": {"factor": 0.5}}
    scheduler.add_event(Event(update=2, target=Target(groups="he*"), **halve))  # type: ignore[arg-type]  # as named
    scheduler.add_event(Event(update=5, target=Target("weight_decay"), **halve))  # type: ignore[arg-type]  # as named
    _run(optimizer, scheduler)
    assert _used(optimizer, "lr", 0) == FACTORS
    assert _used(optimizer, "lr", 1) == FACTORS[:2] + [f * 0.5 for f in FACTORS[2:]]
    assert _used(optimizer, "weight_decay") == [0.1] * 5 + [0.05] * 5


def test_an_event_for_the_next_update_is_in_the_groups_at_once(
    parameter: Parameter,
) -> None:
    optimizer = torch.optim.SGD([parameter()], lr=1.0)
    scheduler = Scheduler(optimizer, lr=FACTOR, total_steps=N)
    _run(optimizer, scheduler, 3)
    cut = Event(update=3, kind="scale", values={"factor": 0.5})
    scheduler.add_event(cut)
    assert optimizer.param_groups[0]["lr"] == FACTORS[3] * 0.5
    assert scheduler.last_lr == [FACTORS[2]]
    assert scheduler.next_lr == [FACTORS[3] * 0.5]
    assert len(scheduler.events) == 1


def test_values_past_the_table_are_the_schedules(
    recording: Recording, parameter: Parameter
) -> None:
    optimizer = recording(torch.optim.SGD)([parameter()], lr=1.0)
    scheduler = Scheduler(optimizer, lr=FACTOR, total_steps=2500)
    _run(optimizer, scheduler, 2600)
    assert _used(optimizer, "lr") == FACTOR.resolve(2500).block(0, 2600)


# --- tensors ------------------------------------------------------------------------
def test_tensors_are_filled_in_place_each_its_own(parameter: Parameter) -> None:
    rate = torch.tensor(0.1, dtype=torch.float64)
    groups: list[dict[str, Any]] = [{"params": [parameter()]} for _ in range(2)]
    groups[1]["name"] = "head"
    optimizer = torch.optim.SGD(groups, lr=rate, foreach=False)
    assert optimizer.param_groups[0]["lr"] is optimizer.param_groups[1]["lr"]
    scheduler = Scheduler(
        optimizer, lr_factor=FACTOR, total_steps=N, rules={"head": 0.5}
    )
    tensors = [group["lr"] for group in optimizer.param_groups]
    for factor in FACTORS:
        optimizer.step()
        rates = [float(tensor) for tensor in tensors]
        assert rates == [factor * 0.1, factor * (0.5 * 0.1)]
        scheduler.step()
    now = [group["lr"] for group in optimizer.param_groups]
    assert [one is other for one, other in zip(now, tensors, strict=True)] == [True] * 2
    optimizer.add_param_group({"params": [parameter()]})
    assert scheduler.base_lrs == [0.1, 0.1, 0.1]  # the default was not filled


def test_tensor_betas_are_filled_in_place(parameter: Parameter) -> None:
    betas = (torch.tensor(0.9), torch.tensor(0.99))
    optimizer = torch.optim.Adam(
        [{"params": [parameter()]}, {"params": [parameter()]}],
        lr=torch.tensor(0.1),
        betas=betas,
        foreach=False,
        capturable=False,
    )
    beta = 0.8 * ss.warmup(4)
    scheduler = Scheduler(
        optimizer, lr=FACTOR, hyperparameters={"betas[0]": beta}, total_steps=N
    )
    first = optimizer.param_groups[0]["betas"][0]
    for value in beta.resolve(N).rates():
        assert float(first) == float(torch.tensor(value))
        for group in optimizer.param_groups:
            assert float(group["betas"][0]) == float(torch.tensor(value))
            assert float(group["betas"][1]) == float(torch.tensor(0.99))
        scheduler.optimizer.step()
        scheduler.step()
    assert optimizer.param_groups[0]["betas"][0] is first
    assert float(optimizer.defaults["betas"][0]) == float(torch.tensor(0.9))


def test_what_is_logged_is_rounded_as_the_tensor_is(parameter: Parameter) -> None:
    optimizer = torch.optim.SGD([parameter()], lr=torch.tensor(0.1), foreach=False)
    scheduler = Scheduler(optimizer, lr=3e-4)
    optimizer.step()
    assert scheduler.last_lr == [float(optimizer.param_groups[0]["lr"])]
    assert scheduler.last_lr != [3e-4]
    assert scheduler.value_at(0) == 3e-4


def test_a_number_put_where_a_tensor_was_reaches_no_update(
    recording: Recording, parameter: Parameter
) -> None:
    optimizer = recording(torch.optim.SGD)(
        [parameter()], lr=torch.tensor(0.1), foreach=False
    )
    scheduler = Scheduler(optimizer, lr=FACTOR, total_steps=N)
    optimizer.step()
    optimizer.param_groups[0]["lr"] = 7.0
    optimizer.step()
    optimizer.param_groups[0]["lr"] = torch.tensor(7.0)
    optimizer.step()
    rounded = [float(torch.tensor(FACTORS[0])), FACTORS[1], FACTORS[2]]
    assert _used(optimizer, "lr") == rounded
    assert scheduler.update == 3


# --- bases (what a factor multiplies) -----------------------------------------------
def test_the_base_is_initial_lr_where_there_is_one(parameter: Parameter) -> None:
    optimizer = torch.optim.SGD([parameter()], lr=0.1)
    optimizer.param_groups[0]["initial_lr"] = torch.tensor(0.5)
    assert Scheduler(optimizer, lr_factor=FACTOR, total_steps=N).base_lrs == [0.5]


def test_a_used_optimizer_without_initial_lr_is_no_base(parameter: Parameter) -> None:
    from stepsize.errors import AdapterError

    optimizer = torch.optim.AdamW([parameter()], lr=0.1)
    optimizer.step()
    optimizer.param_groups[0]["lr"] = 0.03  # decayed by whoever drove it before
    with pytest.raises(AdapterError, match=r'param_groups\[0\]\["lr"\] must be .*0\.1'):
        Scheduler(optimizer, lr_factor=FACTOR, total_steps=N)
    optimizer.param_groups[0]["initial_lr"] = 0.1
    assert Scheduler(optimizer, lr_factor=FACTOR, total_steps=N).base_lrs == [0.1]


def test_a_base_that_was_seen_survives_a_state_that_lacks_it(
    parameter: Parameter,
) -> None:
    optimizer = torch.optim.SGD([parameter()], lr=0.1)
    before = optimizer.state_dict()
    scheduler = Scheduler(optimizer, lr_factor=FACTOR, total_steps=N)
    before["param_groups"][0]["lr"] = 0.7  # somebody's decayed rate
    optimizer.load_state_dict(before)
    assert scheduler.base_lrs == [0.1]
    assert optimizer.param_groups[0]["lr"] == FACTORS[0] * 0.1


def test_an_eagerly_filled_state_is_no_use(parameter: Parameter) -> None:
    groups = [{"params": [parameter()], "lr": 0.03}]
    optimizer = torch.optim.Adagrad(groups, lr=0.1)
    assert optimizer.state
    assert Scheduler(optimizer, lr_factor=FACTOR, total_steps=N).base_lrs == [0.03]


OPTIMIZERS = sorted(
    (
        each
        for each in vars(torch.optim).values()
        if isinstance(each, type)
        and issubclass(each, torch.optim.Optimizer)
        and each not in (torch.optim.Optimizer, torch.optim.LBFGS)
    ),
    key=lambda each: each.__name__,
)


@pytest.mark.parametrize("base", OPTIMIZERS)
def test_every_optimizer_of_torch_is_driven(
    base: type[torch.optim.Optimizer], recording: Recording
) -> None:
    weights = torch.nn.Parameter(torch.ones(2, 2))  # Muon takes matrices only
    optimizer = recording(base)([weights], lr=0.5)
    scheduler = Scheduler(optimizer, lr=FACTOR, total_steps=N)
    for _ in range(N):
        gradient = torch.ones(2, 2)
        sparse = base is torch.optim.SparseAdam
        weights.grad = gradient.to_sparse() if sparse else gradient
        optimizer.step()
        scheduler.step()
    assert _used(optimizer, "lr") == FACTORS
