"""Runs are read from every kind of file, and what is wrong with one is said."""

import json
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import stepsize as ss
from stepsize.errors import FitError
from stepsize.ledger import Ledger
from stepsize.planner.records import read_run, read_runs

STEPS = [100, 200, 300, 400]
RATES = [1e-3, 1e-3, 1e-3, 5e-4]
LOSSES = [4.0, 3.5, 3.2, 3.0]


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def rows(**more: list[Any]) -> list[dict[str, Any]]:
    columns = {"step": STEPS, "lr": RATES, "loss": LOSSES} | more
    return [
        dict(zip(columns, values, strict=True))
        for values in zip(*columns.values(), strict=True)
    ]


def csv_of(listed: list[dict[str, Any]]) -> str:
    lines = [",".join(listed[0])]
    lines += [",".join(str(value) for value in row.values()) for row in listed]
    return "\n".join(lines) + "\n"


def test_a_decimal_comma_is_named(tmp_path: Path) -> None:
    path = write(tmp_path, "run.csv", "step;lr;loss\n100;0,001;4,0\n200;0,001;3,5\n")
    with pytest.raises(FitError, match=r"with a decimal point; got '0,001'"):
        read_run(path)


METRICS = [
    {"key": key, "value": value, "step": step, "timestamp": 0}
    for key, values in (("loss", LOSSES), ("lr", RATES))
    for step, value in zip(STEPS, values, strict=True)
]
FILES = {
    "run.csv": csv_of(rows()),
    "bom.csv": "\ufeff" + csv_of(rows()),
    "semicolons.csv": csv_of(rows()).replace(",", ";"),
    "tabs.tsv": csv_of(rows()).replace(",", "\t"),
    "wandb.csv": "Step,quiet-1 - loss,quiet-1 - loss__MIN,quiet-1 - lr\n"
    + "".join(
        f"{at},{loss},{loss},{lr}\n"
        for at, loss, lr in zip(STEPS, LOSSES, RATES, strict=True)
    ),
    "rows.json": json.dumps(rows()),
    "columns.json": json.dumps({"step": STEPS, "lr": RATES, "loss": LOSSES}),
    "trainer.json": json.dumps({"log_history": rows(), "epoch": 1}),
    "mlflow.csv": "run_id,key,value,step,timestamp\n"
    + "".join(f"a1,{m['key']},{m['value']},{m['step']},0\n" for m in METRICS),
    "mlflow.json": json.dumps(METRICS),
    "mlflow.jsonl": "\n".join(map(json.dumps, METRICS)),
    "lines.jsonl": "\n".join(map(json.dumps, rows())) + "\n\n",
}


@pytest.mark.parametrize("name", FILES)
def test_forms(tmp_path: Path, name: str) -> None:
    curve = read_run(write(tmp_path, name, FILES[name]))
    assert curve.steps.tolist() == STEPS
    assert curve.losses.tolist() == LOSSES
    assert curve.rates[[0, 100, 350, 400]].tolist() == [1e-3, 1e-3, 7.5e-4, 5e-4]
    assert curve.name == name


def test_tensorboard(tmp_path: Path) -> None:
    writers = pytest.importorskip(
        "tensorboard.summary.writer.event_file_writer", reason="needs tensorboard"
    )
    events = import_module("tensorboard.compat.proto.event_pb2")
    summaries = import_module("tensorboard.compat.proto.summary_pb2")

    writer = writers.EventFileWriter(str(tmp_path))
    for row in rows():
        for tag in ("loss", "lr"):
            value = summaries.Summary.Value(tag=tag, simple_value=row[tag])
            summary = summaries.Summary(value=[value])
            event = events.Event(step=row["step"], summary=summary)
            writer.add_event(event)
    writer.close()
    curve = read_run(tmp_path)
    assert curve.steps.tolist() == STEPS
    assert curve.losses == pytest.approx(LOSSES)
    assert curve.rates[400] == pytest.approx(5e-4)


