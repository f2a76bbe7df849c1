"""The examples in docstrings show what really comes out."""

import doctest
import importlib
from pathlib import Path

import pytest

SRC = Path(__file__).parents[2] / "src"
# Adapters whose framework `make test` does not install.
NEEDY = ("accelerate", "fastai", "ignite", "lightning", "transformers")
NEEDS = [pytest.mark.peers, pytest.mark.filterwarnings("ignore")]
MODULES = [
    ".".join(path.relative_to(SRC).with_suffix("").parts).removesuffix(".__init__")
    for path in sorted((SRC / "stepsize").rglob("*.py"))
    if ">>> " in path.read_text()
]


def needs(name: str) -> bool:
    """Whether a module needs what only `make test-all` installs."""
    return any(f"{name}.".startswith(f"stepsize.adapters.{one}.") for one in NEEDY)


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=NEEDS if needs(name) else []) for name in MODULES],
)
def test_examples_of_module(name: str) -> None:
    result = doctest.testmod(importlib.import_module(name), report=True)
    assert result.attempted > 0, "examples are written where doctest does not look"
    assert result.failed == 0
