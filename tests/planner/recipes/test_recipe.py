import itertools
import json
from typing import Any

import pytest

import stepsize as ss
from stepsize.finder.found import Found
from stepsize.planner.recipe_file import parse_recipe
from stepsize.planner.recipes.recipe import recipe
from stepsize.planner.recipes.situation import STYLES, TASKS
from stepsize.planner.scaling import scale
from stepsize.planner.scaling.families import FAMILIES
from stepsize.proof.workloads import load

SITUATIONS = list(itertools.product(TASKS, sorted(FAMILIES), (False, True, "lora")))


@pytest.mark.parametrize(("task", "optimizer", "pretrained"), SITUATIONS)
def test_every_situation_has_a_recipe_without_findings(
    task: str, optimizer: str, pretrained: bool | str
) -> None:
    for horizon, batch in ((None, None), (10_000, 256), (10_000, 4096)):
        advice = recipe(
            task,
            optimizer=optimizer,
            horizon=horizon,
            batch=batch,
            pretrained=pretrained,
            model=5e7,
        )
        made = advice.recipe
        assert made.lr is not None
        found = ss.check(made.lr, made.horizon, optimizer=made.optimizer)
        held = {"SS204", "SS205"}  # open: it is held until someone cools it down
        assert {one.code for one in found} <= (held if horizon is None else set())
        top = advice["lr"]
        assert top.low is not None
        assert top.high is not None
        assert top.low <= float(top.value) <= top.high
        assert all(one.reason and one.sources for one in advice.choices)
        assert all(len(line) <= 80 for line in str(advice).splitlines())
        assert parse_recipe(made.dump()) == made
        assert json.loads(json.dumps(advice.to_dict()))["choices"]


@pytest.mark.parametrize("style", STYLES)
def test_styles(style: str) -> None:
    made = recipe(horizon=10_000, style=style).recipe
    assert made.lr is not None
    rates = made.lr.resolve(horizon=made.horizon).rates()
    assert max(rates) == pytest.approx(1e-3)
    assert (rates[-1] < 2e-5) is (style != "constant")


def test_the_defaults_of_each_situation() -> None:
    def text(*args: Any, **more: Any) -> str:
        return str(recipe(*args, **{"horizon": 10_000, **more})["schedule"].value)

    assert text("vision", optimizer="sgd") == 'warmup("5%") >> decay(shape="cosine")'
    assert text("language") == 'warmup("1%") >> decay()'
    assert text(pretrained=True) == 'warmup("10%") >> decay()'
    assert text("language", extendable=True) == str(
        ss.warmup("1%") >> ss.hold() >> ss.decay("20%", shape="1-sqrt")
    )
    assert text("language", horizon=None) == "warmup(40) >> hold()"
    assert text(optimizer="AdamWScheduleFree") == 'warmup("5%") >> hold()'


def test_peaks_follow_the_optimizer_the_size_and_the_batch() -> None:
    def peak(*args: Any, **more: Any) -> float:
        return float(recipe(*args, **{"horizon": 10_000, **more})["lr"].value)

    assert peak("vision", optimizer="sgd", batch=8192) == 3.2
    assert peak("language", model=175e9) == 0.6e-4
    assert peak("language", model=50e6) > peak("language", model=500e6)
    assert peak("language", optimizer="lion", model=175e9) == pytest.approx(0.6e-5)
    assert peak(pretrained=True) == 2e-5
    assert peak(pretrained="lora") / peak("language", pretrained=True) >= 10
    assert peak(optimizer="prodigy") == peak(optimizer="DAdaptAdam") == 1
    assert peak(optimizer="lamb", batch=512) == 6.25e-4
    assert peak(optimizer="muon") == 0.02
    assert peak(peak_lr=7e-3) == 7e-3


@pytest.mark.parametrize("optimizer", ["sgd", "AdamW", "Lion", "LAMB"])
@pytest.mark.parametrize("batch", [1, 8, 64, 2**20])
def test_a_rate_lies_in_its_range_at_every_batch(optimizer: str, batch: int) -> None:
    told = recipe("vision", optimizer=optimizer, batch=batch, horizon=1000)["lr"]
    assert told.low is not None
    assert told.high is not None
    assert told.low <= float(told.value) <= told.high


