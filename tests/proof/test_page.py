import re
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from stepsize.proof.report.page import MARK, render
from stepsize.proof.results import Comparison, Curve, Results, Run, Subject

LOADING = {
    "src", "srcset", "href", "data", "action", "poster", "background", "cite", "ping",
}  # fmt: skip


class Page(HTMLParser):
    """Collects what a page would load and how many figures it has."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.figures = 0
        self.policy = ""
        self.tags: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        found = dict(attrs)
        self.figures += "data-figure" in found
        if found.get("http-equiv") == "Content-Security-Policy":
            self.policy = found.get("content") or ""
        self.loads += [value or "" for name, value in attrs if name in LOADING]


@pytest.fixture
def results(
    subject: Callable[..., Subject],
    runs_of: Callable[..., tuple[Run, ...]],
    compared: Callable[..., Comparison],
) -> Results:
    cells = {
        ("constant", 0.1): [90.0, 91.0],
        ("constant", 1.0): [80.0, 81.0],
        ("wsd", 0.1): [91.0, 92.5],
        ("wsd", 1.0): [85.0, 86.0],
    }
    curve = Curve("train_loss", (1, 10), (2.0, 1.0))
    runs = [replace(run, curves=(curve,)) for run in runs_of(cells)]
    runs[-1] = replace(
        runs[-1],
        status="error",
        val=None,
        reason="</script><script>alert(1)</script>",
    )
    about = subject(title="<img src=x onerror=alert(1)>", name="a & b")
    one = compared(tuple(runs), about)
    two = compared(runs_of(cells), subject("min", name="other"))
    return Results(comparisons=(one, two), environment={"python": "<3>"}, created="now")


def test_the_page_loads_nothing(results: Results) -> None:
    page = Page(render(results))
    assert [load for load in page.loads if not load.startswith("#")] == []
    assert not page.tags & {"link", "img", "iframe", "object", "embed", "base", "form"}
    assert page.policy.startswith("default-src 'none'")
    assert "connect-src" not in page.policy


def test_the_style_loads_nothing(results: Results) -> None:
    style = re.findall(r"<style>(.*?)</style>", render(results), re.DOTALL)
    assert len(style) == 1
    assert "url(" not in style[0]
    assert "@import" not in style[0]


def test_plotly_is_inside_once_and_sends_nothing(results: Results) -> None:
    text = render(results)
    assert text.count("plotly.js v") == 1
    assert "showSendToCloud: false" in text
    assert 'plotlyServerURL: ""' in text
    assert len(text) < 6_000_000


def test_every_comparison_has_its_charts(results: Results) -> None:
    # forest, by rate, heat map, schedules; and one curve of the first
    assert Page(render(results)).figures == 9


def test_what_users_wrote_cannot_become_markup(results: Results) -> None:
    text = render(results)
    assert "<img" not in text
    assert "alert(1)</script>" not in text
    assert "a &amp; b" in text


def test_the_page_is_known_as_ours(results: Results) -> None:
    assert MARK in render(results)[:1000]


def test_verdict_and_numbers_are_on_the_page(results: Results) -> None:
    text = render(results)
    for comparison in results.comparisons:
        assert comparison.verdict[0].replace("<", "&lt;") in text
    assert "stepsize compare table" in text
    assert "Runs that did not finish: 1 of 8" in text
