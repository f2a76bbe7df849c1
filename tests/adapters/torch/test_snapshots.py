"""Snapshots: a run goes back to one and makes the same updates again, to the bit."""

import copy
import os
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.adapters.torch.snapshot_world import OPTIMIZERS, World, bits
from torch import nn

from stepsize.adapters.torch import Scheduler
from stepsize.adapters.torch.snapshots import (
    DiskSnapshots,
    MemorySnapshots,
    Subject,
    displacement,
)
from stepsize.control.snapshots import Snapshots
from stepsize.errors import AdapterError

Store = Callable[[Subject], Any]


@pytest.fixture(params=["memory", "disk"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    if request.param == "memory":
        return MemorySnapshots
    return lambda subject: DiskSnapshots(tmp_path / "snapshots", subject)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_run_repeats_itself_from_a_snapshot(store: Store, name: str) -> None:
    world = World(OPTIMIZERS[name])
    snapshots = store(world.subject)
    assert isinstance(snapshots, Snapshots)
    world.seed(3)
    for label in (0, 1, 5):  # before there is any state, with the first, later
        world.train(label - world.data.at)
        snapshots.take(label, {"policies": {"seen": label, "best": [0.5, None]}})
    for label in (5, 0, 1, 0):
        extra = snapshots.restore(label, everything=True)
        assert extra == {"policies": {"seen": label, "best": [0.5, None]}}
        before = world.print()
        losses, after = world.train(6), world.print()
        assert before != after
        snapshots.restore(label, everything=True)
        assert world.print() == before
        assert world.train(6) == losses
        assert world.print() == after
    assert snapshots.labels() == (0, 1, 5)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_another_process_goes_on_from_the_disk(name: str, tmp_path: Path) -> None:
    world = World(OPTIMIZERS[name])
    world.seed(3)
    world.train(4)
    DiskSnapshots(tmp_path, world.subject).take(4, {"told": "so"})
    losses, after = world.train(5), world.print()
    other = World(OPTIMIZERS[name], seed=1)
    again = DiskSnapshots(tmp_path, other.subject)
    assert again.labels() == (4,)
    assert again.restore(4, everything=True) == {"told": "so"}
    assert other.train(5) == losses
    assert other.print() == after


def test_generators_and_data_run_on_unless_everything_is_wanted(store: Store) -> None:
    world = World(OPTIMIZERS["adam"])
    snapshots = store(world.subject)
    world.train(2)
    snapshots.take(2, {})
    before = world.print(everything=False)
    world.train(3)
    running = world.print()
    snapshots.restore(2, everything=False)
    now = world.print()
    assert world.print(everything=False) == before
    assert (now["random"], now["data"]) == (running["random"], running["data"])


@settings(max_examples=25, deadline=None)
@given(
    moves=st.lists(
        st.tuples(
            st.sampled_from(["train", "take", "restore", "drop"]), st.integers(0, 3)
        ),
        max_size=25,
    ),
    name=st.sampled_from(sorted(OPTIMIZERS)),
)
def test_any_order_of_calls(moves: list[tuple[str, int]], name: str) -> None:
    world = World(OPTIMIZERS[name])
    snapshots = MemorySnapshots(world.subject)
    prints: dict[int, Any] = {}
    for move, label in moves:
        if move == "train":
            world.train(label)
        elif move == "take":
            snapshots.take(label, {})
            prints[label] = world.print()
        elif label in prints and move == "restore":
            snapshots.restore(label, everything=True)
            assert world.print() == prints[label]
        elif label in prints:
            snapshots.drop(label)
            del prints[label]
        assert snapshots.labels() == tuple(sorted(prints))


# --- in place ------------------------------------------------------------------------


def test_what_is_there_is_filled_and_not_replaced(store: Store) -> None:
    world = World(OPTIMIZERS["adamw fused"])
    snapshots = store(world.subject)
    world.train(2)
    snapshots.take(2, {})
    optimizer, net = world.optimizer, world.net

    def objects() -> list[int]:
        groups = optimizer.param_groups
        found: list[Any] = [*net.parameters(), *groups, groups, groups[0]["lr"]]
        found += [group["params"] for group in groups]
        found += [net.norm.running_mean, net.calls]
        for state in optimizer.state.values():
            found += [state, *state.values()]
        return [id(one) for one in found]

    before = objects()
    with torch.no_grad():
        optimizer.param_groups[0]["lr"].fill_(3.0)
    optimizer.param_groups[1]["weight_decay"] = 7.0
    optimizer.param_groups[1]["initial_lr"] = 0.1
    world.train(2)
    snapshots.restore(2, everything=True)
    assert objects() == before
    assert net.head.weight is net.embed.weight
    assert float(optimizer.param_groups[0]["lr"]) == pytest.approx(0.01)
    assert optimizer.param_groups[1]["weight_decay"] == 0.01
    assert "initial_lr" not in optimizer.param_groups[1]


def test_buffers_come_and_go_with_the_snapshot(store: Store) -> None:
    world = World(OPTIMIZERS["sgd"])
    snapshots = store(world.subject)
    world.train(2)
    snapshots.take(2, {})
    world.net.lazily = None
    world.net.calls = torch.ones(3)
    world.net.conv.register_buffer("new", torch.ones(3), persistent=False)
    snapshots.restore(2, everything=False)
    assert bits(world.net.lazily) == bits(torch.full((2,), 2.0))
    assert int(world.net.calls) == 2
    assert "new" not in dict(world.net.named_buffers())
    assert "lazily" not in world.net.state_dict()  # still not persistent


def test_odd_tensors(store: Store) -> None:
    base = torch.randn(4, 6)
    odd = {
        "transposed": base.t(),
        "strided": base[:, ::2],
        "complex": torch.randn(3, dtype=torch.complex64),
        "scalar": torch.tensor(2.5),
        "empty": torch.empty(0, 3),
        "half precision": torch.randn(3).half(),
        "last": torch.randn(2, 3, 4, 4).to(memory_format=torch.channels_last),
    }
    model = nn.ParameterDict(odd)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    state: Any = {
        "int": torch.arange(3),
        "expanded": torch.ones(1, 1).expand(3, 4),
        "conjugate": torch.randn(3, dtype=torch.complex64).conj(),
        "list": [torch.ones(2), (torch.zeros(2), 3, "text"), None],
        "negative zero and NaN": torch.tensor([-0.0, float("nan")]),
    }
    optimizer.state[model["scalar"]] = state
    snapshots = store(Subject(model, optimizer))
    before = bits(dict(model.items())), bits(state)
    strides = {name: one.stride() for name, one in model.items()}
    snapshots.take(0, {})
    with torch.no_grad():
        for one in model.values():
            one.add_(1)
    del state["list"], state["int"]
    state["conjugate"] = torch.ones(7)
    snapshots.restore(0, everything=True)
    now = optimizer.state[model["scalar"]]
    assert now is state
    assert (bits(dict(model.items())), bits(dict(now))) == before
    assert {name: one.stride() for name, one in model.items()} == strides


def test_what_was_one_tensor_is_one_again(store: Store) -> None:
    weight = nn.Parameter(torch.ones(2))
    optimizer = torch.optim.SGD([weight], lr=0.1)
    shared = torch.arange(2.0)
    optimizer.state[weight] = {"a": shared, "b": shared, "c": [shared], "w": weight}
    snapshots = store(Subject(None, optimizer))
    snapshots.take(0, {})
    one = torch.zeros(2)
    optimizer.state[weight] = {"a": one, "b": torch.zeros(2), "c": [], "d": one}
    snapshots.restore(0, everything=False)
    state = optimizer.state[weight]
    assert state["a"] is state["b"] is state["c"][0] is one
    assert state["w"] is weight
    assert one.tolist() == [0.0, 1.0]
    optimizer.state[weight] = {"a": one, "b": one}
    snapshots.restore(0, everything=False)
    assert optimizer.state[weight]["w"] is weight


def test_two_that_became_one_are_two_again() -> None:
    weight = nn.Parameter(torch.ones(2))
    optimizer = torch.optim.SGD([weight], lr=0.1)
    optimizer.state[weight] = {"a": torch.zeros(2), "b": torch.ones(2)}
    snapshots = MemorySnapshots(Subject(None, optimizer))
    snapshots.take(0, {})
    optimizer.state[weight]["a"] = optimizer.state[weight]["b"]
    snapshots.restore(0, everything=False)
    state = optimizer.state[weight]
    assert (state["a"].tolist(), state["b"].tolist()) == ([0.0, 0.0], [1.0, 1.0])


def test_lbfgs_and_sparse_gradients(store: Store) -> None:
    dense = nn.Parameter(torch.ones(3))
    table = nn.Embedding(5, 2, sparse=True)
    lbfgs: Any = torch.optim.LBFGS([dense], max_iter=3)
    sparse: Any = torch.optim.SparseAdam(table.parameters(), lr=0.1)

    def loss() -> Any:
        lbfgs.zero_grad()
        value: Any = ((dense - torch.arange(3.0)) ** 4).sum()
        value.backward()
        return value

    def train() -> list[float]:
        made = []
        for index in range(4):
            made.append(lbfgs.step(loss).item())
            sparse.zero_grad()
            table(torch.tensor([index, 1])).square().sum().backward()
            sparse.step()
        return [*made, *table.weight.flatten().tolist(), *dense.tolist()]

    train()
    both = [store(Subject(None, lbfgs)), MemorySnapshots(Subject(table, sparse))]
    for snapshots in both:
        snapshots.take(3, {})
    first = train()
    for snapshots in both:
        snapshots.restore(3, everything=True)
    assert train() == first


def test_groups_added_since_lose_their_state_only(store: Store) -> None:
    world = World(OPTIMIZERS["adam"])
    snapshots = store(world.subject)
    world.train(2)
    snapshots.take(2, {})
    before = world.print()
    new = nn.Parameter(torch.ones(2))
    world.optimizer.add_param_group({"params": [new], "lr": 5.0})
    new.grad = torch.ones(2)
    world.train(2)
    snapshots.restore(2, everything=True)
    assert world.optimizer.param_groups[2]["lr"] == 5.0
    assert new not in world.optimizer.state
    del world.optimizer.param_groups[2]
    assert world.print() == before


def test_memory_of_dropped_snapshots_is_used_again() -> None:
    world = World(OPTIMIZERS["adam"])
    world.train(1)
    snapshots = MemorySnapshots(world.subject)

    def places(label: int) -> list[int]:
        return [one.data_ptr() for one in snapshots.weights(label).values()]

    snapshots.take(0, {})
    snapshots.take(1, {})
    rings = {tuple(places(0)), tuple(places(1))}
    for label in range(2, 8):
        world.train(1)
        snapshots.drop(label - 2)
        snapshots.take(label, {})
        rings.add(tuple(places(label)))
    assert len(rings) == 2
    snapshots.take(7, {})  # the same label again
    assert snapshots.labels() == (6, 7)


# --- what else a run has -------------------------------------------------------------


class Lookahead(torch.optim.SGD):
    """Has slow weights outside its state, and says so by a state_dict of its own."""

    def __init__(self, params: Any) -> None:
        super().__init__(params, lr=0.1, momentum=0.9)
        first = [one for group in self.param_groups for one in group["params"]]
        self.slow = [one.detach().clone() for one in first]
        self.count = 0

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        super().step()
        self.count += 1
        if self.count % 3 == 0:
            first = [one for group in self.param_groups for one in group["params"]]
            for slow, fast in zip(self.slow, first, strict=True):
                slow.lerp_(fast, 0.5)
                fast.copy_(slow)

    def state_dict(self) -> dict[str, Any]:
        return super().state_dict() | {"slow": self.slow, "count": self.count}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.slow = [one.clone() for one in state_dict["slow"]]
        self.count = state_dict["count"]
        super().load_state_dict(state_dict)


def test_an_optimizer_with_its_own_state_dict(store: Store) -> None:
    world = World(Lookahead)
    scheduler = Scheduler(world.optimizer, lr=0.1)
    snapshots = store(world.subject)
    world.train(4)
    snapshots.take(4, {})
    losses, after = world.train(5), world.print()
    slow = bits(world.optimizer.slow)  # type: ignore[attr-defined]
    assert scheduler.update == 9
    snapshots.restore(4, everything=True)
    assert scheduler.update == 9  # the updates that were made stay made
    assert world.train(5) == losses
    assert bits(world.optimizer.slow) == slow  # type: ignore[attr-defined]
    assert world.print() == after


def test_an_update_that_was_begun_is_forgotten(store: Store) -> None:
    world = World(OPTIMIZERS["adam"])
    snapshots = store(world.subject)
    world.train(2)
    snapshots.take(2, {})
    losses = world.train(2)
    world.scaler.scale(world.net(next(world.data)).sum()).backward()
    world.scaler.unscale_(world.optimizer)
    snapshots.restore(2, everything=False)
    world.scaler.unscale_(world.optimizer)  # as at the beginning of an update
    world.scaler.update()
    snapshots.restore(2, everything=True)
    assert world.train(2) == losses


def test_extra_state_of_modules_and_several_models(store: Store) -> None:
    class Counting(nn.Linear):
        count = 0

        def get_extra_state(self) -> dict[str, int]:
            return {"count": self.count}

        def set_extra_state(self, state: Mapping[str, int]) -> None:
            self.count = state["count"]

    model, mean = Counting(2, 2), nn.Linear(2, 2)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for models in ([model, mean], {"model": model, "mean": mean}):
        model.count = 3
        subject = Subject(models, optimizer)
        snapshots = store(subject)
        snapshots.take(0, {})
        before = bits(dict(mean.named_parameters()))
        model.count = 5
        mean.weight.data.zero_()
        snapshots.restore(0, everything=False)
        assert model.count == 3
        assert bits(dict(mean.named_parameters())) == before
        assert len(subject.parameters()) == 4


def test_a_compiled_model_has_the_same_names(tmp_path: Path) -> None:
    world = World(OPTIMIZERS["sgd"])
    DiskSnapshots(tmp_path, world.subject).take(0, {})
    compiled: Any = torch.compile(world.net, backend="eager")
    subject = Subject(compiled, world.optimizer)
    world.net.wide.data.zero_()
    DiskSnapshots(tmp_path, subject).restore(0, everything=False)
    assert world.net.wide.abs().sum() > 0


def test_a_copy_of_a_run_has_snapshots_of_its_own() -> None:
    world = World(OPTIMIZERS["adam"])
    snapshots = MemorySnapshots(world.subject)
    world.train(2)
    snapshots.take(2, {})
    before = world.print(everything=False)
    twin, its = copy.deepcopy((world, snapshots))
    world.train(2)
    twin.train(3)
    its.restore(2, everything=False)
    assert twin.print(everything=False) == before
    assert world.print(everything=False) != before


@pytest.fixture
def alone() -> Iterator[None]:
    from torch import distributed

    store: Any = distributed.HashStore()  # type: ignore[attr-defined]
    distributed.init_process_group("gloo", store=store, rank=0, world_size=1)
    yield
    distributed.destroy_process_group()


def test_sharded_parameters_are_held_by_shard(alone: None, tmp_path: Path) -> None:
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard
    from torch.distributed.tensor import DTensor

    mesh = init_device_mesh("cpu", (1,))
    model = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 1))
    fully_shard(model, mesh=mesh)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.1)
    subject = Subject(model, optimizer)
    snapshots = MemorySnapshots(subject)

    def train() -> list[float]:
        made = []
        for _ in range(3):
            loss = model(torch.ones(2, 4)).square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            made.append(loss.item())
        return made

    snapshots.take(0, {})
    first = train()
    assert displacement(subject, snapshots, 0) > 0
    snapshots.restore(0, everything=True)
    assert not optimizer.state
    assert train() == first
    snapshots.take(3, {})
    later = train()
    optimizer.state.clear()
    snapshots.restore(3, everything=True)
    assert all(isinstance(one, DTensor) for one in model.parameters())
    assert train() == later
    with pytest.raises(
        AdapterError, match=r"plain tensors only, .*distributed\.checkp"
    ):
        DiskSnapshots(tmp_path, subject).take(3, {})