def test_a_batch_beyond_what_was_shown_is_said_to_be() -> None:
    def told(batch: int) -> str:
        return recipe("vision", optimizer="sgd", batch=batch)["lr"].disputed

    assert "shown up to a batch of 8192" in told(16_384)
    assert not told(8192)


def test_every_optimizer_of_the_hint_is_known() -> None:
    with pytest.raises(ss.InvalidScheduleError) as raised:
        recipe(optimizer="nobody's")
    _, _, names = str(raised.value).partition("hint: one of ")
    for name in names.rstrip(".").split(", "):
        assert float(recipe(optimizer=name)["lr"].value) > 0


def test_a_rate_that_is_given_is_judged() -> None:
    assert not recipe(peak_lr=1e-3, horizon=1000)["lr"].disputed
    assert (
        "outside of 0.0001 to 0.01" in recipe(peak_lr=0.5, horizon=100)["lr"].disputed
    )


def test_where_sources_disagree_it_says_so() -> None:
    run = ss.Horizon(steps=20_000, tokens_per_step=500_000)
    told = recipe("language", horizon=run, model=1.3e9)
    assert "Step Law" in told["lr"].disputed
    assert "arXiv:2203.15556" in told["schedule"].disputed
    restarts = recipe(style="restarts", horizon=10_000)["schedule"]
    assert "one cycle over the whole run" in restarts.disputed


def test_what_stands_beside_the_rate() -> None:
    def beside(*args: Any, **more: Any) -> dict[str, float]:
        made = recipe(*args, **{"horizon": 10_000, **more}).recipe
        return {name: value(0) for name, value in made.hyperparameters}

    assert beside("language") == {
        "betas[0]": 0.9,
        "betas[1]": 0.95,
        "weight_decay": 0.1,
    }
    assert beside("vision", optimizer="sgd+momentum") == {
        "momentum": 0.9,
        "weight_decay": 1e-4,
    }
    assert beside("language", optimizer="lion")["weight_decay"] == 1.0
    assert recipe("language", horizon=100)["clip_norm"].value == 1.0


def test_a_recipe_scales() -> None:
    advice = recipe("vision", optimizer="sgd+momentum", horizon=8000, batch=256)
    bigger = scale(advice.recipe, to_batch=1024).recipe
    other = recipe("vision", optimizer="sgd+momentum", horizon=2000, batch=1024).recipe
    assert (bigger.lr, bigger.horizon) == (other.lr, other.horizon)


def test_a_deadline_is_a_policy() -> None:
    from stepsize.control.policies import Deadline

    assert recipe(horizon=100, deadline=3600).policies == (Deadline(3600),)
    assert recipe(horizon=100).policies == ()


def test_bounds_for_a_search() -> None:
    advice = recipe(horizon=1000)
    assert advice.search_space() == {"lr": {"low": 1e-4, "high": 1e-2, "log": True}}
    assert advice.search_space(low=1e-5, high=3e-3)["lr"]["high"] == 3e-3
    assert recipe(optimizer="prodigy", horizon=100).search_space() == {}
    with pytest.raises(ss.InvalidScheduleError, match=r"be above low = 0\.0001"):
        advice.search_space(high=1e-5)


def _found(**changes: Any) -> Found:
    fields: dict[str, Any] = {
        "suggestion": 2e-3,
        "low": 1e-3,
        "high": 4e-3,
        "status": "ok",
        "steps": 500,
        "spread": 0.1,
        "blowup": None,
        "curve": None,
        "probes": (),
        "rules": {},
        "reasons": (),
    }
    return Found(**{**fields, **changes})


