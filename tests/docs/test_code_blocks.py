"""Every Python block of the README and of the documentation runs as written."""

import doctest
import re
import textwrap
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
NEEDS = [pytest.mark.peers, pytest.mark.filterwarnings("ignore")]
FENCE = re.compile(r"^( *)```(python|pycon)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)


class Block(NamedTuple):
    """A fenced block: its language, its text and the line where the text begins."""

    language: str
    text: str
    line: int


def blocks(page: str) -> list[Block]:
    """Give the Python blocks of a page in order."""
    return [
        Block(
            found[2],
            textwrap.dedent(found[3]),
            page.count("\n", 0, found.start(3)) + 1,
        )
        for found in FENCE.finditer(page)
    ]


def run(page: str, name: str) -> None:
    """Run a page's blocks one after the other, in one namespace."""
    names: dict[str, object] = {"__name__": "page"}
    for block in blocks(page):
        if block.language == "python":
            text = "\n" * (block.line - 1) + block.text  # lines of the page in errors
            exec(compile(text, name, "exec"), names)
        else:
            parser = doctest.DocTestParser()
            test = parser.get_doctest(block.text, {}, name, name, block.line - 1)
            test.globs = names  # shared, so that later blocks see what this one made
            report: list[str] = []
            runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
            runner.run(test, out=report.append, clear_globs=False)
            assert not runner.failures, "".join(report)


@pytest.mark.parametrize(
    "path",
    [
        # a framework's page needs what only `make test-all` installs
        pytest.param(path, marks=NEEDS if path.parent.name == "frameworks" else [])
        for path in PAGES
        if blocks(path.read_text())
    ],
    ids=lambda path: str(path.relative_to(ROOT)),
)
def test_blocks_run_as_written(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    run(path.read_text(), str(path.relative_to(ROOT)))


def test_a_wrong_block_fails() -> None:
    with pytest.raises(AssertionError, match=r"Expected:\s+2\s+Got:\s+3"):
        run("```pycon\n>>> 1 + 2\n2\n```\n", "page")
    with pytest.raises(NameError, match="undefined"):
        run("```python\nundefined\n```\n", "page")


def test_every_block_that_looks_like_python_is_found() -> None:
    for path in PAGES:
        text = path.read_text()
        opened = len(re.findall(r"^ *```(?:py|python|pycon)\b", text, re.MULTILINE))
        assert opened == len(blocks(text)), path
