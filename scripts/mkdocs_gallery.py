"""A MkDocs hook that fills the gallery: every shape, and the pages of other libraries.

It must stand before `mkdocs_curves.py`, which draws the curves that it writes.
"""

from pathlib import Path
from typing import Any

from stepsize.planner.gallery import UPDATES, Entry, entries

GALLERY, COMING = "<!-- gallery -->", "<!-- coming-from -->"


def on_page_markdown(markdown: str, *, config: Any, **_: object) -> str:
    """Replace the two marks of the gallery page."""
    if GALLERY in markdown:
        markdown = markdown.replace(GALLERY, gallery())
    if COMING in markdown:
        markdown = markdown.replace(COMING, coming_from(Path(config.docs_dir)))
    return markdown


def gallery() -> str:
    """Return the shapes as Markdown, family by family."""
    lines: list[str] = []
    family = ""
    for one in entries():
        if one.family != family:
            family = one.family
            lines += [f"## {family}", ""]
        lines += _shape(one)
    return "\n".join(lines)


def coming_from(docs: Path) -> str:
    """Return a table of the pages that exist for users of other libraries."""
    pages = sorted((docs / "coming-from").glob("*.md"))
    pages = [page for page in pages if page.stem != "index"]
    if not pages:
        return "Pages for users of other libraries are being written."
    rows = [
        f"| [{_title(page)}](coming-from/{page.name}) | "
        f"`stepsize.dialects.{page.stem}` |"
        for page in pages
    ]
    return "\n".join(
        ["| page | the same schedules in its words |", "| --- | --- |", *rows]
    )


def _shape(one: Entry) -> list[str]:
    lines = [f"### {one.name}", "", one.summary, ""]
    lines += [f"```curve {UPDATES}", one.example, "```", ""]
    lines += ["```text", one.example, "```", ""]
    if one.formula:
        lines += [*(f"    {line}" for line in one.formula.splitlines()), ""]
    lines += [f"**When:** {one.when}", ""]
    if one.source:
        lines += [f"**Source:** {one.source}", ""]
    return lines


def _title(page: Path) -> str:
    first = page.read_text(encoding="utf-8").lstrip().partition("\n")[0]
    return first.lstrip("# ").strip() or page.stem
