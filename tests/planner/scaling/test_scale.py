import json
from typing import Any

import pytest

import stepsize as ss
from stepsize.planner.recipe_file import Recipe, RecipeRule, parse_recipe
from stepsize.planner.scaling import (
    ScaledRecipe,
    effective_batch,
    scale,
    scale_horizon,
)
from stepsize.planner.scaling.families import FAMILIES
from stepsize.planner.usual_rates import USUAL


def _recipe(optimizer: str | None = "sgd+momentum", **changes: Any) -> Recipe:
    fields: dict[str, Any] = {
        "lr": 0.1 * ss.warmup(100) >> ss.hold() >> ss.decay("20%"),
        "optimizer": optimizer,
        "horizon": ss.Horizon(steps=8000, samples_per_step=256),
        **changes,
    }
    return Recipe(**fields)


def _adamw(**more: float) -> Recipe:
    said = {"weight_decay": 0.1, **more}
    others = tuple((name, ss.constant(value)) for name, value in said.items())
    return _recipe(
        "AdamW", lr=1e-3 * ss.warmup("5%") >> ss.cosine(), hyperparameters=others
    )


def _values(scaled: ScaledRecipe) -> dict[str, float | str]:
    return {change.name: change.value for change in scaled.changes}


def test_sgd_is_linear_and_lengths_follow_the_samples() -> None:
    scaled = scale(_recipe(), to_batch=1024)
    assert scaled.recipe.lr == 0.4 * ss.warmup(25) >> ss.hold() >> ss.decay("20%")
    assert scaled.recipe.horizon == ss.Horizon(steps=2000, samples_per_step=1024)
    assert (scaled.rule, scaled.factor) == ("linear-sqrt", 4.0)
    assert scaled.confidence == "medium"
    change = scaled["lr"]
    assert (change.before, change.value) == (0.1, 0.4)
    assert (change.low, change.high) == pytest.approx((0.2, 0.4))
    assert scaled.recipe.batch_scale == 4


def test_adam_takes_the_root_with_betas_eps_and_weight_decay() -> None:
    scaled = scale(_adamw(), to_batch=1024)
    found = _values(scaled)
    assert found["lr"] == pytest.approx(2e-3)
    assert found["betas[0]"] == pytest.approx(0.6)
    assert found["betas[1]"] == pytest.approx(0.996)
    assert found["eps"] == pytest.approx(5e-9)
    assert found["weight_decay"] == pytest.approx(0.2)  # 0.1 * 4 / 2
    written = dict(scaled.recipe.hyperparameters)
    assert set(written) == {"weight_decay", "betas[0]", "betas[1]", "eps"}
    assert parse_recipe(scaled.recipe.dump()) == scaled.recipe


def test_the_rate_only_where_that_is_asked_for() -> None:
    found = _values(scale(_adamw(), to_batch=1024, rule="sqrt"))
    assert set(found) == {"lr", "weight_decay", "total_steps"}


def test_rmsprop_has_its_alpha() -> None:
    found = _values(scale(_recipe("RMSprop", lr=1e-3 * ss.cosine()), to_batch=512))
    assert found["alpha"] == pytest.approx(0.98)
    assert found["eps"] == pytest.approx(1e-8 / 2**0.5)
    assert "betas[0]" not in found


def test_weight_decay_keeps_its_share_of_the_run() -> None:
    from stepsize.planner.scaling.weight_decay import timescale_of_run

    for keep in ("samples", "updates"):
        scaled = scale(_adamw(), to_batch=4096, keep=keep)
        found, run = _values(scaled), scaled.recipe.horizon
        assert run is not None
        assert run.total_steps is not None
        after = timescale_of_run(
            float(found["lr"]), float(found["weight_decay"]), run.total_steps
        )
        assert after == pytest.approx(timescale_of_run(1e-3, 0.1, 8000))


