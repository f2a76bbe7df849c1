"""Each part of the benchmarks runs, small, and measures what it says it does."""

import json
import math
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest
import torch
from benchmarks import __main__ as command
from benchmarks import (
    adapters,
    formulas,
    imports,
    ledger,
    loops,
    measure,
    population,
    results,
    steps,
)
from benchmarks import values as array_values
from benchmarks.show import WIDTH, console, show

OWN = ("hand-written", "stepsize", "torch CosineAnnealingLR")
CASES = {case.name: case for case in formulas.cases(24_000, 20)}


class ProfiledOptimizer(torch.optim.Optimizer):
    """An optimizer without update whose step torch wraps, as it wraps every one."""

    def __init__(self) -> None:
        super().__init__([torch.nn.Parameter(torch.zeros(1))], {"lr": 0.1})

    def step(self, closure: None = None) -> None:  # type: ignore[override]
        return None


@pytest.mark.parametrize("name", CASES)
def test_hand_written_formulas_equal_ours(name: str) -> None:
    case, ordered = CASES[name], np.arange(24_000)
    array_values.compare(case, ordered, np.random.default_rng(1).permutation(24_000))


def test_a_wrong_formula_is_found() -> None:
    case = CASES["warmup, cosine"]
    start, stop, rise = case.spans[0]
    spans = [(start, stop, lambda t: rise(t) + 1e-11 * formulas.PEAK), case.spans[1]]
    wrong = formulas.Case(case.name, case.schedule, spans, case.any_order)
    ordered = np.arange(24_000)
    with pytest.raises(RuntimeError, match=r"warmup, cosine, ours: off by 1e-11"):
        array_values.compare(wrong, ordered, ordered[::-1])


def test_spans_leave_no_gap() -> None:
    for case in CASES.values():
        stops = [0, *(stop for _, stop, _ in case.spans)]
        assert [start for start, _, _ in case.spans] == stops[:-1]
        assert stops[-1] == 24_000


@pytest.mark.parametrize("own_rates", [False, True])
def test_all_loops_write_the_same_rates(*, own_rates: bool) -> None:
    written = {}
    for name in OWN:
        optimizer = loops.FreeOptimizer(3, own_rates=own_rates)
        loops.LOOPS[name](optimizer, 50, own_rates=own_rates)(0, 20)
        written[name] = [group["lr"] for group in optimizer.param_groups]
    for rates in written.values():
        assert rates == pytest.approx(written["hand-written"], rel=1e-12)


def test_a_loop_that_writes_something_else_is_found() -> None:
    optimizer = loops.FreeOptimizer(1)
    with pytest.raises(RuntimeError, match=r"other wrote 0\.1 instead of"):
        steps.check_rates("other", optimizer, 10, 50, own_rates=False)


def test_free_optimizer_calls_hooks_as_torch_does() -> None:
    calls: list[list[tuple[int, object]]] = []
    for optimizer in (loops.FreeOptimizer(1), ProfiledOptimizer()):
        seen: list[tuple[int, object]] = []

        def hook(given: object, args: object, kwargs: object) -> None:
            assert isinstance(args, tuple)
            assert given is optimizer  # noqa: B023 - called in this round
            assert args[0] is optimizer  # noqa: B023
            seen.append((len(args), kwargs))  # noqa: B023

        optimizer.register_step_pre_hook(hook)
        optimizer.register_step_post_hook(hook)
        optimizer.step()
        calls.append(seen)
    assert calls == [[(1, {}), (1, {})]] * 2


def test_contenders_take_turns_and_rounds_end() -> None:
    order: list[str] = []
    work = {name: lambda name=name: order.append(name) for name in "abc"}
    times = measure.interleaved(work, rounds=4, seconds=60)
    assert "".join(order) == "abcbcacababc"
    assert {len(one) for one in times.values()} == {4}
    few = measure.interleaved(work, rounds=1000, seconds=0)
    assert {len(one) for one in few.values()} == {measure.LEAST_ROUNDS}


def test_steps_run() -> None:
    part = steps.run(
        [(1, False), (64, False)], names=OWN, updates=8, rounds=2, refills=2
    )
    assert [table.title[:15] for table in part.tables[:2]] == [
        "1 param group",
        "64 param groups",
    ]
    assert [row[0] for row in part.tables[0].rows] == list(OWN)
    assert len(part.aims) == 3