# --- files ---------------------------------------------------------------------------


@pytest.mark.parametrize("kills", [15, pytest.param(200, marks=pytest.mark.slow)])
def test_a_killed_process_leaves_whole_snapshots(tmp_path: Path, kills: int) -> None:
    script = Path(__file__).with_name("snapshot_kills.py")
    done = subprocess.run(
        [sys.executable, script, tmp_path, str(kills), "0"],
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    made, halves, snapshots = map(int, done.stdout.split())
    assert made == kills
    assert halves > 0  # came while a file was being written
    assert snapshots > kills


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    world = World(OPTIMIZERS["sgd"])
    snapshots = DiskSnapshots(tmp_path, world.subject)
    snapshots.take(3, {})
    path = next(tmp_path.iterdir())
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    before = world.print()
    with pytest.raises(AdapterError, match=r"snapshot-3-0\.pt must .*; got 'damage'"):
        snapshots.restore(3, everything=True)
    torch.save({"weights": 1}, path)
    with pytest.raises(AdapterError, match=r"must be one of version 1; got 'another"):
        snapshots.restore(3, everything=True)
    path.unlink()
    with pytest.raises(AdapterError, match=r"snapshot-3-0\.pt must .*No such file"):
        snapshots.restore(3, everything=True)
    assert world.print() == before


def test_no_code_comes_from_a_file(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> Any:
            return (os.mkdir, (str(tmp_path / "sprung"),))

    torch.save({"stepsize": Trap()}, tmp_path / "snapshot-1-0.pt")
    snapshots = DiskSnapshots(tmp_path, World(OPTIMIZERS["sgd"]).subject)
    with pytest.raises(AdapterError, match=r"got 'damage'.*Weights only"):
        snapshots.restore(1, everything=True)
    assert not (tmp_path / "sprung").exists()
    with (tmp_path / "snapshot-2-0.pt").open("wb") as file:
        pickle.dump(Trap(), file)
    with pytest.raises(AdapterError, match=r"got 'damage'"):
        DiskSnapshots(tmp_path, snapshots.subject).restore(2, everything=True)
    assert not (tmp_path / "sprung").exists()


def test_files_go_with_their_snapshots(tmp_path: Path) -> None:
    world = World(OPTIMIZERS["sgd"])
    (tmp_path / ".snapshot-9-0.pt").write_bytes(b"half of one")
    (tmp_path / ".snapshot-9-1.pt").write_bytes(b"another rank's")
    (tmp_path / "snapshot-9-1.pt").write_bytes(b"another rank's")
    snapshots = DiskSnapshots(tmp_path, world.subject)
    for label in range(4):
        snapshots.take(label, {})
        displacement(world.subject, snapshots, label)
    for label in (0, 2):
        snapshots.drop(label)
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names[0] == ".snapshot-9-1.pt"
    assert names[1:] == ["snapshot-1-0.pt", "snapshot-3-0.pt", "snapshot-9-1.pt"]
    assert DiskSnapshots(tmp_path, world.subject).labels() == (1, 3)


def test_a_file_has_no_more_than_what_is_used(tmp_path: Path) -> None:
    base = torch.zeros(1_000_000)
    weight = nn.Parameter(base[:10])
    snapshots = DiskSnapshots(tmp_path, Subject(None, torch.optim.SGD([weight])))
    snapshots.take(0, {})
    assert next(tmp_path.iterdir()).stat().st_size < 50_000


def test_numbers_of_numpy_are_written_as_numbers(store: Store) -> None:
    import numpy as np

    weight = nn.Parameter(torch.ones(2))
    optimizer = torch.optim.SGD([weight], lr=np.float64(0.5))
    optimizer.param_groups[0] |= {"momentum": np.float32(0.5), "call": print}
    snapshots = store(Subject(None, optimizer))
    snapshots.take(0, {})
    optimizer.param_groups[0] |= {"lr": 1.0, "momentum": 0.0}
    snapshots.restore(0, everything=False)
    group = optimizer.param_groups[0]
    assert (group["lr"], group["momentum"], group["call"]) == (0.5, 0.5, print)


# --- what is refused -----------------------------------------------------------------


def test_unknown_labels(store: Store) -> None:
    snapshots = store(World(OPTIMIZERS["sgd"]).subject)
    snapshots.take(4, {})
    calls: list[Callable[[], Any]] = [
        lambda: snapshots.restore(3, everything=False),
        lambda: snapshots.drop(3),
        lambda: snapshots.weights(3),
    ]
    for call in calls:
        with pytest.raises(AdapterError, match=r"label must be .*: \(4,\); got 3"):
            call()
    with pytest.raises(AdapterError, match=r"take\.label must be an int >= 0"):
        snapshots.take(-1, {})


def test_a_snapshot_of_another_run_changes_nothing(tmp_path: Path) -> None:
    world = World(OPTIMIZERS["adam"])
    DiskSnapshots(tmp_path, world.subject).take(0, {})

    def refused(subject: Subject, message: str) -> None:
        before = bits([dict(one.items()) for one in (subject.parameters(),)])
        with pytest.raises(AdapterError, match=message):
            DiskSnapshots(tmp_path, subject).restore(0, everything=False)
        assert bits([dict(one.items()) for one in (subject.parameters(),)]) == before

    other = nn.Linear(2, 2)
    sgd = torch.optim.SGD(other.parameters())
    refused(Subject(other, sgd), r"model must have the parameter .* of the snapshot")
    world.net.wide = nn.Parameter(torch.ones(3, 3))
    refused(world.subject, r"wide must be of shape \(6, 4\).*got '\(3, 3\)")
    again = World(OPTIMIZERS["adam"])
    del again.net.calls
    refused(again.subject, r"model must have the buffer calls")
    again = World(OPTIMIZERS["adam"])
    again.optimizer.param_groups.pop()
    refused(again.subject, r"groups of \[5, 1\] parameters.*got \[5\]")


def test_a_scaler_that_the_snapshot_lacks(store: Store) -> None:
    world = World(OPTIMIZERS["sgd"])
    snapshots = store(Subject(world.net, world.optimizer))
    snapshots.take(0, {})
    snapshots.subject = world.subject
    with pytest.raises(AdapterError, match=r"Subject\.scaler must be left out"):
        snapshots.restore(0, everything=False)
    snapshots.subject = Subject(world.net, world.optimizer, data=world.data)
    snapshots.restore(0, everything=False)
    with pytest.raises(AdapterError, match=r"Subject\.data must be left out"):
        snapshots.restore(0, everything=True)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Subject("net", None), r"Subject\.model must be .*; got 'net'"),  # type: ignore[arg-type]
        (lambda: Subject([], None), r"Subject\.model must be .*; got \[\]"),
        (lambda: Subject(None, None, scaler=3), r"scaler must have state_dict"),
        (lambda: Subject(None, None, data=[1]), r"data must have state_dict"),
        (lambda: Subject(None, 3).parameters(), r"optimizer must be .*; got 'int'"),
        (
            lambda: Subject(nn.LazyLinear(2), None).parameters(),
            r"weight must have values; .*forward pass",
        ),
        (
            lambda: Subject(nn.Linear(2, 2, device="meta"), None).parameters(),
            r"weight must have values; .*to a device",
        ),
        (lambda: DiskSnapshots(3, Subject(None, None)), r"folder must be the path"),  # type: ignore[arg-type]
        (
            lambda: DiskSnapshots(__file__, Subject(None, None)),
            r"folder must be a folder that can be written",
        ),
    ],
)
def test_bad_input(make: Callable[[], Any], message: str) -> None:
    with pytest.raises(AdapterError, match=message):
        make()


def test_state_that_cannot_be_held(tmp_path: Path) -> None:
    weight = nn.Parameter(torch.ones(2))
    optimizer = torch.optim.SGD([weight])
    optimizer.state[weight] = {"set": {1, 2}}
    subject = Subject(None, optimizer)
    snapshots = MemorySnapshots(subject)
    snapshots.take(0, {})
    optimizer.state[weight]["set"].add(3)
    snapshots.restore(0, everything=False)
    assert optimizer.state[weight]["set"] == {1, 2}
    with pytest.raises(AdapterError, match=r"\['set'\] must .* written to a file"):
        DiskSnapshots(tmp_path, subject).take(0, {})
    optimizer.state[weight]["set"] = (one for one in "ab")
    with pytest.raises(AdapterError, match=r"must be something that can be copied"):
        snapshots.take(0, {})
