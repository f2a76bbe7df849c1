"""What the hosts have on disk: each rate under the number of its update, and events."""

import json
import struct
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.adapters.recording import without

import stepsize as ss
from stepsize.adapters.torch import Scheduler
from stepsize.errors import LedgerError
from stepsize.sinks.reading import Reader

STEPS = 6


def make() -> tuple[Any, Any]:
    groups = [
        {"params": [torch.nn.Parameter(torch.ones(1))], "name": "encoder", "lr": 0.1},
        {"params": [torch.nn.Parameter(torch.ones(1))], "lr": 0.5},
    ]
    optimizer = torch.optim.SGD(groups, lr=0.1, momentum=0.5)
    scheduler = Scheduler(
        optimizer,
        lr_factor=ss.warmup(2) >> ss.cosine(),
        total_steps=STEPS,
        hyperparameters={"momentum": 0.9 * ss.linear(to=0.5)},
        replace=True,
    )
    return optimizer, scheduler


def train(sink: Any, *, resumed: Any = None) -> tuple[list[dict[str, float]], Any]:
    """Make the run, or its second half; return the values that were used."""
    optimizer, scheduler = make()
    if resumed is not None:
        scheduler.load_state_dict(resumed)
    used: list[dict[str, float]] = []

    def keep(optimizer: Any, *args: Any) -> None:
        first, second = optimizer.param_groups
        used.append(
            {
                "lr/encoder": first["lr"],
                "lr/1": second["lr"],
                "momentum/encoder": first["momentum"],
                "momentum/1": second["momentum"],
            }
        )

    optimizer.register_step_pre_hook(keep)
    for update in range(scheduler.update, STEPS):
        if update == 3 and resumed is None:
            scheduler.cooldown(2, reason="two hours left", source="operator:ada")
        if update == 5:
            scheduler.scale(0.5)
        optimizer.step()
        scheduler.step()
        sink.log(scheduler)
        sink.log(scheduler)  # says nothing twice
    return used, scheduler


COOLDOWN = (
    "update 3: cooldown(steps=2, to=0.0, shape='1-sqrt') by operator:ada: "
    "two hours left"
)
SCALE = "update 5: scale(factor=0.5, over=0) by operator"


# --- the reader ----------------------------------------------------------------------


class Kept:
    """A sink that keeps what a reader says."""

    def __init__(self) -> None:
        self.reader = Reader()
        self.values: dict[int, dict[str, float]] = {}
        self.events: list[tuple[str, int]] = []

    def log(self, source: Any) -> None:
        values = self.reader.values(source)
        if values:
            self.values[source.update - 1] = values
        self.events += [(one.kind, one.update) for one in self.reader.events(source)]


def test_every_update_is_told_once_with_what_it_used() -> None:
    sink = Kept()
    used, _ = train(sink)
    assert sink.values == dict(enumerate(used))
    assert sink.events == [("cooldown", 3), ("scale", 5)]


def test_before_the_first_update_there_is_nothing_to_tell() -> None:
    sink = Kept()
    sink.log(make()[1])
    assert sink.values == {}


def test_a_resumed_run_does_not_tell_again_what_was_told() -> None:
    _, scheduler = train(Kept())
    state = scheduler.state_dict()
    state["update"] = 4
    state["events"] = [event for event in state["events"] if event["update"] < 4]
    sink = Kept()
    train(sink, resumed=state)
    assert list(sink.values) == [4, 5]
    assert sink.events == [("scale", 5)]


def test_groups_without_a_name_of_their_own_go_by_their_index() -> None:
    names = ["", "same", "same", "own"]
    groups = [
        {"params": [torch.nn.Parameter(torch.ones(1))], "name": name} for name in names
    ]
    optimizer = torch.optim.SGD(groups, lr=0.1)
    scheduler = Scheduler(optimizer, lr=0.1, total_steps=2)
    optimizer.step()
    sink = Kept()
    sink.log(scheduler)
    assert list(sink.values[0]) == ["lr/0", "lr/1", "lr/2", "lr/own"]


