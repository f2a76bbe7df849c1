"""The report in Chromium: legible and usable, wide and narrow, light and dark."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, sync_playwright
from tests.proof.conftest import LINEAR_SCRIPT

from stepsize.proof import Results, compare
from stepsize.proof.report.page import save_page

CHROMIUM = shutil.which("chromium")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        CHROMIUM is None and "CI" not in os.environ, reason="Chromium is not installed"
    ),
]

BROKEN = LINEAR_SCRIPT.replace(
    "    rng =",
    """    if seed == 1 and schedule(total_steps // 3) > 5:
        raise RuntimeError("the loader's worker died: " + "x" * 90)
    if seed == 0 and schedule(total_steps // 3) > 5:
        return {"val": float("nan"), "test": 0.0, "direction": "min", "updates": 30}
    rng =""",
    1,
).replace("rates(update)", "schedule(update)")
LONG = "a name of thirty characters ok"
FIGURES = {"digits": 4, "broken": 4, "small": 3}  # a single rate has no heat map
SMALLEST = 11.0  # px, of any text
PATIENCE = 60_000.0  # milliseconds; a shared machine is slow at times


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three real comparisons: 13 arms, one with errors and NaN, the smallest."""
    folder = tmp_path_factory.mktemp("report")
    for name, text in (("broken", BROKEN), ("small", LINEAR_SCRIPT)):
        (folder / f"{name}.py").write_text(text)
    comparisons = (
        compare(
            "digits",
            schedules=["all"],
            total_steps=30,
            seeds=2,
            select_seeds=2,
            lrs=[0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0],
            default_lr=0.01,
        ),
        compare(
            f"{folder}/broken.py:train",
            schedules=["wsd", "step", f'{LONG}=warmup("20%") >> cosine()'],
            total_steps=30,
            seeds=3,
            lrs=[0.01, 0.1, 1.0, 10.0],
            default_lr=0.1,
        ),
        compare(
            f"{folder}/small.py:train",
            schedules=["wsd"],
            total_steps=30,
            seeds=2,
            lrs=[1.0],
        ),
    )
    return save_page(Results(comparisons=comparisons), folder / "report.html")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        yield playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox"]
        )


@pytest.fixture(
    params=[(1280, "light"), (1280, "dark"), (390, "light"), (390, "dark")],
    ids=lambda param: f"{param[1]}-{param[0]}",
)
def page(
    request: pytest.FixtureRequest, browser: Browser, report: Path
) -> Iterator[Page]:
    """The report, opened; it may load nothing but itself and says no error."""
    width, scheme = request.param
    context = browser.new_context(
        viewport={"width": width, "height": 900}, color_scheme=scheme
    )
    page, asked, said = context.new_page(), list[str](), list[str]()
    page.set_default_timeout(PATIENCE)
    page.on("request", lambda one: asked.append(one.url))
    page.on("console", lambda message: said.append(message.text))
    page.goto(report.as_uri())
    yield page
    context.close()
    assert asked == [report.as_uri()]
    assert said == []


def open_everything(page: Page) -> None:
    page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")


def overflow(page: Page) -> int:
    """By how many pixels the page is wider than its window."""
    return int(
        page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
    )


def test_it_has_no_violation_and_fits_also_with_everything_open(page: Page) -> None:
    for _ in ("closed", "open"):
        found = Axe().run(page).response["violations"]
        assert [f"{one['id']}: {one['nodes'][0]['html'][:200]}" for one in found] == []
        assert overflow(page) <= 0
        open_everything(page)


def test_on_paper_it_is_light_whole_and_open(browser: Browser, report: Path) -> None:
    context = browser.new_context(
        viewport={"width": 718, "height": 1000}, color_scheme="dark"
    )
    page = context.new_page()
    page.goto(report.as_uri())
    page.emulate_media(media="print", color_scheme="dark")
    back = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert back == "rgb(255, 255, 255)"
    right = page.evaluate(
        """Math.max(...[...document.querySelectorAll('td, th')]
        .map(one => one.getBoundingClientRect().right))"""
    )
    assert right <= 718
    closed = page.evaluate(
        """[...document.querySelectorAll('details:has(td, pre)')]
        .map(one => one.getBoundingClientRect().height)"""
    )
    assert closed
    assert min(closed) > 40  # a summary alone has 20
    context.close()


def test_every_figure_is_seen(page: Page, tmp_path: Path) -> None:
    figures = page.locator("figure")
    assert figures.count() == sum(FIGURES.values())
    width = page.evaluate("window.innerWidth")
    for figure in figures.all():
        box = figure.bounding_box()
        assert box is not None
        assert box["height"] > 60
        assert box["width"] > 0.7 * width
    # a drawing with nothing in it would be as large
    for drawing in page.locator(".plot svg").all():
        assert drawing.locator("path.line, use.line, path.seed").count() > 0
    for bar in page.locator(".failures > li", has_text="by threshold").all():
        box = bar.locator(".by-threshold").bounding_box()
        assert box is not None
        assert box["width"] * box["height"] > 50
    pictures = Path(os.environ.get("STEPSIZE_PICTURES", tmp_path))
    scheme = page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches")
    name = f"report-{'dark' if scheme else 'light'}-{width}.png"
    page.screenshot(path=pictures / name, full_page=True, timeout=3 * PATIENCE)


def test_text_is_large_enough_and_nothing_lies_over_it(page: Page) -> None:
    small = page.evaluate(
        """least => [...document.querySelectorAll('body *')]
        .filter(one => !one.closest('.hidden') && one.checkVisibility()
            && [...one.childNodes].some(n => n.nodeType === 3 && n.data.trim())
            && parseFloat(getComputedStyle(one).fontSize) < least)
        .map(one => one.outerHTML.slice(0, 120))""",
        SMALLEST,
    )
    assert small == []
    over = page.evaluate(
        """() => {
          const parts = '.who, .say > b, .say > .span, .say > .tag, .stack';
          const groups = [
            ...[...document.querySelectorAll('.rows > li:not(.ends)')]
              .map(row => [...row.querySelectorAll(parts)]),
            ...[...document.querySelectorAll('.ends .track')]
              .map(track => [...track.querySelectorAll('i')]),
            ...[...document.querySelectorAll('.plot')]
              .map(plot => [...plot.querySelectorAll('.tick')]),
            ...[...document.querySelectorAll('.card header')]
              .map(header => [...header.children]),
          ];
          const found = [];
          for (const group of groups) {
            const boxes = group.filter(one => one.checkVisibility())
              .map(one => [one, one.getBoundingClientRect()]);
            boxes.forEach(([one, a], i) => boxes.slice(i + 1).forEach(([two, b]) => {
              if (a.left < b.right - 1 && b.left < a.right - 1
                  && a.top < b.bottom - 1 && b.top < a.bottom - 1)
                found.push(one.textContent + ' | ' + two.textContent);
            }));
          }
          const cut = [...document.querySelectorAll('.heat td, .heat th')]
            .filter(one => one.scrollWidth > one.clientWidth + 1);
          const crushed = [...document.querySelectorAll('.who')]
            .filter(one => one.clientHeight > 60);
          return [...found, ...[...cut, ...crushed].map(one => one.textContent)];
        }"""
    )
    assert over == []


def test_keys_reach_and_move_everything(page: Page) -> None:
    open_everything(page)
    wanted = page.locator("a[href], summary, .scroll").count()
    page.keyboard.press("Tab")
    assert focused(page)["text"] == "To the results"
    reached = {focused(page)["place"]}
    for _ in range(wanted + 5):
        page.keyboard.press("Tab")
        reached.add(focused(page)["place"])
        if len(reached) == wanted:
            break
    assert len(reached) == wanted
    for link in page.locator(".links a").all():
        target = link.get_attribute("href") or ""
        link.focus()
        page.keyboard.press("Enter")
        top = page.locator(target).evaluate("one => one.getBoundingClientRect().top")
        assert -1 <= top <= 900
    table = page.locator(".scroll", has=page.locator("table")).first
    table.focus()
    before = table.evaluate("one => [one.scrollLeft, one.scrollWidth, one.clientWidth]")
    page.keyboard.press("ArrowRight")
    page.wait_for_timeout(400)
    moved = table.evaluate("one => one.scrollLeft") > before[0]
    assert moved == (before[1] > before[2])
    if page.evaluate("window.innerWidth") == 390:
        assert moved


def focused(page: Page) -> dict[str, Any]:
    """What has the focus: its place in the page and its text."""
    found: dict[str, Any] = page.evaluate(
        """() => ({
          place: [...document.querySelectorAll('*')].indexOf(document.activeElement),
          text: document.activeElement.textContent,
        })"""
    )
    return found


def test_what_failed_can_be_read(page: Page) -> None:
    page.get_by_role("link", name="Runs that did not finish").click()
    lost = page.locator(".lost > li", has_text="RuntimeError")
    assert lost.count() == 1  # the four of one reason stand together
    text = lost.inner_text()
    assert "4 runs: constant at 10, seed 1; wsd at 10, seed 1; step at 10" in text
    assert "the loader's worker died" in text
    trace = lost.locator("pre")
    assert not trace.is_visible()
    lost.locator("summary").focus()
    page.keyboard.press("Enter")
    assert trace.is_visible()
    assert 'raise RuntimeError("the loader' in trace.inner_text()
    assert overflow(page) <= 0
    assert page.locator(".lost > li", has_text="diverged").count() == 1
    bars = page.locator(".failures > li", has_text=LONG)
    assert "1 not finite, 1 exception" in bars.inner_text()
