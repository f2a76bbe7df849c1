import re
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from html import escape
from html.parser import HTMLParser
from pathlib import Path

import pytest

from stepsize.proof.report.failures import failures
from stepsize.proof.report.page import MARK, render
from stepsize.proof.results import (
    Comparison,
    Cost,
    Curve,
    Reach,
    Results,
    Run,
    Subject,
    load,
)
from stepsize.proof.statistics import Estimate

LOADING = {
    "src", "srcset", "href", "data", "action", "poster", "background", "cite", "ping",
}  # fmt: skip


class Page(HTMLParser):
    """Collects what a page would load, its figures, links and ids."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.policy = ""
        self.tags: Counter[str] = Counter()
        self.ids: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        found = dict(attrs)
        self.ids += [found["id"] or ""] if "id" in found else []
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
    assert not set(page.tags) & {
        "link", "img", "iframe", "object", "embed", "base", "form", "script",
    }  # fmt: skip
    assert page.policy == "default-src 'none'; style-src 'unsafe-inline'"


def test_every_link_leads_somewhere_and_every_id_is_one(results: Results) -> None:
    page = Page(render(results))
    assert len(page.ids) == len(set(page.ids))
    assert {load.removeprefix("#") for load in page.loads} <= set(page.ids)


def test_the_style_loads_nothing(results: Results) -> None:
    style = re.findall(r"<style>(.*?)</style>", render(results), re.DOTALL)
    assert len(style) == 1
    assert "url(" not in style[0]
    assert "@import" not in style[0]


def test_every_comparison_has_its_figures(results: Results) -> None:
    page = Page(render(results))
    # differences, heat map, failures and small multiples
    assert page.tags["figure"] == page.tags["figcaption"] == 2 * 4


def test_the_largest_of_the_published_comparisons_is_a_small_page() -> None:
    folder = Path(__file__).parents[2] / "docs/proof"
    sizes = [
        len(render(load(file)))
        for file in folder.glob("*.json")
        if file.name != "speed.json"
    ]
    assert len(sizes) == 8
    assert max(sizes) < 300_000


def test_failures_are_told_apart_and_agree_with_the_summary(
    subject: Callable[..., Subject],
    runs_of: Callable[..., tuple[Run, ...]],
    compared: Callable[..., Comparison],
) -> None:
    cells = {
        ("constant", 0.1): [90.0, 91.0, 92.0, 93.0],
        ("constant", 1.0): [90.0, 50.0, 60.0, 79.0],
        ("wsd", 0.1): [91.0, 92.5, 90.0, 91.0],
        ("wsd", 1.0): [85.0, 86.0, 70.0, 90.0],
    }
    runs = list(runs_of(cells))
    runs[5] = replace(runs[5], status="error", val=None)
    runs[6] = replace(runs[6], status="diverged", val=None)
    runs[15] = replace(runs[15], status="unequal_budget")
    comparison = compared(tuple(runs), subject())
    found = failures(comparison)
    for arm in comparison.arms:
        failed = sum(kind is not None for _, kind in found[arm.arm])
        assert arm.failed == failed / len(found[arm.arm])
    text = render(Results(comparisons=(comparison,)))
    assert "3 of 8 (38 %): 1 by threshold, 1 not finite, 1 exception" in text
    assert "1 of 7 (14 %) by threshold" in text
    halved = failures(replace(comparison, tuning="halving"))
    assert [kind for _, kind in halved["wsd"] if kind] == []


def test_an_interval_far_wider_than_the_others_is_cut_off(
    subject: Callable[..., Subject],
    runs_of: Callable[..., tuple[Run, ...]],
    compared: Callable[..., Comparison],
) -> None:
    cells = {
        ("constant", 0.1): [90.0, 91.0, 92.0],
        ("wsd", 0.1): [90.5, 91.6, 92.5],
        ("linear", 0.1): [90.3, 91.5, 92.7],
        ("cosine", 0.1): [90.2, 91.4, 92.6],
        ("lost", 0.1): [1.0, 2.0, 1.5],
        ("noisy", 0.1): [99.0, 11.0, 92.0],
    }
    comparison = compared(runs_of(cells), subject(default_lr=None))
    text = render(Results(comparisons=(comparison,)))
    rows = dict(re.findall(r'</svg>(\w+)</span>(<span class="track.*?</li>)', text))
    assert list(rows) == ["wsd", "linear", "cosine", "noisy", "lost"]  # the best first
    assert '<i class="dot"' in rows["wsd"]
    assert '<i class="off low">' in rows["lost"]
    assert "-89.50" in rows["lost"]
    assert "cut-low cut-high" in rows["noisy"]


def test_arms_that_come_with_something_and_every_column_are_on_the_page(
    results: Results,
) -> None:
    (comparison, _) = results.comparisons
    constant, wsd = comparison.arms
    share = Estimate(mean=0.012, std=0.01, low=0.002, high=0.022, n=2)
    wsd = replace(
        wsd,
        besides="weights averaged",
        reach=Reach(share=0.52, never=1, n=2),
        cost=Cost(seconds=0.002, extra=share, n=2),
        retained=Estimate(mean=77.77, std=1.0, low=76.77, high=78.77, n=2),
    )
    constant = replace(constant, cost=Cost(seconds=0.001, extra=None, n=2))
    full = replace(comparison, arms=(constant, wsd))
    text = render(Results(comparisons=(full,)))
    plain = render(Results(comparisons=(comparison,)))
    for words in (
        "weights averaged",
        "52 % (1 never)",
        "+1.2 ±1.0 %",
        "77.77 ±1.00",
        "as good<br>after",
        "source<br>±CI",
    ):
        assert words in text
        assert words not in plain


def test_what_users_wrote_cannot_become_markup(results: Results) -> None:
    text = render(results)
    assert "<img" not in text
    assert "<script" not in text
    assert "a &amp; b" in text


def test_the_page_is_known_as_ours(results: Results) -> None:
    assert MARK in render(results)[:1000]


def test_verdict_and_numbers_are_on_the_page(results: Results) -> None:
    text = render(results)
    sections = text.split("<section>")[1:]
    for comparison, shown in zip(results.comparisons, sections, strict=True):
        assert shown.index(escape(comparison.verdict[0])) < shown.index("<figure")
    assert "stepsize compare table" in text
    assert "Runs that did not finish: 1 of 8" in text