@pytest.mark.parametrize(
    "text",
    [
        "Step,one - loss,two - loss,one - lr\n0,4,5,0.1\n50,3.5,4,0.1\n99,3,4,0.1\n",
        "run_id,key,value,step\none,loss,4,0\none,loss,3.5,50\none,loss,3,99\n"
        "two,loss,5,0\n",
    ],
)
def test_several_runs_in_a_file_are_not_mixed(tmp_path: Path, text: str) -> None:
    path = write(tmp_path, "both.csv", text)
    with pytest.raises(FitError, match=r"column 'val_loss'; got '.*two - loss"):
        read_run(path)
    schedule = ss.hold().resolve(total_steps=100)
    curve = read_run(path, loss="one - loss", schedule=schedule)
    assert curve.losses.tolist() == [4.0, 3.5, 3.0]


def cooldown(folder: Path) -> Path:
    """Write a run that branched off at update 300, its first rate read at 400."""
    listed: list[dict[str, Any]] = [
        {"step": 300, "lr": "", "loss": 3.2},
        {"step": 400, "lr": 0.05, "loss": 2.9},
        {"step": 500, "lr": 0.0, "loss": 2.8},
    ]
    return write(folder, "probe.csv", csv_of(listed))


def test_a_branched_run_has_the_rates_of_the_run_it_branched_off(
    tmp_path: Path,
) -> None:
    trunk: list[dict[str, Any]] = [
        {"step": t, "lr": 0.1, "loss": 4 - t / 1000} for t in range(0, 800, 100)
    ]
    low = [row | {"lr": 0.01} for row in trunk]
    high = [row | {"lr": 0.3} for row in trunk]
    paths = [
        write(tmp_path, f"{name}.csv", csv_of(listed))
        for name, listed in (("low", low), ("high", high), ("trunk", trunk))
    ]
    curve = read_runs([*paths[:2], cooldown(tmp_path), paths[2]])[2]
    assert curve.rates[[0, 299, 300, 350, 400, 500]] == pytest.approx(
        [0.1, 0.1, 0.1, 0.075, 0.05, 0.0]
    )
    assert curve.repairs == ("its rates before update 300 are those of trunk.csv",)


