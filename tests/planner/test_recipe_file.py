import contextlib
import json
import pickle
from pathlib import Path

import msgspec
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

import stepsize as ss
from stepsize.planner.recipe_file import (
    SCHEMA_NAME,
    Recipe,
    RecipeRule,
    load_recipe,
    parse_recipe,
    schema,
    schema_text,
)
from stepsize.testing.strategies import schedules

ROOT = Path(__file__).parents[2]
FULL = """
version: 1
lr: 3e-4 * warmup(500) >> hold() >> decay("20%", shape="1-sqrt")
horizon: {epochs: 10, steps_per_epoch: 1200}
optimizer: AdamW
batch_scale: 4
hyperparameters:
  weight_decay: 1e-1
  "betas[0]": 0.95 * linear(to=0.9)
rules:
  - {match: "head*", value: 10}
  - {match: 1, value: 0.0, hyperparameter: weight_decay}
  - {match: "embed*", value: 1e-4 * cosine()}
ignore: [SS205]
"""


def test_everything_is_read() -> None:
    recipe = parse_recipe(FULL)
    assert recipe.lr == 3e-4 * ss.wsd(500)
    assert recipe.horizon == ss.Horizon(epochs=10, steps_per_epoch=1200)
    assert recipe.optimizer == "AdamW"
    assert recipe.batch_scale == 4
    assert dict(recipe.hyperparameters) == {
        "weight_decay": ss.constant(0.1),  # YAML 1.1 reads 1e-1 as a text
        "betas[0]": 0.95 * ss.linear(to=0.9),
    }
    assert recipe.rules == (
        RecipeRule(match="head*", value=10.0),
        RecipeRule(match=1, value=0.0, hyperparameter="weight_decay"),
        RecipeRule(match="embed*", value=1e-4 * ss.cosine()),
    )
    assert recipe.ignore == ("SS205",)
    assert parse_recipe("lr: 1e-3").lr == ss.constant(1e-3)
    assert parse_recipe("lr: 0.001").lr == ss.constant(1e-3)


def test_curves() -> None:
    recipe = parse_recipe(FULL)
    found = recipe.curves()
    assert list(found) == ["lr", "lr of head*", "lr of embed*"]
    assert found["lr of head*"] == 10 * found["lr"]
    assert found["lr of embed*"] == 1e-4 * ss.cosine()
    assert list(recipe.curves("weight_decay")) == ["weight_decay", "weight_decay of 1"]
    with pytest.raises(ss.InvalidScheduleError, match="be one of lr, weight_decay"):
        recipe.curves("momentum")
    factor = parse_recipe("lr_factor: cosine()\nbase_lr: 0.1")
    assert factor.curves() == {"lr": 0.1 * ss.cosine()}


@pytest.mark.parametrize("name", ["r.yaml", "r.yml", "r.json"])
def test_files_round_trip(tmp_path: Path, name: str) -> None:
    recipe = parse_recipe(FULL)
    path = recipe.save(tmp_path / name)
    assert load_recipe(path) == recipe
    assert parse_recipe(json.dumps(recipe.to_dict())) == recipe
    assert pickle.loads(pickle.dumps(recipe)) == recipe
    assert hash(load_recipe(path)) == hash(recipe)