def test_the_same_batch_is_the_same_recipe() -> None:
    recipe = _adamw()
    scaled = scale(recipe, to_batch=256)
    assert scaled.recipe is recipe
    assert (scaled.changes, scaled.warnings, scaled.confidence) == ((), (), "high")


@pytest.mark.parametrize("recipe", [_recipe(), _adamw(**{"betas[0]": 0.99})])
def test_twice_two_is_four(recipe: Recipe) -> None:
    steps = scale(scale(recipe, to_batch=512).recipe, to_batch=1024).recipe
    once = scale(recipe, to_batch=1024).recipe
    assert steps.horizon == once.horizon
    assert steps.lr is not None
    assert once.lr is not None
    assert steps.lr.resolve(total_steps=2000).rates() == pytest.approx(
        once.lr.resolve(total_steps=2000).rates()
    )
    assert {name: value(0) for name, value in steps.hyperparameters} == pytest.approx(
        {name: value(0) for name, value in once.hyperparameters}
    )


def test_beyond_four_times_the_batch_sgd_follows_the_root_on_any_way() -> None:
    far = scale(_recipe(), to_batch=256 * 16)
    assert far["lr"].value == pytest.approx(0.8)
    assert (far["lr"].low, far["lr"].high) == pytest.approx((0.4, 1.6))
    assert far["lr"].formula == "0.1 * 4 * sqrt(16 / 4)"
    half_way = scale(_recipe(), to_batch=256 * 4).recipe
    rest = scale(half_way, to_batch=256 * 16)
    assert rest["lr"].value == pytest.approx(0.8)
    assert "linear up to 4 times" in rest["lr"].formula
    back = scale(rest.recipe, to_batch=256)
    assert back["lr"].value == pytest.approx(0.1)
    linear = scale(_recipe(), to_batch=256 * 16, rule="linear")
    assert linear["lr"].value == pytest.approx(1.6)


def test_accumulation_and_ranks_are_counted_once() -> None:
    counted = effective_batch(micro_batch=16, accumulation=8, world_size=2)
    assert counted == 256
    recipe = _recipe(horizon=ss.Horizon(steps=8000, samples_per_step=64))
    assert scale(recipe, to_batch=counted) == scale(recipe, to_batch=256)
    assert (
        counted
        == effective_batch(batch=256)
        == effective_batch(batch=256, micro_batch=16, accumulation=8, world_size=2)
    )


def test_a_warmup_is_added_where_a_raised_rate_has_none() -> None:
    bare = _recipe(lr=0.1 * ss.cosine())
    scaled = scale(bare, to_batch=1024)
    assert scaled.recipe.lr == 0.4 * ss.warmup("5%") >> ss.cosine()
    assert scaled["warmup"].value == "5%"
    assert not [
        one
        for one in ss.check(
            scaled.recipe.lr,
            scaled.recipe.horizon,
            batch_scale=scaled.recipe.batch_scale,
        )
        if one.code == "SS304"
    ]
    for unchanged in (
        scale(bare, to_batch=300),
        scale(bare, to_batch=64),
        scale(_recipe(), to_batch=1024),
    ):
        assert "warmup" not in _values(unchanged)


def test_a_warmup_fits_into_a_schedule_that_fills_the_run() -> None:
    full = _recipe(lr=0.1 * ss.cosine(8000))
    scaled = scale(full, to_batch=1024).recipe
    assert scaled.lr is not None
    rates = scaled.lr.resolve(horizon=scaled.horizon).rates()
    assert len(rates) == 2000
    assert rates[0] < 0.01
    assert max(rates) > 0.35


def test_lengths_of_every_kind_follow() -> None:
    before = (
        0.1 * ss.warmup(100)
        >> ss.multistep([200, 400], steps=600)
        >> ss.decay("2 epochs", to_lr=1e-3)
        >> ss.knots([(0, 1.0), (40, 0.5), ("50%", 0.2)])
    )
    run = ss.Horizon(epochs=10, steps_per_epoch=100, samples_per_step=10)
    after = scale(_recipe(lr=before, horizon=run), to_batch=20).recipe
    assert after.lr == (
        0.2 * ss.warmup(50)
        >> ss.multistep([100, 200], steps=300)
        >> ss.decay("2 epochs", to_lr=2e-3)
        >> ss.knots([(0, 1.0), (20, 0.5), ("50%", 0.2)])
    )
    assert after.horizon == ss.Horizon(
        epochs=10, steps_per_epoch=50, samples_per_step=20
    )


