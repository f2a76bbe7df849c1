"""Every formula against the numbers that its source reports.

The numbers are as well known as the source (`Source.standing`): recalled where it is.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

import pytest

from stepsize.planner.recipes.groups import layer_decay, ulmfit
from stepsize.planner.recipes.peaks import gpt3, kaplan
from stepsize.planner.recipes.recipe import recipe
from stepsize.planner.scaling import batch, horizons, noise, sources, warmups, width
from stepsize.planner.scaling.sources import Source


class Row(NamedTuple):
    paper: str
    place: str
    inputs: str
    expected: float
    ours: Callable[[], float]
    tolerance: float = 1e-9


def _lamb_lr(size: int) -> float:
    return warmups.lamb(size).lr


def _lamb_warmup(size: int) -> float:
    return warmups.lamb(size).warmup


def _vit(blocks: int) -> list[str]:
    middle = [f"blocks.{i}.w" for i in range(blocks)]
    return ["patch_embed.w", *middle, "norm.w", "head.w"]


def _bert(layers: int) -> list[str]:
    middle = [f"encoder.layer.{i}.w" for i in range(layers)]
    return ["embeddings.w", *middle, "classifier.w"]


def _factors(names: list[str], decay: float) -> list[float]:
    return [float(rule.value) for rule in layer_decay(names, decay).rules]  # type: ignore[arg-type]  # numbers


def _deepseek(layers: int, width_: int) -> horizons.Optimum:
    """Compute of its equation (2): 72 n d^2 + 12 n d l a token, on 2e12 tokens."""
    token = 72 * layers * width_**2 + 12 * layers * width_ * 4096
    return horizons.deepseek_law(token * 2e12)


ROWS = [
    Row(
        "Goyal 2017",
        "table 2",
        "0.1 at 256 -> 8192",
        3.2,
        lambda: batch.linear(0.1, 32),
    ),
    Row(
        "Goyal 2017",
        "table 2, the rule that fails: 26.22 %",
        "0.1 at 256 -> 8192",
        0.1 * 32**0.5,
        lambda: batch.square_root(0.1, 32),
    ),
    Row(
        "Goyal 2017",
        "section 5.1, reference",
        "vision, SGD, batch 256",
        0.1,
        lambda: float(recipe("vision", optimizer="sgd", batch=256)["lr"].value),
    ),
    *(
        Row(
            "You 2020 (LAMB)",
            "table 4",
            f"batch {size}: 5 / (2^{power} * 10^3)",
            5 / (2**power * 1e3),
            partial(_lamb_lr, size),
        )
        for size, power in (
            (512, 3.0),
            (1024, 2.5),
            (2048, 2.0),
            (4096, 1.5),
            (8192, 1.0),
            (16384, 0.5),
            (32768, 0.0),
        )
    ),
    *(
        Row(
            "You 2020 (LAMB)",
            "table 4, warmup",
            f"batch {size}",
            share,
            partial(_lamb_warmup, size),
        )
        for size, share in (
            (512, 1 / 320),
            (1024, 1 / 160),
            (2048, 1 / 80),
            (4096, 1 / 40),
            (8192, 1 / 20),
            (16384, 1 / 10),
            (32768, 1 / 5),
        )
    ),
    Row(
        "Ma & Yarats 2019",
        "README",
        "beta2 0.999",
        2000,
        lambda: warmups.untuned(0.999),
    ),
    Row("Ma & Yarats 2019", "README", "beta2 0.95", 40, lambda: warmups.untuned(0.95)),
    Row("Bi 2024", "table 2, lr", "7B", 4.2e-4, lambda: _deepseek(30, 4096).lr, 0.03),
    Row("Bi 2024", "table 2, lr", "67B", 3.2e-4, lambda: _deepseek(95, 8192).lr, 0.03),
    Row(
        "Bi 2024",
        "table 2, batch",
        "7B: 2304 sequences",
        2304 * 4096,
        lambda: _deepseek(30, 4096).batch_tokens,
        0.03,
    ),
    Row(
        "Bi 2024",
        "table 2, batch",
        "67B: 4608 sequences",
        4608 * 4096,
        lambda: _deepseek(95, 8192).batch_tokens,
        0.10,
    ),
    Row(
        "Li 2025 (Step Law)",
        "eq. 1, by hand",
        "N 1e9, D 1e11",
        1.79 * 10 ** (-0.713 * 9 + 0.307 * 11),
        lambda: horizons.step_law(1e9, 1e11).lr,
    ),
    Row(
        "Bjorck 2024",
        "section 4, by hand",
        "1e-3, 4 times the tokens",
        1e-3 * 2**-0.64,
        lambda: horizons.at_fixed_batch(1e-3, 25e9, 100e9),
    ),
    *(
        Row("Brown 2020", "table 2.1", f"{n:.3g}", lr, partial(gpt3, n))
        for n, lr in (
            (125e6, 6.0e-4),
            (350e6, 3.0e-4),
            (760e6, 2.5e-4),
            (1.3e9, 2.0e-4),
            (2.7e9, 1.6e-4),
            (6.7e9, 1.2e-4),
            (13e9, 1.0e-4),
            (175e9, 0.6e-4),
        )
    ),
    Row(
        "Kaplan 2020 and Brown 2020",
        "eq. D.1 against table 2.1",
        "125M",
        6.0e-4,
        lambda: kaplan(125e6),
        0.07,
    ),
    Row("Malladi 2022", "rule, by hand", "k 4", 2e-3, lambda: batch.adam(1e-3, 4).lr),
    Row(
        "Malladi 2022",
        "rule, by hand",
        "k 4, beta1 0.9",
        0.6,
        lambda: batch.adam(1e-3, 4).beta1,
    ),
    Row(
        "Malladi 2022",
        "rule, by hand",
        "k 4, eps 1e-8",
        5e-9,
        lambda: batch.adam(1e-3, 4).eps,
    ),
    Row(
        "McCandlish 2018",
        "A.1, by hand",
        "|G|^2 1, tr 2, batches 1 and 4",
        2.0,
        lambda: noise.noise_scale(*noise.from_two_batches(3.0, 1.5, 1, 4)) or 0.0,
    ),
    Row(
        "McCandlish 2018",
        "section 2.2, at the noise scale half of the most",
        "batch = noise",
        0.5,
        lambda: 0.5 / batch.noise_limited(0.5, 1e3, 1e12, 1e3),
        1e-6,
    ),
    Row(
        "Li 2024 (surge)",
        "section 2, the top is at the noise scale",
        "batch 4 n against n",
        2 / 2.5,
        lambda: batch.surge(1.0, 1000, 4000, 1000),
    ),
    Row(
        "Yang 2022",
        "mup/optim.py",
        "Adam, hidden, m 4",
        0.25,
        lambda: _mup("hidden").lr,
    ),
    Row(
        "Yang 2022",
        "mup/optim.py",
        "Adam, hidden, m 4, decay",
        4.0,
        lambda: _mup("hidden").weight_decay,
    ),
    Row(
        "Yang 2022", "mup/optim.py", "Adam, vector, m 4", 1.0, lambda: _mup("vector").lr
    ),
    Row(
        "He 2022 (MAE)",
        "util/lr_decay.py, ViT-B, 0.65",
        "embedding, 12 blocks",
        0.65**13,
        lambda: _factors(_vit(12), 0.65)[0],
    ),
    Row(
        "He 2022 (MAE)",
        "util/lr_decay.py, ViT-B, 0.65",
        "last block",
        0.65,
        lambda: _factors(_vit(12), 0.65)[12],
    ),
    Row(
        "He 2022 (MAE)",
        "util/lr_decay.py, ViT-B, 0.65",
        "head",
        1.0,
        lambda: _factors(_vit(12), 0.65)[13],
    ),
    Row(
        "Clark 2020 (ELECTRA)",
        "layers differ by 0.8",
        "layer 3 over layer 4",
        0.8,
        lambda: _factors(_bert(12), 0.8)[4] / _factors(_bert(12), 0.8)[5],
    ),
    Row(
        "Howard & Ruder 2018",
        "section 3.2",
        "a layer over the one above",
        1 / 2.6,
        lambda: float(ulmfit(_bert(3)).rules[-2].value),  # type: ignore[arg-type]  # a number
    ),
    Row(
        "Chen 2023 (Lion)",
        "README: ViT, AdamW 1e-3 and wd 1 against 1e-4 and 10",
        "ratio",
        0.1,
        lambda: _ratio("lr"),
    ),
    Row(
        "Chen 2023 (Lion)",
        "README: the same",
        "ratio of weight decay",
        10.0,
        lambda: _ratio("weight_decay"),
    ),
]


def _mup(role: width.Role) -> width.WidthFactors:
    return width.width_factors(4, "AdamW")[role]


def _ratio(name: str) -> float:
    lion = recipe(optimizer="lion", horizon=1000)[name].value
    return float(lion) / float(recipe(optimizer="adamw", horizon=1000)[name].value)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.paper}, {row.inputs}")
def test_the_source_has_this_number(row: Row) -> None:
    assert row.ours() == pytest.approx(row.expected, rel=row.tolerance)


def test_every_source_says_where_it_was_read() -> None:
    named = {key: one for key, one in vars(sources).items() if isinstance(one, Source)}
    assert len(named) > 35
    for one in named.values():
        assert one.work
        assert one.place or one.standing in {"convention", "measured", "read"}
        assert one.standing in {"read", "quoted", "recalled", "convention", "measured"}
    assert len({(one.work, one.place) for one in named.values()}) == len(named)


def test_the_page_says_how_far_every_work_was_checked() -> None:
    page = (Path(__file__).parents[3] / "docs" / "recipes.md").read_text()
    lines = {
        line.split("|")[1].strip(" *"): line
        for line in page.splitlines()
        if line.startswith("| *")
    }
    for one in vars(sources).values():
        if isinstance(one, Source) and one.standing in {"read", "quoted", "recalled"}:
            assert one.work in lines[one.standing], one
