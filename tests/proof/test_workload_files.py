"""Data that comes with no Python package: where it is looked for, how it is read."""

import gzip
import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from stepsize.errors import ProofError
from stepsize.proof import workloads
from stepsize.proof.workloads import diamonds, fashion, kjv, letters
from stepsize.proof.workloads.files import (
    DATA,
    DataMissingError,
    data_folder,
    find_file,
)
from stepsize.proof.workloads.images import LabelledRows

OUTSIDE = ("letters", "diamonds", "kjv", "fashion_resnet", "fashion_cnn")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty data folder; what was loaded before is forgotten."""
    monkeypatch.setenv(DATA, str(tmp_path))
    monkeypatch.setattr(fashion, "_DEBIAN", tmp_path / "debian")
    fashion.fashion.cache_clear()
    workloads.load.cache_clear()
    yield tmp_path
    fashion.fashion.cache_clear()
    workloads.load.cache_clear()


@pytest.mark.parametrize("name", OUTSIDE)
def test_missing_data_names_the_workload_the_place_and_the_way(
    name: str, folder: Path
) -> None:
    with pytest.raises(
        DataMissingError, match=f"workload '{name}' needs the file"
    ) as e:
        workloads.load(name)
    said = str(e.value)
    assert str(folder) in said
    assert "make data" in said
    assert f"set {DATA} to the folder" in said
    assert isinstance(e.value, ProofError)


def test_the_folder_is_the_users_unless_it_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv(DATA, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", "/caches")
    assert data_folder() == Path("/caches/stepsize/data")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert data_folder() == Path.home() / ".cache/stepsize/data"
    monkeypatch.setenv(DATA, "/elsewhere")
    assert data_folder() == Path("/elsewhere")


def test_the_folder_comes_before_other_places(folder: Path) -> None:
    other = folder / "other"
    other.write_text("")
    assert find_file("w", "own", hint="", also=(other,)) == other
    (folder / "own").write_text("")
    assert find_file("w", "own", hint="", also=(other,)) == folder / "own"


def test_letters_are_standardised_and_numbered(tmp_path: Path) -> None:
    path = tmp_path / "letters"
    rows = [[(3 * i + j * j) % 16 for j in range(16)] for i in range(5)]
    names = "TIDAZ"
    path.write_text(
        "\n".join(
            ",".join([name, *map(str, row)])
            for name, row in zip(names, rows, strict=True)
        )
        + "\n"
    )
    values, labels = letters.read_letters(path)
    assert labels.tolist() == [19, 8, 3, 0, 25]
    assert values.shape == (5, 16)
    torch.testing.assert_close(values.mean(0), torch.zeros(16), atol=1e-6, rtol=0)
    torch.testing.assert_close(
        values.std(0, correction=0), torch.ones(16), atol=1e-6, rtol=0
    )


@pytest.mark.parametrize("content", ["", "T,1,2,3\n"])
def test_another_file_is_not_taken_for_letters(content: str, tmp_path: Path) -> None:
    path = tmp_path / "letters"
    path.write_text(content)
    with pytest.raises(ProofError, match="must hold lines of a capital letter and 16"):
        letters.read_letters(path)


def test_diamonds_are_columns_of_numbers_and_kinds(tmp_path: Path) -> None:
    path = tmp_path / "diamonds.csv"
    path.write_text(
        '"","carat","cut","color","clarity","depth","table","price","x","y","z"\n'
        '1,0.2,"Ideal","E","SI2",61,55,100,3,4,2\n'
        '2,0.3,"Good","E","SI1",62,57,1000,5,4.5,2.5\n'
        '3,0.5,"Good","D","SI1",60,59,10000,6,5,3\n'
        '4,0.5,"Poor","D","SI1",60,59,10000,6,0,3\n'
        '5,0.5,"Poor","D","SI1",60,59,10000,6,58.9,3\n'
    )
    rows, prices = diamonds.read_diamonds(path)
    assert rows.shape == (3, 12)  # 6 numbers; 2 cuts, colours, clarities
    root = 1.5**0.5
    expected = torch.tensor([-root, 0.0, root])  # equal steps of the log
    torch.testing.assert_close(prices, expected, atol=1e-6, rtol=0)


def test_a_table_without_its_columns_is_named(tmp_path: Path) -> None:
    path = tmp_path / "diamonds.csv"
    path.write_text("carat,cut\n1,Good\n")
    with pytest.raises(ProofError, match="must have the columns clarity, color, depth"):
        diamonds.read_diamonds(path)


def idx(shape: tuple[int, ...], values: bytes) -> bytes:
    head = bytes([0, 0, 8, len(shape)])
    sizes = b"".join(size.to_bytes(4, "big") for size in shape)
    return gzip.compress(head + sizes + values)


def test_idx_files_of_images_and_labels(tmp_path: Path) -> None:
    path = tmp_path / "some.gz"
    path.write_bytes(idx((2, 28, 28), bytes(i % 251 for i in range(2 * 784))))
    images = fashion.read_idx(path)
    assert images.shape == (2, 784)
    assert images[1, 0] == 784 % 251
    path.write_bytes(idx((3,), bytes([7, 0, 9])))
    assert fashion.read_idx(path).tolist() == [7, 0, 9]


@pytest.mark.parametrize(
    "content",
    [gzip.compress(b"hello"), idx((3,), b"ab"), gzip.compress(b""), b"no gzip"],
    ids=["text", "short", "empty", "plain"],
)
def test_what_is_no_idx_file_is_named(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "some.gz"
    path.write_bytes(content)
    with pytest.raises(ProofError, match="must be a gzipped IDX file of bytes"):
        fashion.read_idx(path)


def test_another_bible_is_refused(folder: Path) -> None:
    (folder / "kjv.txt").write_bytes(b"In the beginning")
    digest = hashlib.sha256(b"In the beginning").hexdigest()
    with pytest.raises(
        ProofError, match=f"SHA-256 of .* must be b5c4940.*; got {digest}"
    ):
        kjv.build()


def test_splits_as_given_are_the_same_for_all_seeds() -> None:
    examples = LabelledRows(
        rows=torch.zeros(10, 2),
        labels=torch.zeros(10).long(),
        train_size=5,
        val_size=3,
        order="epochs",
        split="as_given",
    )
    assert examples.validation(0).tolist() == [5, 6, 7]
    assert examples.test(1).tolist() == [8, 9]
    assert sorted(examples.training(2, 1, 5)[0].tolist()) == [0, 1, 2, 3, 4]
