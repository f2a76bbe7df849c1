"""A MkDocs hook that draws schedules: a fenced block of language `curve` is one.

    ```curve 1000
    3e-4 * warmup(100) >> cosine()
    ```

The number is the updates it is drawn over.
"""

import re

import stepsize

FENCE = re.compile(r"^```curve (\d+)\n(.*?)\n```$", re.MULTILINE | re.DOTALL)


def on_page_markdown(markdown: str, **_: object) -> str:
    """Replace each curve block of a page by its picture."""
    return FENCE.sub(_draw, markdown)


def _draw(block: re.Match[str]) -> str:
    run = stepsize.parse(block[2]).resolve(total_steps=int(block[1]))
    return f'<div class="curve">{run._repr_svg_()}</div>'
