from collections.abc import Callable
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path

import pytest

from stepsize.errors import ProofError
from stepsize.proof.cells import Returned
from stepsize.proof.results import Curve
from stepsize.proof.store import RUNS, TESTS, Store

RUN = Returned(
    status="finished",
    val=0.1 + 0.2,
    test=1 / 3,
    direction="min",
    updates=5,
    seconds=0.25,
    curves=(Curve("val", (1, 5), (None, 2.0)),),
)
ABOUT = {"arm": "wsd", "seed": "0"}


def add(store: Store, **runs: Returned) -> None:
    store.add(runs, dict.fromkeys(runs, ABOUT))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "runs", "a.py:train")


def test_runs_come_back_without_what_is_sealed(store: Store) -> None:
    add(store, one=replace(RUN, retained=7.0), two=replace(RUN, status="diverged"))
    found = store.runs(["one", "two", "three"])
    assert found == {
        "one": replace(RUN, test=None),
        "two": replace(RUN, status="diverged", test=None),
    }
    assert b"test" not in (store.folder / RUNS).read_bytes().replace(
        b'"test":null', b""
    )
    assert store.tests(["one"]) == {"one": (1 / 3, 7.0)}


def test_a_store_that_is_not_there_is_empty(store: Store) -> None:
    assert store.runs(["one"]) == {}
    assert store.tests(["one"]) == {}
    assert not store.folder.exists()


def test_subjects_have_folders_of_their_own_that_git_leaves_alone(
    tmp_path: Path,
) -> None:
    for name in ("digits", "a.py:train", "../evil"):
        add(Store(tmp_path, name), one=RUN)
    folders = sorted(path.name for path in tmp_path.iterdir())
    assert folders == ["a.py-train", "digits", "evil"]
    assert (tmp_path / "digits" / ".gitignore").read_text() == "*\n"


@pytest.mark.parametrize("name", [RUNS, TESTS])
@pytest.mark.parametrize("torn", [b'{"schema', b"\xff" * 9000])
def test_half_a_last_line_is_no_run_and_is_cut_off(
    store: Store, name: str, torn: bytes
) -> None:
    add(store, one=RUN)
    with (store.folder / name).open("ab") as file:
        file.write(torn)
    assert set(store.runs(["one"])) == {"one"}
    add(store, two=RUN)
    assert set(store.runs(["one", "two"])) == {"one", "two"}
    assert set(store.tests(["one", "two"])) == {"one", "two"}


@pytest.mark.parametrize("name", [RUNS, TESTS])
@pytest.mark.parametrize("line", [b"{}\n", b"[]\n", b"no json\n"])
def test_damage_elsewhere_is_an_error(store: Store, name: str, line: bytes) -> None:
    add(store, one=RUN)
    path = store.folder / name
    path.write_bytes(line + path.read_bytes())
    with pytest.raises(ProofError, match=rf"{name} must hold whole records.*--store"):
        (store.runs if name == RUNS else store.tests)(["one"])


def test_lines_of_another_version_are_left_alone(store: Store) -> None:
    add(store, one=RUN)
    path = store.folder / RUNS
    path.write_bytes(b'{"schema":"stepsize.runs/9","x":1}\n' + path.read_bytes())
    assert set(store.runs(["one"])) == {"one"}


def test_the_last_line_of_a_key_counts(store: Store) -> None:
    add(store, one=RUN)
    add(store, one=replace(RUN, val=9.0, test=8.0))
    assert store.runs(["one"])["one"].val == 9.0
    assert store.tests(["one"])["one"] == (8.0, None)


def test_absurd_metrics_of_an_older_version_are_read_as_those_of_today(
    store: Store,
) -> None:
    add(store, huge=replace(RUN, val=1e200), sealed=replace(RUN, test=-1e308))
    found = store.runs(["huge", "sealed"])
    assert (found["huge"].status, found["huge"].val) == ("diverged", None)
    assert found["huge"].reason == "val is 1e+200"
    assert found["sealed"].status == "finished"
    assert store.tests(["huge", "sealed"]) == {
        "huge": (1 / 3, None),
        "sealed": (None, None),
    }


def _write(folder: Path, number: int) -> None:
    for i in range(20):
        add(Store(folder, "shared"), **{f"{number}-{i}": RUN})


def test_several_processes_write_whole_lines(tmp_path: Path) -> None:
    context = get_context("spawn")
    writers = [context.Process(target=_write, args=(tmp_path, n)) for n in range(2)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    keys = [f"{n}-{i}" for n in range(2) for i in range(20)]
    assert set(Store(tmp_path, "shared").runs(keys)) == set(keys)


@pytest.mark.parametrize(
    "prepare",
    [
        lambda path: path.write_text("a file"),
        lambda path: (path.mkdir(), (path / "a.py-train").write_text("a file")),
    ],
)
def test_a_place_that_is_no_folder_is_named(
    tmp_path: Path, prepare: Callable[[Path], object]
) -> None:
    prepare(tmp_path / "taken")
    with pytest.raises(ProofError, match=r"compare\.store must be a folder"):
        Store(tmp_path / "taken", "a.py:train").prepare()
    with pytest.raises(ProofError, match=r"compare\.store must be a folder"):
        add(Store(tmp_path / "taken", "a.py:train"), one=RUN)