def test_a_branched_run_without_the_run_it_branched_off(tmp_path: Path) -> None:
    probe = cooldown(tmp_path)
    with pytest.raises(FitError, match=r"known from update 0.*no other run.*branched"):
        read_run(probe)
    early = [row | {"step": row["step"] // 2} for row in rows()]
    short = write(tmp_path, "short.csv", csv_of(early))
    with pytest.raises(FitError, match=r"no other run that reaches it"):
        read_runs([short, probe])
    lower = write(tmp_path, "lower.csv", csv_of(rows()))
    with pytest.raises(FitError, match=r"other rates there"):
        read_runs([lower, probe])
    schedule = (0.1 * ss.linear()).resolve(total_steps=500)
    assert read_run(probe, schedule=schedule).rates[0] == 0.1


def test_a_begin_without_rates_is_filled_in_and_said(tmp_path: Path) -> None:
    curve = read_run(write(tmp_path, "run.csv", csv_of(rows())))
    assert curve.rates[0] == 1e-3
    assert curve.repairs == (
        "no rate was logged before update 100; that of this update was taken",
    )
    whole = csv_of([{"step": 0, "lr": 0.0, "loss": 9.0}, *rows()])
    curve = read_run(write(tmp_path, "whole.csv", whole))
    assert curve.rates[50] == pytest.approx(5e-4)
    assert curve.repairs == ()


def test_schedules_are_one_for_each_run(tmp_path: Path) -> None:
    path = write(tmp_path, "run.csv", csv_of([{"step": 5, "loss": 1.0}]))
    one = (0.1 * ss.linear()).resolve(total_steps=10)
    two = (0.2 * ss.linear()).resolve(total_steps=10)
    curves = read_runs([path, path], schedules=[one, two])
    assert [curve.rates[0] for curve in curves] == [0.1, 0.2]
    with pytest.raises(FitError, match=r"one for each run \(unit: runs, 2 of them\)"):
        read_runs([path, path], schedules=[one])


def test_rates_from_a_schedule(tmp_path: Path) -> None:
    path = write(tmp_path, "run.csv", csv_of([{"step": 5, "loss": 1.0}] * 1))
    schedule = (0.1 * ss.linear()).resolve(total_steps=10)
    curve = read_run(path, schedule=schedule)
    assert curve.rates == pytest.approx(schedule.block(0, 6))


def test_rows_without_a_loss_are_no_points(tmp_path: Path) -> None:
    listed = rows()
    listed[1]["loss"] = ""
    curve = read_run(write(tmp_path, "run.csv", csv_of(listed)))
    assert curve.steps.tolist() == [100, 300, 400]


def test_named_columns(tmp_path: Path) -> None:
    listed = [{"t": r["step"], "ppl": r["loss"], "eta": r["lr"]} for r in rows()]
    path = write(tmp_path, "run.csv", csv_of(listed))
    curve = read_run(path, step="t", loss="ppl", rate="eta")
    assert curve.losses.tolist() == LOSSES
    with pytest.raises(FitError, match=r"column 'step'; got 't, ppl, eta'"):
        read_run(path)


def test_validation_and_training_are_not_mixed(tmp_path: Path) -> None:
    both = rows(val_loss=[x + 0.1 for x in LOSSES])
    path = write(tmp_path, "run.csv", csv_of(both))
    with pytest.raises(FitError, match=r"not mixed; got 'val_loss and loss'"):
        read_run(path)
    curve = read_run(path, loss="val_loss")
    assert curve.losses == pytest.approx(np.array(LOSSES) + 0.1)


def test_runs_of_two_kinds_of_loss_are_not_mixed(tmp_path: Path) -> None:
    trained = write(tmp_path, "trained.csv", csv_of(rows()))
    valid = write(tmp_path, "valid.csv", csv_of(rows()).replace("loss", "eval_loss"))
    with pytest.raises(FitError, match=r"valid\.csv\.losses must be of one kind"):
        read_runs([trained, valid])
    assert len(read_runs([valid, valid])) == 2


def test_a_loss_that_is_not_a_number_is_said(tmp_path: Path) -> None:
    text = csv_of(rows()).replace("3.2", "nan")
    with pytest.raises(FitError, match=r"finite and > 0; at step 300"):
        read_run(write(tmp_path, "run.csv", text))


@pytest.mark.parametrize("said", ["Infinity", "NaN", 10**400, "broken"])
def test_a_loss_that_is_not_finite_in_json_is_said(tmp_path: Path, said: Any) -> None:
    listed = rows()
    listed[2]["loss"] = said
    with pytest.raises(FitError, match=r"finite and > 0; at step 300"):
        read_run(write(tmp_path, "run.json", json.dumps(listed)))


def test_numbers_as_text_in_json_are_numbers(tmp_path: Path) -> None:
    listed = [{name: str(value) for name, value in row.items()} for row in rows()]
    curve = read_run(write(tmp_path, "run.json", json.dumps(listed)))
    assert curve.losses.tolist() == LOSSES


LONG = "step,loss,lr\n" + "".join(f"{step},3,1\n" for step in range(9))


@pytest.mark.parametrize(
    ("name", "text", "match"),
    [
        ("a.csv", "step,loss,lr\n", r"a header and at least one row"),
        ("a.csv", "step,loss,lr\n1,2\n", r"3 fields a row; row 2 has not"),
        ("a.csv", "step,lr\n1,2\n", r"have a column 'val_loss'"),
        ("a.csv", "step,loss\n100,2\n", r"no column of them is there.*--run-schedule"),
        ("a.csv", "step,loss,lr\n100,2,\n", r"have the rates"),
        ("a.csv", "step,loss,lr\n1,,0.1\n", r"both a step and a loss"),
        ("a.csv", "step,loss,lr\n1,3,0.1\n900,2,0.1\n", r"at least every 25%"),
        ("a.csv", "step,loss,lr\n1,3,inf\n2,2,0.1\n", r"rates must be finite"),
        ("a.csv", "step,loss,lr\n0,3,0.1\n", r"a\.csv\.steps must reach 1"),
        ("a.csv", "step,loss,lr\n0,3,1\n2x0,3,1\n", r"row 2 of those .* is not"),
        ("a.csv", LONG.replace("4,3,", "4,abc,"), r"losses must .*at step 4 it is not"),
        ("a.csv", LONG.replace("4,3,1", "4,3,abc"), r"rates must .*at step 4 it is"),
        ("a.csv", LONG + f"9,3,{'1' * 200_000}\n", r"is no CSV: field larger"),
        ("a.csv", LONG + "2000000000,3,1\n", r"at most 100,000,000 .*in tokens"),
        ("a.csv", LONG.replace("lr", "eta"), r"no column of them.*with --rate"),
        ("a.json", "{", r"is no JSON"),
        ("a.json", "[" + "1" * 5000 + "]", r"is no JSON"),
        ("a.jsonl", '{"step": 1, "loss": 3}\n{"st', r"line 2 of .* is no JSON"),
        ("a.json", "3", r"a list of rows"),
        ("a.json", '{"a": [1], "b": [1, 2]}', r"a list of rows"),
    ],
)
def test_what_is_wrong_is_said(
    tmp_path: Path, name: str, text: str, match: str
) -> None:
    with pytest.raises(FitError, match=match):
        read_run(write(tmp_path, name, text))


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FitError, match=r"cannot be read: .*No such file"):
        read_run(tmp_path / "none.csv")
    with pytest.raises(FitError, match=r"cannot be read"):
        read_run(write_bytes(tmp_path / "a.csv", b"\xff\xfe\x00"))


def write_bytes(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def test_a_ledger_gives_losses_and_the_exact_rates_of_all_updates(
    tmp_path: Path,
) -> None:
    torch = pytest.importorskip("torch")
    adapter = import_module("stepsize.adapters.torch")
    weight = torch.nn.Parameter(torch.ones(1))
    sgd = torch.optim.SGD([weight], lr=0.1)
    folder = tmp_path / "seven"
    ledger = Ledger(folder, metrics_every=7)
    scheduler = adapter.Scheduler(
        sgd, lr=0.1 * ss.cosine(), total_steps=100, ledger=ledger
    )
    used, losses = [], []
    for update in range(60):
        if update == 33:
            scheduler.scale(0.5, reason="a test")
        sgd.zero_grad()
        loss = weight.square().sum()
        loss.backward()
        used.append(sgd.param_groups[0]["lr"])
        losses.append(float(loss.detach()))
        sgd.step()
        scheduler.step(loss=loss)
    scheduler.close()
    for place in (folder, str(folder / "ledger.jsonl")):
        curve = read_run(place)
        assert curve.steps.tolist() == list(range(0, 60, 7))
        assert curve.losses == pytest.approx([losses[step] for step in curve.steps])
        assert curve.rates.tolist() == used[: len(curve.rates)]
    with pytest.raises(FitError, match="'mood'"):
        read_run(folder, loss="mood")


def test_a_validation_beside_the_scheduler_s_own_record_is_kept(
    tmp_path: Path,
) -> None:
    with Ledger(tmp_path) as ledger:
        for update in range(0, 50, 10):
            ledger.metric(update, val_loss=3.0 - update / 100)
            ledger.metric(update, rates={"lr": [0.1]}, loss=2.0)
        ledger.metric(40, val_loss=2.5)  # made again after a resume
    curve = read_run(tmp_path, loss="val_loss", rate="lr")
    assert curve.losses == pytest.approx([3.0, 2.9, 2.8, 2.7, 2.5])
    assert set(curve.rates) == {0.1}


def test_a_ledger_without_measurements_is_refused(tmp_path: Path) -> None:
    Ledger(tmp_path).note("nothing yet")
    with pytest.raises(FitError, match="have measurements in it"):
        read_run(tmp_path)
