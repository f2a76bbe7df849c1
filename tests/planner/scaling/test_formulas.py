"""Weight decay, warmups, horizons and widths: shapes of the formulas and errors."""

from collections.abc import Callable

import pytest

import stepsize as ss
from stepsize.planner.scaling import batch, horizons, warmups, weight_decay, width


def test_the_best_timescale_shrinks_with_tokens_per_parameter() -> None:
    ratio = weight_decay.best_timescale_ratio(20, 80)
    assert ratio == pytest.approx(4**-0.527)
    assert weight_decay.best_timescale_ratio(20, 20) == 1


def test_the_laws_disagree_on_tokens() -> None:
    fixed = horizons.at_fixed_batch(1e-3, 1e10, 1e11)
    free = horizons.step_law(1e9, 1e11).lr / horizons.step_law(1e9, 1e10).lr
    assert fixed < 1e-3  # a fixed batch: a longer run wants less
    assert free > 1  # the batch grows along: it wants more


def test_a_warmup_keeps_samples_or_updates() -> None:
    assert warmups.scaled_warmup(10, 64, "samples") == 1
    assert warmups.scaled_warmup(500, 2, "samples") == 250
    assert warmups.lamb(10 * 32768).warmup == 1


def test_widths_by_role() -> None:
    adam, sgd = width.width_factors(8, "adam"), width.width_factors(8, "sgd")
    assert [adam[role].lr for role in width.ROLES] == [1, 1 / 8, 1, 1]
    assert [sgd[role].lr for role in width.ROLES] == [8, 1, 8, 8]
    assert width.width_factors(8, "adam", output="lr")["output"].lr == 1 / 8
    for factors in (*adam.values(), *sgd.values()):
        assert factors.lr * factors.weight_decay == 1
    rules = width.width_rules(2, "adam", {"blocks.*": "hidden", "*": "vector"})
    assert [(rule.match, rule.value) for rule in rules] == [
        ("blocks.*", 0.5),
        ("blocks.*", 2.0),
        ("*", 1.0),
        ("*", 1.0),
    ]


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: warmups.untuned(1.0), r"untuned\.beta2 must be .* < 1; got 1\.0"),
        (lambda: batch.adam(1.0, 2, beta1=1.0), r"adam\.beta1 must be .* < 1; got"),
        (lambda: batch.half_life(-0.1, 2), r"half_life\.beta must be .* < 1; got"),
        (lambda: warmups.lamb(0), r"lamb\.batch must be"),
        (lambda: warmups.scaled_warmup(5, 2, "x"), r"scaled_warmup\.keep must be"),
        (lambda: horizons.step_law(0, 1), r"step_law\.parameters must be"),
        (lambda: weight_decay.timescale(0.1, 0), r"timescale\.weight_decay must be"),
        (lambda: width.width_factors(0, "adam"), r"width_factor must be"),
        (lambda: width.width_factors(2, "muon"), "no rule is checked for others"),
        (lambda: width.width_rules(2, "adam", {"*": "odd"}), r"roles\['\*'\] must be"),  # type: ignore[dict-item]  # that is the point
    ],
)
def test_errors(call: Callable[[], object], text: str) -> None:
    with pytest.raises(ss.InvalidScheduleError, match=text):
        call()