def test_as_many_updates_where_that_is_asked_for() -> None:
    scaled = scale(_recipe(), to_batch=1024, keep="updates")
    assert scaled.recipe.lr == 0.4 * ss.warmup(100) >> ss.hold() >> ss.decay("20%")
    assert scaled.recipe.horizon == ss.Horizon(steps=8000, samples_per_step=1024)


def test_lamb_keeps_its_warmup_in_updates() -> None:
    recipe = _recipe("LAMB", lr=1e-3 * ss.warmup("1%") >> ss.linear())
    assert (
        scale(recipe, to_batch=1024).recipe.lr == 2e-3 * ss.warmup("4%") >> ss.linear()
    )
    fixed = _recipe("LAMB", lr=1e-3 * ss.warmup(80) >> ss.linear())
    assert scale(fixed, to_batch=1024).recipe.lr == 2e-3 * ss.warmup(80) >> ss.linear()


def test_what_finds_its_own_rate_keeps_it() -> None:
    recipe = _recipe("Prodigy", lr=ss.warmup("5%") >> ss.linear())
    scaled = scale(recipe, to_batch=4096)
    assert scaled.recipe.lr == recipe.lr
    assert list(_values(scaled)) == ["total_steps"]


def test_group_rules_with_rates_of_their_own_follow() -> None:
    rules = (
        RecipeRule(match="adamw", value=3e-4 * ss.cosine()),
        RecipeRule(match="head", value=10.0),
    )
    scaled = scale(_recipe(rules=rules), to_batch=1024).recipe
    assert scaled.rules == (
        RecipeRule(match="adamw", value=1.2e-3 * ss.cosine()),
        RecipeRule(match="head", value=10.0),
    )


def test_a_factor_moves_its_base() -> None:
    recipe = _recipe(lr=None, lr_factor=ss.warmup("5%") >> ss.cosine(), base_lr=0.1)
    scaled = scale(recipe, to_batch=512).recipe
    assert (scaled.base_lr, scaled.lr_factor) == (0.2, recipe.lr_factor)


def test_a_measured_noise_scale_decides() -> None:
    near = scale(_recipe(), to_batch=1024, noise_scale=1e6)
    assert near.rule == "noise"
    assert near["lr"].value == pytest.approx(0.4, rel=0.01)
    assert near.confidence == "high"
    far = scale(_recipe(), to_batch=1024, noise_scale=100)
    assert far["lr"].value == pytest.approx(0.1 * (1 + 100 / 256) / (1 + 100 / 1024))
    assert far.confidence == "low"
    assert "beyond the noise scale of 100" in far.warnings[0]
    adam = scale(_adamw(), to_batch=1024, noise_scale=300)
    assert adam.rule == "surge"
    assert float(adam["lr"].value) < 1e-3  # past the top


@pytest.mark.parametrize(
    ("recipe", "to_batch", "text"),
    [
        (_recipe(), 4096, "noise scale is not known"),
        (_recipe("LARS"), 16384, "up to a batch of 8192"),
        (_recipe(lr=1.0 * ss.cosine()), 8192, "usually given, 5"),
        (_adamw(), 4096, r"betas\[0\] would be negative at 16 times"),
        (_recipe(horizon=ss.Horizon(steps=300, samples_per_step=256)), 1024, "only 75"),
        (_recipe("Muon"), 512, "no work that was read checks"),
        (_recipe("SOAP"), 512, "known for Adam and RMSprop"),
    ],
)
def test_warnings_where_a_rule_may_not_hold(
    recipe: Recipe, to_batch: int, text: str
) -> None:
    scaled = scale(recipe, to_batch=to_batch)
    import re

    assert [one for one in scaled.warnings if re.search(text, one)]