def test_a_driver_is_a_source_too() -> None:
    from stepsize.adapters.driving import Driver

    sink = Kept()
    driver = Driver(lr_factor=ss.linear(), total_steps=4, groups={"a": 0.1, "b": 0.2})
    for _ in range(2):
        driver.step()
        sink.log(driver)
    assert sink.values == {
        0: {"lr/a": 0.1, "lr/b": 0.2},
        1: {"lr/a": 0.1 * 0.75, "lr/b": 0.2 * 0.75},
    }


# --- the hosts -----------------------------------------------------------------------


@pytest.mark.peers
def test_tensorboard(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from torch.utils.tensorboard import SummaryWriter

    from stepsize.sinks.tensorboard import TensorBoardSink

    with SummaryWriter(str(tmp_path)) as writer:
        used, scheduler = train(TensorBoardSink(writer))
    found = EventAccumulator(str(tmp_path)).Reload()
    tags = ["lr/encoder", "lr/1", "momentum/encoder", "momentum/1"]
    assert sorted(found.Tags()["scalars"]) == sorted(tags)
    for tag in tags:
        rows = [(row.step, row.value) for row in found.Scalars(tag)]
        values = [one[tag] for one in used]
        assert [step for step, _ in rows] == list(range(STEPS))
        assert [value for _, value in rows] == pytest.approx(values, rel=1e-6)

    def text(tag: str) -> list[tuple[int, str]]:
        rows = found.Tensors(f"{tag}/text_summary")
        return [(row.step, row.tensor_proto.string_val[0].decode()) for row in rows]

    assert text("stepsize/events") == [(3, COOLDOWN), (5, SCALE)]
    [(step, schedule)] = text("stepsize/schedule")
    assert step == 0
    assert schedule.startswith("Scheduler(lr_factor=warmup(2) >> decay(")
    assert scheduler.update == STEPS


@pytest.fixture
def mlflow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")  # nothing to install for it
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import mlflow

    mlflow.set_tracking_uri((tmp_path / "runs").as_uri())
    return mlflow


@pytest.mark.peers
@pytest.mark.filterwarnings("ignore::FutureWarning")  # of its file store
def test_mlflow(mlflow: Any) -> None:
    from stepsize.sinks.mlflow import MlflowSink

    with pytest.raises(LedgerError, match=r"run_id must be given, or a run be active"):
        MlflowSink()
    with mlflow.start_run() as run:
        used, scheduler = train(MlflowSink())
    client, run_id = mlflow.MlflowClient(), run.info.run_id
    for name in used[0]:
        rows = client.get_metric_history(run_id, name)
        found = [(row.step, row.value) for row in rows]
        assert found == [(step, one[name]) for step, one in enumerate(used)]
    data = client.get_run(run_id).data
    assert data.params == {}
    assert data.tags["stepsize.event.0"] == COOLDOWN
    assert data.tags["stepsize.event.1"] == SCALE
    assert data.tags["stepsize.schedule"].startswith("Scheduler(lr_factor=warmup(2)")
    text = mlflow.artifacts.load_text(f"{run.info.artifact_uri}/stepsize/events.jsonl")
    events = [ss_event(line) for line in text.splitlines()]
    assert tuple(events) == scheduler.events

    other = client.create_run(run.info.experiment_id).info.run_id
    train(MlflowSink(other))
    assert len(client.get_metric_history(other, "lr/1")) == STEPS


@pytest.mark.peers
@pytest.mark.filterwarnings("ignore::FutureWarning")  # of its file store
def test_mlflow_allows_few_characters_in_a_name(mlflow: Any) -> None:
    from stepsize.sinks.mlflow import MlflowSink

    names = ["größe, 1", "a//b", "/c", "../d", "n" * 600]
    optimizer = torch.optim.AdamW(
        [{"params": [torch.nn.Parameter(torch.ones(1))], "name": one} for one in names]
    )
    scheduler = Scheduler(optimizer, lr=0.1, hyperparameters={"betas[0]": 0.8})
    optimizer.step()
    with mlflow.start_run() as run:
        MlflowSink().log(scheduler)
    metrics = mlflow.MlflowClient().get_run(run.info.run_id).data.metrics
    shown = ["größe_ 1", "a/_/b", "_/c", "_/d"]
    wanted = {f"lr/{one}": 0.1 for one in shown}
    wanted |= {f"betas_0_/{one}": 0.8 for one in shown}
    wanted |= {"lr/" + "n" * 247: 0.1, "betas_0_/" + "n" * 241: 0.8}
    assert metrics == wanted


def ss_event(line: str) -> Any:
    from stepsize.control import Event

    return Event.from_dict(json.loads(line))


@pytest.mark.peers
def test_wandb_offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_SILENT", "true")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import wandb

        run = wandb.init(mode="offline", dir=tmp_path, project="stepsize")
    from stepsize.sinks.wandb import WandbSink

    used, _ = train(WandbSink(run))
    assert run.config.keys() == []
    run.finish()
    wandb.teardown()  # its service has written all then
    [path] = tmp_path.glob("wandb/offline-*/*.wandb")
    found = list(records(path.read_bytes()))
    rows = [row for kind, row in found if kind == "history"]
    values = [row for row in rows if "lr/1" in row]
    assert [row["stepsize/update"] for row in values] == list(range(STEPS))
    assert [{name: row[name] for name in used[0]} for row in values] == used
    events = [row for row in rows if "stepsize/event" in row]
    assert [(row["stepsize/update"], row["stepsize/event"]) for row in events] == [
        (3, COOLDOWN),
        (5, SCALE),
    ]
    axes = {row["glob"]: row["axis"] for kind, row in found if kind == "metric"}
    assert axes["lr/*"] == axes["momentum/*"] == "stepsize/update"


def records(content: bytes) -> Iterator[tuple[str, dict[str, Any]]]:
    """Read the log of an offline run: blocks of 32 KiB, of the format of LevelDB."""
    from wandb.proto import wandb_internal_pb2

    block, at, body = 1 << 15, 7, b""
    while at + 7 <= len(content):
        if block - at % block < 7:
            at += block - at % block
            continue
        size, part = struct.unpack_from("<HB", content, at + 4)
        body += content[at + 7 : at + 7 + size]
        at += 7 + size
        if part in (1, 4):  # whole, or the last part
            record = wandb_internal_pb2.Record()
            record.ParseFromString(body)
            body = b""
            kind = record.WhichOneof("record_type")
            if kind == "history":
                items = record.history.item
                keys = [item.key or "/".join(item.nested_key) for item in items]
                yield (
                    kind,
                    {
                        key: json.loads(item.value_json)
                        for key, item in zip(keys, items, strict=True)
                    },
                )
            elif kind == "metric":
                axis = record.metric.step_metric
                yield kind, {"glob": record.metric.glob_name, "axis": axis}


@pytest.mark.parametrize(("host", "module"), [("mlflow", "MLflow")], ids=str)
def test_missing_framework_is_named(host: str, module: str) -> None:
    assert without(host, f"stepsize.sinks.{host}") == (
        f"stepsize.errors.FrameworkMissingError: {module} cannot be imported. "
        f"hint: pip install 'stepsize[{host}]'."
    )


def test_sinks_of_given_objects_need_no_framework() -> None:
    import stepsize.sinks.tensorboard
    import stepsize.sinks.wandb

    made: Callable[[Any], Any]
    for made in (
        stepsize.sinks.tensorboard.TensorBoardSink,
        stepsize.sinks.wandb.WandbSink,
    ):
        assert made(object()) is not None