@given(
    schedule=schedules(),
    base=st.none() | st.floats(1e-6, 1.0),
    steps=st.none() | st.integers(1, 10**9),
    name=st.text(min_size=1, max_size=8),
)
def test_any_recipe_round_trips(
    schedule: ss.Schedule, base: float | None, steps: int | None, name: str
) -> None:
    recipe = Recipe(
        lr_factor=schedule,
        base_lr=base,
        horizon=None if steps is None else ss.Horizon(steps=steps),
        optimizer=name,
        rules=(RecipeRule(match="a*", value=schedule, hyperparameter="momentum"),),
    )
    assert parse_recipe(recipe.dump()) == recipe


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "recipe must be a mapping"),
        ("- 1", "recipe must be a mapping"),
        ("a: [", "recipe must be YAML or JSON"),
        (
            "lr: !!python/object/apply:os.system [x]",
            "could not determine a constructor",
        ),
        ("total_steps: 5", "recipe.lr must be given, or lr_factor"),
        ("lr: 1\nlr_factor: 1", "recipe.lr must be given, or lr_factor"),
        ("lr: 1\nbase_lr: 1", "recipe.base_lr must be left out"),
        ("lr: 1\nsteps: 5", "unknown field 'steps'"),
        ("lr: 1\nversion: 2", "Invalid enum value 2 at 'recipe.version'"),
        ("lr: 1\ntotal_steps: 0", ">= 1 at 'recipe.total_steps'"),
        ("lr: 1\ntotal_steps: 5\nhorizon: {steps: 5}", "recipe.total_steps must be"),
        ("lr: 1\nhorizon: {epochs: .inf}", "Horizon.epochs must be"),
        ("lr: 1\nhorizon: {epochs: 0}", "> 0.0 at 'recipe.horizon.epochs'"),
        ("lr: .nan", "recipe.lr must be a finite number"),
        ("lr: -1", "recipe.lr must be a finite number"),
        ("lr: [1]", "at 'recipe.lr'"),
        ("lr: warmup(-1)", "recipe.lr: warmup.steps must be"),
        ("lr: 1\nrules: [{match: a}]", "missing required field 'value'"),
        (
            "lr: 1\nrules: [{match: a, value: x}]",
            r"rules\[0\].value: parse.text",
        ),
        ("lr: 1\nhyperparameters: {a: x}", "recipe.hyperparameters.a: parse.text"),
        ("lr: 1\nignore: [SS1]", "recipe.ignore must be codes"),
        ("[" * 100_000, "recipe must be YAML or JSON"),
    ],
)
def test_wrong_files(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ss.InvalidScheduleError, match=message):
        parse_recipe(text)
    path = tmp_path / "r.yaml"
    path.write_text(text)
    with pytest.raises(ss.InvalidScheduleError, match=r"r\.yaml: recipe|r\.yaml: Hor"):
        load_recipe(path)


def test_units_keep_their_class(tmp_path: Path) -> None:
    path = tmp_path / "r.yaml"
    path.write_text('lr: warmup("5 parsecs")')
    with pytest.raises(ss.UnitError, match=r"r\.yaml: recipe\.lr: warmup.steps must"):
        load_recipe(path)


def test_files_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(ss.InvalidScheduleError, match="cannot be read: No such file"):
        load_recipe(tmp_path / "no.yaml")
    with pytest.raises(ss.InvalidScheduleError, match="cannot be read: Is a directory"):
        load_recipe(tmp_path)
    with pytest.raises(ss.InvalidScheduleError, match="cannot be written"):
        parse_recipe("lr: 1").save(tmp_path / "no" / "r.yaml")
    (tmp_path / "big.yaml").write_bytes(b"#" * (1024 * 1024 + 1))
    with pytest.raises(ss.InvalidScheduleError, match="is longer than"):
        load_recipe(tmp_path / "big.yaml")
    (tmp_path / "latin.yaml").write_bytes(b"lr: \xff")
    with pytest.raises(ss.InvalidScheduleError, match="is no UTF-8 text"):
        load_recipe(tmp_path / "latin.yaml")


@given(st.text(max_size=60) | st.from_regex(r"(lr|rules|horizon): [\[{'\"\w:,]*"))
def test_no_text_gives_another_error(text: str) -> None:
    with contextlib.suppress(ss.StepsizeError):
        assert isinstance(parse_recipe(text), Recipe)


def test_the_schema_that_is_shipped_and_published_is_the_one() -> None:
    shipped = ROOT / "src" / "stepsize" / "planner" / SCHEMA_NAME
    assert shipped.read_text() == schema_text()
    assert (ROOT / "docs" / SCHEMA_NAME).read_text() == schema_text()


def test_the_schema_names_every_field_and_describes_it() -> None:
    fields = schema()["$defs"]["RecipeFields"]
    assert fields["additionalProperties"] is False
    assert set(yaml.safe_load(FULL)) <= set(fields["properties"])
    for name, content in fields["properties"].items():
        assert content["description"], name
    assert msgspec.json.decode(schema_text()) == schema()
