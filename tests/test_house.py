"""The project as a whole: its face, its version, and what importing it costs."""

import importlib.metadata
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import stepsize

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())

# Prints the top-level modules outside the standard library that a statement loads.
LOADED = """
import sys
before = set(sys.modules)
{statement}
new = {{name.partition(".")[0] for name in set(sys.modules) - before}}
print(*sorted(new - sys.stdlib_module_names))
"""


def loaded_by(statement: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", LOADED.format(statement=statement)],
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.split()


@pytest.mark.parametrize(
    "statement",
    [
        "import stepsize",
        "import stepsize; stepsize.warmup(5)",
        "import stepsize; stepsize.wsd(5).resolve(total_steps=9)(3)",
        "import stepsize; stepsize.parse('0.1 * hold()').resolve(total_steps=9)(3)",
        "import stepsize.errors, stepsize.schedules, stepsize.control",
    ],
)
def test_pure_parts_load_the_standard_library_only(statement: str) -> None:
    assert loaded_by(statement) == ["stepsize"]


def test_the_import_check_sees_what_is_loaded() -> None:
    assert "numpy" in loaded_by("import numpy")


def test_face_names_resolve_and_are_documented() -> None:
    assert sorted(set(stepsize.__all__)) == sorted(stepsize.__all__)
    assert set(stepsize.__all__) <= set(dir(stepsize))
    for name in stepsize.__all__:
        value = getattr(stepsize, name)
        assert isinstance(value, str) or value.__doc__, f"{name} has no docstring"


def test_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match=r"stepsize.*no attribute 'worm_up'"):
        _ = stepsize.worm_up


def test_version_is_one_everywhere() -> None:
    version = PROJECT["project"]["version"]
    assert importlib.metadata.version("stepsize") == version
    assert stepsize.__version__ == version


def test_changelog_names_this_version_or_fragments_wait_for_it() -> None:
    kinds = {kind["directory"] for kind in PROJECT["tool"]["towncrier"]["type"]}
    waiting = [
        path
        for path in (ROOT / "changelog.d").iterdir()
        if path.name not in PROJECT["tool"]["towncrier"]["ignore"]
    ]
    for path in waiting:
        assert re.fullmatch(r"[a-z0-9-]+\.([a-z]+)\.md", path.name), path.name
        assert path.name.split(".")[1] in kinds, path.name
        assert path.read_text().strip(), f"{path.name} is empty"
    notes = (ROOT / "CHANGELOG.md").read_text()
    released = re.findall(r"^## (\S+)", notes, re.MULTILINE)
    assert waiting or released[:1] == [PROJECT["project"]["version"]]


def test_every_extra_and_group_names_only_constrained_packages() -> None:
    pinned = {
        line.partition("==")[0].lower().replace("_", "-")
        for line in (ROOT / "constraints.txt").read_text().splitlines()
        if not line.startswith("#")
    }
    lists = [
        PROJECT["project"]["dependencies"],
        *PROJECT["project"]["optional-dependencies"].values(),
        *PROJECT["dependency-groups"].values(),
    ]
    asked = {
        re.split(r"[^\w-]", requirement)[0].lower()
        for requirements in lists
        for requirement in requirements
    }
    assert asked <= pinned


def test_commands_that_the_readme_names_exist() -> None:
    targets = set(
        re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    )
    named = set(re.findall(r"make ([a-z-]+)`", (ROOT / "README.md").read_text()))
    assert {"demo", "test"} <= named <= targets


def test_every_decision_is_listed() -> None:
    folder = ROOT / "docs" / "decisions"
    index = (folder / "index.md").read_text()
    for path in folder.glob("0*.md"):
        assert f"({path.name})" in index, f"docs/decisions/index.md lacks {path.name}"
