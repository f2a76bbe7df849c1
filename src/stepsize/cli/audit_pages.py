"""A run's changes, and its training record, as pages without any script."""

from collections.abc import Iterable, Sequence
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stepsize.ledger.history import History
    from stepsize.ledger.verify import Verification

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="generator" content="stepsize">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" \
content="default-src 'none'; style-src 'unsafe-inline'">
<title>{title}</title>
<style>
:root {{ --ink: #1c2430; --soft: #556070; --line: #d9dee5; --back: #fff; }}
@media (prefers-color-scheme: dark) {{
  :root {{ --ink: #e6eaf0; --soft: #a3aebc; --line: #343c48; --back: #14181e; }}
}}
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 72rem; margin: 0 auto;
  padding: 1.2rem 1.5rem 4rem; color: var(--ink); background: var(--back);
  overflow-wrap: anywhere; }}
h1 {{ font-size: 1.5rem; line-height: 1.25; margin: 0 0 .4rem; }}
h2 {{ font-size: 1.15rem; margin: 1.8rem 0 .2rem; padding-top: .7rem;
  border-top: 2px solid var(--line); }}
p {{ margin: .3rem 0; }}
.soft {{ color: var(--soft); font-size: .92rem; }}
ul {{ margin: .4rem 0; padding-left: 1.2rem; }}
li {{ margin: .25rem 0; }}
table {{ border-collapse: collapse; width: 100%; margin-top: .8rem; font-size: .9rem;
  font-variant-numeric: tabular-nums; }}
th, td {{ text-align: left; padding: .35rem .7rem .35rem 0; vertical-align: top;
  border-bottom: 1px solid var(--line); }}
.time, .update {{ white-space: nowrap; }}
.update {{ text-align: right; }}
.rate {{ min-width: 9.5rem; }}
.who {{ min-width: 8rem; }}
.what, .why {{ min-width: 11rem; }}
@media (max-width: 640px) {{
  body {{ padding: .8rem .9rem 3rem; }}
  thead {{ position: absolute; left: -99rem; }}
  tr {{ display: block; padding: .5rem 0; border-bottom: 1px solid var(--line); }}
  td {{ display: flex; justify-content: space-between; gap: 1rem; border: 0;
    padding: .1rem 0; text-align: right; white-space: normal; min-width: 0; }}
  td::before {{ content: attr(class); color: var(--soft); white-space: nowrap; }}
  td:empty {{ display: none; }}
}}
</style>
</head>
<body>
<main>
<h1>{title}</h1>
{content}
</main>
</body>
</html>
"""


def of_changes(
    name: str, summary: str, headers: Sequence[str], rows: Iterable[Sequence[str]]
) -> str:
    """Return the page of a run's changes.

    Args:
        name: The run's name.
        summary: A line above the table.
        headers: Words, one for each column.
        rows: Cells, one for each column.
    """
    head = "".join(f'<th scope="col" class="{one}">{one}</th>' for one in headers)
    body = "\n".join(
        "<tr>"
        + "".join(
            f'<td class="{column}">{escape(cell)}</td>'
            for column, cell in zip(headers, row, strict=True)
        )
        + "</tr>"
        for row in rows
    )
    table = f"<table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody>"
    content = f'<p class="soft">{escape(summary)}</p>\n{table}\n</table>'
    return _PAGE.format(title=escape(f"Changes of run {name}"), content=content)


def of_record(name: str, history: "History", verified: "Verification") -> str:
    """Return the page of a run's training record.

    Args:
        name: The run's name.
        history: Its records.
        verified: What `verify` found.
    """
    from stepsize.ledger import training_record as record

    parts = [f"<p>{escape(record.INTRODUCTION)}</p>"]
    for title, lines in record.sections(history, verified).items():
        supports = f"Supports evidence for: {record.SUPPORTS[title]}."
        items = "\n".join(f"<li>{escape(line)}</li>" for line in lines)
        parts += [
            f"<h2>{escape(title)}</h2>",
            f'<p class="soft">{escape(supports)}</p>',
            f"<ul>\n{items}\n</ul>" if lines else f"<p>{record.NOTHING}</p>",
        ]
    title = escape(f"Training record of run {name}")
    return _PAGE.format(title=title, content="\n".join(parts))
