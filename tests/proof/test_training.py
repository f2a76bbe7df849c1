"""Runs from a store and an engine that counts what it is asked for."""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path

import pytest

import stepsize as ss
from stepsize.errors import ProofError
from stepsize.proof import compare
from stepsize.proof.arms import Arm, select
from stepsize.proof.cells import Planned, Returned
from stepsize.proof.engines import Advance, Batch
from stepsize.proof.fingerprint import Fingerprint
from stepsize.proof.functions import TrainFunction
from stepsize.proof.store import RUNS, Store
from stepsize.proof.training import Training

FLAT, WSD = Arm("flat", ss.hold()), select(["wsd"])[1]


class Counting:
    """An engine and its task: `val` is the rate plus the seed; seed 9 raises."""

    name, arithmetic = "counting", "exact"

    def __init__(self, identity: str = "a") -> None:
        self.made: Counter[tuple[str, float, int]] = Counter()
        self._identity = identity

    def identity(self) -> Mapping[str, str]:
        return {"code": self._identity}

    def train(
        self, plan: Sequence[Planned], done: Collection[int], advance: Advance
    ) -> Iterator[Batch]:
        for index, planned in reversed(list(enumerate(plan))):
            if index not in done:
                self.made[planned.arm.name, planned.peak_lr, planned.seed] += 1
                advance(planned.total_steps // 2)
                yield [(index, self._one(planned))]

    def _one(self, planned: Planned) -> Returned:
        if planned.seed == 9:
            return Returned(status="error", reason="nine")
        val = planned.peak_lr + planned.seed
        return Returned(
            status="finished", val=val, test=-val, direction="min", updates=10
        )


def plan(
    *seeds: int, arms: Sequence[Arm] = (FLAT,), steps: int = 10
) -> tuple[Planned, ...]:
    return tuple(Planned(arm, 0.1, seed, steps) for arm in arms for seed in seeds)


def trained(engine: Counting, store: Store | None, **more: bool) -> Training:
    return Training(engine, engine, store=store, **more)  # type: ignore[arg-type]  # both


def test_a_run_is_made_once_however_often_it_is_planned(tmp_path: Path) -> None:
    store, engine = Store(tmp_path, "x"), Counting()
    training = trained(engine, store)
    runs = training.train(plan(0, 1, 0))
    assert [run.val for run in runs] == [0.1, 1.1, 0.1]
    training.train(plan(1, 2))
    again = trained(engine, store)
    assert [run.val for run in again.train(plan(0, 1, 2))] == [0.1, 1.1, 2.1]
    assert again.tests(plan(2)) == [(-2.1, None)]
    assert set(engine.made.values()) == {1}
    assert len((store.folder / RUNS).read_bytes().splitlines()) == 3


def test_what_changes_the_numbers_changes_the_key(tmp_path: Path) -> None:
    store = Store(tmp_path, "x")
    trained(Counting(), store).train(plan(0))
    for engine, wanted in (
        (Counting("b"), plan(0)),
        (Counting(), plan(0, arms=[WSD], steps=40)),
        (Counting(), plan(0, steps=11)),
        (Counting(), plan(0, arms=[Arm("flat", ss.hold(), average=0.9)])),
    ):
        trained(engine, store).train(wanted)
        assert engine.made.total() == 1
    renamed = Counting()
    trained(renamed, store).train(plan(0, arms=[Arm("another name", ss.hold())]))
    assert renamed.made.total() == 0


def test_keys_do_not_depend_on_the_process() -> None:
    first = Fingerprint({"a": "1", "b": "2"}, "single").key(plan(0)[0])
    assert first == Fingerprint({"b": "2", "a": "1"}, "single").key(plan(0)[0])
    assert len(first) == 32
    assert first != Fingerprint({"a": "1", "b": "2"}, "stacked").key(plan(0)[0])


def test_a_run_that_raised_is_made_again_next_time(tmp_path: Path) -> None:
    store, engine = Store(tmp_path, "x"), Counting()
    for _ in range(2):
        runs = trained(engine, store).train(plan(8, 9))
        assert [run.status for run in runs] == ["finished", "error"]
    assert engine.made == {("flat", 0.1, 8): 1, ("flat", 0.1, 9): 2}


def test_fresh_makes_every_run_and_the_store_has_the_new_one(tmp_path: Path) -> None:
    store, engine = Store(tmp_path, "x"), Counting()
    trained(engine, store).train(plan(0))
    fresh = trained(engine, store, fresh=True)
    fresh.train(plan(0))
    assert engine.made.total() == 2
    assert fresh.tests(plan(0)) == [(-0.1, None)]


def test_progress_never_falls_and_ends_at_the_total(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    store, engine = Store(tmp_path, "x"), Counting()
    trained(engine, store).train(plan(0))
    stored: list[tuple[int, int]] = []
    training = Training(
        engine,  # type: ignore[arg-type]  # a task too
        engine,
        store=store,
        on_progress=lambda done, total: told.append((done, total)),
        on_stored=lambda *counts: stored.append(counts),
    )
    training.expected = 40
    training.train(plan(0, 1, 2))
    training.end()
    assert told == [(done, 40) for done in (10, 15, 20, 25, 30, 40)]
    assert stored == [(1, 3)]


def test_a_callable_has_no_file_to_be_told_apart_by(tmp_path: Path) -> None:
    def train(schedule: object, *, total_steps: int, seed: int, report: object) -> None:
        raise AssertionError

    with pytest.raises(ProofError, match=r"be in a file of its own.*leave the store"):
        compare(train, store=tmp_path)


def test_a_script_is_told_apart_by_what_it_imports_from_its_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "a_helper_of_mine.py").write_text("rate = 1.0\n")
    script = tmp_path / "mine.py"
    script.write_text(
        "import a_helper_of_mine\n\n\n"
        "def train(schedule, *, total_steps, seed, report):\n"
        "    val = a_helper_of_mine.rate\n"
        "    return {'val': val, 'test': 0.0, 'direction': 'min', 'updates': 5}\n"
    )
    function = TrainFunction.find(f"{script}:train")
    before = function.identity()
    assert set(function.files()) == {"mine.py", "a_helper_of_mine.py"}
    # On a machine without the files, what was sent along is used.
    files = function.files()
    script.rename(tmp_path / "moved.py")
    elsewhere = function.unpacked(files)
    assert elsewhere.path is not None
    assert elsewhere.path.parent != tmp_path
    assert elsewhere.train(Planned(FLAT, 0.1, 0, 5)).val == 1.0
    (tmp_path / "moved.py").rename(script)
    assert function.unpacked(files) is function
    (tmp_path / "a_helper_of_mine.py").write_text("rate = 2.0\n")
    assert function.identity() != before