def test_values_run() -> None:
    part = array_values.run(total=24_000, cycles=20, rounds=2, peers=False)
    assert [row[0] for row in part.tables[0].rows] == list(CASES)
    assert len(part.aims) == 2 * len(CASES)


def test_the_ledger_is_measured_in_a_file_and_in_a_training() -> None:
    assert "ledger" in command.PARTS
    part = ledger.run(records=2000, updates=50, rounds=2)
    names = [row[0] for table in part.tables for row in table.rows]
    assert names == [
        "written in thousands, a record",
        "a million read",
        "a million verified",
        "one record, synced: median",
        "one record, synced: p99",
        "looks for commands",
        "looks, rates and losses",
        "the same, of a step of 1 ms",
    ]
    file, added = ([float(row[1] or "nan") for row in one.rows] for one in part.tables)
    assert all(value > 0 for value in file)
    assert all(map(math.isfinite, added))
    assert [one.what for one in part.aims] == [
        "a million records read",
        "looks for commands",
        "ledger and looks, of a step of 1 ms",
    ]


def test_imports_run() -> None:
    part = imports.run(rounds=1)
    assert [row[0] for row in part.tables[0].rows] == ["pass", *imports.STATEMENTS]


def test_population_runs() -> None:
    part = population.run([4], repeats=1, updates=3)
    assert part.tables[0].rows[0][0] == "4"
    assert part.aims[0].limit == 5


@pytest.mark.peers
def test_steps_run_with_peers() -> None:
    part = steps.run([(2, False), (2, True)], updates=8, rounds=2, refills=1)
    assert [row[0] for row in part.tables[0].rows] == list(loops.LOOPS)


@pytest.mark.peers
def test_values_run_with_peers() -> None:
    part = array_values.run(total=24_000, cycles=20, rounds=2)
    rows = {row[0]: row for row in part.tables[1].rows}
    assert rows.keys() == {*CASES, "2 cycles, equal"}
    assert rows["2 cycles, equal"][3] is not None


@pytest.mark.peers
def test_adapters_run() -> None:
    part = adapters.run(["keras-torch", "ignite"], updates=20, rounds=3)
    (_, adds, rest, own), (_, other, *none) = part.tables[0].rows
    for time in (adds, rest, own, other):
        assert isinstance(time, float)
        assert time > 0
    assert none == [None, None]
    assert [aim.value for aim in part.aims] == [rest, other]


def test_aims_say_whether_they_are_met() -> None:
    slow = results.Aim("a step", 1.5, 1, "us")
    assert str(slow) == "NOT MET a step: 1.5 us (aim <= 1 us)"
    fast = results.Aim("42 members", 5.9, 5, "times", at_least=True)
    assert str(fast) == "met     42 members: 5.9 times (aim >= 5 times)"


def test_tables_fit_into_100_columns(capsys: pytest.CaptureFixture[str]) -> None:
    part = array_values.run(total=24_000, cycles=20, rounds=1, peers=False)
    show(part, console())
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= WIDTH
    assert any("20 cycles, stretched" in line for line in lines)


def test_file_has_what_was_found(tmp_path: Path) -> None:
    columns = (results.Column("a"), results.Column("b", ".1f"))
    table = results.Table("t", columns, (("one", 0.25), ("two", None)))
    aim = results.Aim("it", 1.0, 2.0, "s")
    part = results.Part("steps", "title", (table,), (aim,), ("note",))
    command.save([part], results.environment(), tmp_path / "found.json")
    found = json.loads((tmp_path / "found.json").read_text())
    assert found["parts"] == [part.to_dict()]
    rows = found["parts"][0]["tables"][0]["rows"]
    assert rows == [{"a": "one", "b": 0.25}, {"a": "two", "b": None}]
    assert found["parts"][0]["aims"][0]["met"] is True
    assert found["environment"]["packages"]["torch"] == metadata.version("torch")


@pytest.mark.slow
def test_command_runs_a_part(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command.main(["imports", "--json", str(tmp_path / "found.json")])
    assert "of 2 aims met" in capsys.readouterr().out
    found = json.loads((tmp_path / "found.json").read_text())
    assert [part["name"] for part in found["parts"]] == ["imports"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["stepz"], "no such part: stepz"),
        (["steps", "--json", "nowhere/found.json"], "there is no such folder"),
    ],
)
def test_command_refuses(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        command.main(arguments)
    assert message in capsys.readouterr().err