def test_bounds_from_the_finder() -> None:
    def bounds(found: Found, **more: float) -> tuple[float, float]:
        space = recipe(horizon=1000).search_space(found, **more)["lr"]
        return space["low"], space["high"]

    assert bounds(_found()) == (5e-4, 8e-3)
    assert bounds(_found(blowup=5e-3)) == (5e-4, 5e-3)  # training breaks there
    assert bounds(_found(blowup=3e-3)) == (5e-4, 8e-3)  # it held above that
    assert bounds(_found(), low=1e-4) == (1e-4, 8e-3)
    nothing = _found(suggestion=None, low=None, high=None, status="no_descent")
    with pytest.raises(ss.InvalidScheduleError, match="its status is no_descent"):
        bounds(nothing)


TUNED = {"digits": 0.1, "mnist5k": 1e-2, "charlm": 3e-3}
"""Best peak rates of warmed-up cosine or linear on grids in factors of 3 (`stepsize
compare digits`, `stepsize compare mnist5k`; of charlm, `tuned_lrs`)."""


@pytest.mark.parametrize(("name", "size"), [("digits", 8970), ("mnist5k", 55_050)])
def test_without_a_finder_the_peak_is_within_a_factor_of_4(
    name: str, size: int
) -> None:
    workload = load(name)
    optimizer = "SGD + momentum" if workload.optimizer == "sgd" else workload.optimizer
    advice = recipe(
        optimizer=optimizer,
        horizon=workload.total_steps,
        batch=workload.batch_size,
        model=size,
    )
    top = advice["lr"]
    assert TUNED[name] / 4 < float(top.value) < TUNED[name] * 4
    assert top.low is not None
    assert top.high is not None
    assert top.low <= TUNED[name] <= top.high


def test_a_small_language_model_is_within_a_factor_of_4() -> None:
    top = recipe("language", horizon=2000, batch=8, model=62_304)["lr"]
    assert TUNED["charlm"] / 4 < float(top.value) < TUNED["charlm"] * 4
    assert top.high is not None
    assert TUNED["charlm"] <= top.high


@pytest.mark.parametrize(
    ("more", "text"),
    [
        ({"task": "audio"}, r'recipe\.task must be one of "general"'),
        ({"optimizer": "my own"}, r"recipe\.optimizer must be an optimizer"),
        ({"style": "wave"}, r"recipe\.style must be one of"),
        ({"pretrained": "yes"}, r'recipe\.pretrained must be True, False or "lora"'),
        ({"batch": 0}, r"recipe\.batch must be"),
        ({"model": "resnet50"}, r"recipe\.model must be a number of parameters"),
        ({"model": -1}, r"recipe\.model must be"),
        ({"model": {}}, r"recipe\.model must be"),
        ({"model": {"w": (3, -1)}}, r"recipe\.model must be"),
        ({"model": {"w": ("x",)}}, r"recipe\.model must be"),
        ({"pretrained": []}, r'recipe\.pretrained must be True, False or "lora"'),
        ({"extendable": "no"}, r"recipe\.extendable must be True or False"),
        ({"extendable": True, "style": "cosine"}, "where the end is open or may move"),
        ({"horizon": None, "style": "step"}, "where the end is open or may move"),
        ({"horizon": ss.Horizon(epochs=10)}, "have steps_per_epoch beside epochs"),
        ({"peak_lr": 0}, r"recipe\.peak_lr must be"),
        ({"deadline": -1}, r"recipe\.deadline must be"),
        ({"groups": "all"}, r"recipe\.groups must be one of"),
        ({"groups": "layer-decay"}, r'be "none" where the names .* are not known'),
        (
            {"horizon": ss.Horizon(steps=5, samples_per_step=64), "batch": 256},
            r"equal the horizon's samples_per_step = 64; got 256",
        ),
        (
            {"optimizer": "AdamWScheduleFree", "style": "cosine"},
            'be "auto" or "constant" for a schedule-free',
        ),
        (
            {"optimizer": "prodigy", "groups": "ulmfit", "model": ["b.0", "b.1"]},
            "the optimizer finds one rate",
        ),
    ],
)
def test_errors(more: dict[str, Any], text: str) -> None:
    with pytest.raises(ss.InvalidScheduleError, match=text):
        recipe(**{"horizon": 1000, **more})