def test_every_change_has_a_reason_and_fits_the_screen() -> None:
    for recipe in (_recipe(), _adamw(), _recipe("Lion"), _recipe("LAMB")):
        scaled = scale(recipe, to_batch=8192)
        assert all(change.reason and change.sources for change in scaled.changes)
        assert all(len(line) <= 80 for line in str(scaled).splitlines())
        assert json.loads(json.dumps(scaled.to_dict()))["factor"] == 32


def test_every_optimizer_scales_in_some_way() -> None:
    assert set(FAMILIES) == set(USUAL)
    for known in USUAL:
        assert scale(_recipe(known, lr=1e-3 * ss.cosine()), to_batch=512).factor == 2


@pytest.mark.parametrize(
    ("recipe", "more", "text"),
    [
        (_recipe("my own"), {}, r"scale\.optimizer must be an optimizer whose scaling"),
        (_recipe(None), {}, r"scale\.optimizer must be"),
        (_recipe(), {"to_batch": 0}, r"scale\.to_batch must be .* > 0"),
        (_recipe(), {"from_batch": 128}, r"equal the recipe's samples_per_step = 256"),
        (_recipe(horizon=None), {}, r"scale\.from_batch must be given"),
        (_recipe(), {"rule": "cube"}, r"scale\.rule must be one of"),
        (_recipe(), {"rule": "adam"}, r'scale\.rule must be "sqrt"'),
        (_recipe(), {"rule": "noise"}, r"scale\.noise_scale must be given"),
        (_recipe(), {"keep": "epochs"}, r"scale\.keep must be one of"),
        (
            _recipe(lr=ss.opaque("mine", lambda t: 0.1)),
            {},
            "without functions of your own",
        ),
        ("stepsize.yaml", {}, r"scale\.recipe must be a Recipe"),
    ],
)
def test_errors(recipe: Any, more: dict[str, Any], text: str) -> None:
    with pytest.raises(ss.InvalidScheduleError, match=text):
        scale(recipe, **{"to_batch": 512, **more})


@pytest.mark.parametrize(
    ("more", "text"),
    [
        ({}, r"effective_batch\.batch must be given, or micro_batch"),
        ({"micro_batch": 0}, r"effective_batch\.micro_batch must be an int >= 1"),
        ({"batch": 100, "world_size": 3}, r"divisible by accumulation \* world_size"),
        ({"batch": 100, "micro_batch": 16}, r"equal micro_batch \* .* = 16; got 100"),
    ],
)
def test_a_batch_that_contradicts_itself(more: dict[str, Any], text: str) -> None:
    with pytest.raises(ss.InvalidScheduleError, match=text):
        effective_batch(**more)


@pytest.mark.parametrize("optimizer", ["Adam", "RMSprop", "NAdam"])
def test_weight_decay_within_a_normalised_gradient_is_left(optimizer: str) -> None:
    others = (("weight_decay", ss.constant(0.1)),)
    recipe = _recipe(optimizer, lr=1e-3 * ss.cosine(), hyperparameters=others)
    for scaled in (scale(recipe, to_batch=1024), scale_horizon(recipe, to_steps=99)):
        assert "weight_decay" not in _values(scaled)
        assert dict(scaled.recipe.hyperparameters)["weight_decay"] == ss.constant(0.1)
        assert any("weight_decay was left" in one for one in scaled.warnings)


def test_a_rate_left_as_it_is_is_no_rule_to_trust() -> None:
    assert scale(_recipe(), to_batch=512, rule="none").confidence == "medium"
    assert scale(_recipe(), to_batch=8192, rule="none").confidence == "low"
    free = _recipe("Prodigy", lr=ss.cosine())
    assert scale(free, to_batch=512).confidence == "high"
