"""Every code has a page, and the page shows the code (its blocks run elsewhere)."""

from pathlib import Path

import pytest

from stepsize.planner.findings import CODES
from stepsize.planner.usual_rates import USUAL

DOCS = Path(__file__).parents[2] / "docs"


@pytest.mark.parametrize("code", CODES)
def test_a_code_has_its_page(code: str) -> None:
    page = (DOCS / "check" / f"{code}.md").read_text()
    assert page.startswith(f"# {code}: {CODES[code].name}\n")
    assert f"**Severity:** {CODES[code].severity}" in page
    assert f'if one.code == "{code}"]\n[' in page
    row = f"| [{code}](check/{code}.md) | {CODES[code].name} | {CODES[code].severity} |"
    assert row in (DOCS / "check.md").read_text()


def test_no_page_is_left_over() -> None:
    assert {path.stem for path in (DOCS / "check").glob("*.md")} == set(CODES)


def test_usual_rates_are_listed() -> None:
    page = (DOCS / "check" / "SS601.md").read_text()
    for one in USUAL.values():
        assert f"| {one.name} | {one.low:g} | {one.high:g} | {one.start:g} |" in page
