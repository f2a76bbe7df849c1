"""Every public name has a place in the reference."""

import re
from importlib import import_module
from pathlib import Path

import pytest

REFERENCE = Path(__file__).parents[2] / "docs" / "reference"
DIRECTIVES = set(
    re.findall(
        r"^::: (\S+)",
        "\n".join(page.read_text() for page in REFERENCE.glob("*.md")),
        re.MULTILINE,
    )
)


@pytest.mark.parametrize(
    "package", ["stepsize", "stepsize.adapters.torch", "stepsize.proof"]
)
def test_reference_has_every_public_name(package: str) -> None:
    module = import_module(package)
    values = [getattr(module, name) for name in module.__all__]
    missing = [
        f"{value.__module__}.{value.__name__}"
        for value in values
        if not isinstance(value, str)
        and not {value.__module__, f"{value.__module__}.{value.__name__}"} & DIRECTIVES
    ]
    assert not missing, "give each a ':::' line under docs/reference/"
