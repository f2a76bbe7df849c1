"""The gallery has every shape, and what it says of each is there."""

import importlib.util
import inspect
from pathlib import Path

import pytest

import stepsize as ss
from stepsize.planner.gallery import UPDATES, Entry, entries
from stepsize.schedules.shapes import DECAYS

ROOT = Path(__file__).parents[2]
# What combines schedules, or reads them, and is no shape of its own.
COMBINATORS = {
    *("average", "clip", "join", "jump", "maximum", "minimum", "reverse", "skip"),
    *("from_dict", "hold", "opaque", "parse"),
}


def test_every_constructor_is_there() -> None:
    functions = {
        name for name in ss.__all__ if inspect.isfunction(getattr(ss, name, None))
    }
    made = {
        name
        for name in functions
        if getattr(ss, name).__module__.startswith("stepsize.schedules.")
    }
    shown = {one.constructor for one in entries()}
    assert made - shown == COMBINATORS
    assert shown <= made


def test_every_decay_is_there() -> None:
    drawn = " ".join(str(ss.parse(one.example)) for one in entries())
    for shape in set(DECAYS) - {"linear", "exponential-hyperbolic"}:
        assert f'shape="{shape}"' in drawn, shape


@pytest.mark.parametrize("one", entries(), ids=lambda one: one.name)
def test_an_entry_is_whole(one: Entry) -> None:
    rates = one.run().rates()
    assert len(rates) == UPDATES
    assert max(rates) > 0
    assert one.summary.endswith(".")
    assert one.when.endswith(".")
    assert ">>>" not in one.formula
    assert "Args" not in one.formula


def test_formulas_and_sources_come_from_the_docstrings() -> None:
    found = {one.name: one for one in entries()}
    assert found["rex"].formula.startswith("value(d) = end + (entry - end) * (1 - p)")
    assert found["1-sqrt"].formula.endswith("w = 1 - sqrt(p)")
    assert found["1-sqrt"].source == "Hägele et al. 2024, arXiv:2405.18392."
    assert found["noam"].source.startswith("Vaswani et al. 2017")


def test_the_page_has_every_shape(tmp_path: Path) -> None:
    spec = importlib.util.spec_from_file_location(
        "mkdocs_gallery", ROOT / "scripts" / "mkdocs_gallery.py"
    )
    assert spec is not None
    assert spec.loader is not None
    hook = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(hook)
    page = hook.gallery()
    for one in entries():
        assert f"### {one.name}\n" in page
        assert f"```curve {UPDATES}\n{one.example}\n```" in page
    (tmp_path / "coming-from").mkdir()
    assert "being written" in hook.coming_from(tmp_path)
    (tmp_path / "coming-from" / "torch.md").write_text("# From PyTorch\n")
    assert "| [From PyTorch](coming-from/torch.md) |" in hook.coming_from(tmp_path)
