"""Recipe files: everything about a run's rates in one file that people read and diff.

    # stepsize.yaml
    lr: 3e-4 * warmup(500) >> hold() >> decay("20%", shape="1-sqrt")
    horizon: {epochs: 10, steps_per_epoch: 1200}
    optimizer: AdamW
    hyperparameters:
      weight_decay: 0.1
    rules:
      - {match: "head*", value: 10.0}

Names are those of the PyTorch adapter's `Scheduler`. YAML or JSON; the schema is
`recipe.schema.json` beside this module. Nothing in a file is ever run as code.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, final

import msgspec

from stepsize.errors import InvalidScheduleError, StepsizeError, describe
from stepsize.planner.findings import checked_codes
from stepsize.schedules.horizon import Horizon
from stepsize.schedules.named import constant
from stepsize.schedules.schedule import Schedule
from stepsize.schedules.text import parse

MOST_BYTES = 1024 * 1024
SCHEMA_NAME = "recipe.schema.json"

Value = float | str
_Positive = Annotated[float, msgspec.Meta(gt=0)]


def _about(text: str) -> msgspec.Meta:
    return msgspec.Meta(description=text)


class RuleFields(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """A rule over param groups: a number multiplies, a schedule replaces."""

    match: Annotated[
        int | str,
        _about('A shell pattern over the group\'s "name", or the index of a group.'),
    ]
    value: Annotated[
        Value, _about("A number multiplies the value; the text of a schedule replaces.")
    ]
    hyperparameter: Annotated[str, _about("What the rule is for.")] = "lr"


class HorizonFields(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """How long the run is, and what an update is made of."""

    steps: Annotated[
        Annotated[int, msgspec.Meta(ge=1)] | None, _about("Updates in all.")
    ] = None
    epochs: Annotated[_Positive | None, _about("Passes over the data.")] = None
    steps_per_epoch: Annotated[_Positive | None, _about("Updates in an epoch.")] = None
    tokens_per_step: Annotated[_Positive | None, _about("Tokens in an update.")] = None
    samples_per_step: Annotated[_Positive | None, _about("Samples in an update.")] = (
        None
    )


class RecipeFields(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """A recipe of stepsize: schedules, the horizon, rules, and what check knows."""

    version: Annotated[Literal[1], _about("Version of this format.")] = 1
    lr: Annotated[
        Value | None,
        _about("Absolute rates: a number, or the text of a schedule. Or lr_factor."),
    ] = None
    lr_factor: Annotated[
        Value | None,
        _about("What multiplies the rate of each param group: number or text."),
    ] = None
    base_lr: Annotated[
        _Positive | None, _about("The rate that lr_factor multiplies, to be drawn.")
    ] = None
    total_steps: Annotated[
        Annotated[int, msgspec.Meta(ge=1)] | None,
        _about("Updates in all: short for a horizon with steps."),
    ] = None
    horizon: Annotated[HorizonFields | None, _about("The run.")] = None
    optimizer: Annotated[
        str | None, _about("Its name, as in AdamW: check knows usual rates.")
    ] = None
    batch_scale: Annotated[
        _Positive | None,
        _about("How many times larger the batch is than the rate was chosen for."),
    ] = None
    hyperparameters: Annotated[
        dict[str, Value],
        _about('Others, as in weight_decay or "betas[0]": number or text.'),
    ] = {}
    rules: Annotated[list[RuleFields], _about("The first that matches decides.")] = []
    ignore: Annotated[list[str], _about("Codes that check leaves out.")] = []


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class RecipeRule:
    """A rule over param groups.

    Attributes:
        match: Shell pattern over a group's "name", or a group's index.
        value: A number multiplies, a schedule replaces.
        hyperparameter: What it is for.
    """

    match: str | int
    value: float | Schedule
    hyperparameter: str = "lr"


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """Everything about a run's rates: what a recipe file says.

    Attributes:
        lr: Absolute rates; None where `lr_factor` is given.
        lr_factor: What multiplies each group's own rate; None where `lr` is given.
        horizon: The run; None for an open one.
        optimizer: Its name; None if it is not said.
        base_lr: The rate that `lr_factor` multiplies. Unit: lr; > 0.
        batch_scale: As in `check`; > 0.
        hyperparameters: Others as (name, schedule) pairs, as in "weight_decay".
        rules: Rules over param groups; the first that matches decides.
        ignore: Codes that `check` leaves out.

    Raises:
        InvalidScheduleError: Not exactly one of `lr` and `lr_factor` is given, or a
            code is unknown.

    Examples:
        >>> import stepsize as ss
        >>> recipe = Recipe(lr=3e-4 * ss.cosine(), horizon=ss.Horizon(steps=100))
        >>> print(recipe.dump())
        version: 1
        lr: 3e-4 * decay(shape="cosine")
        total_steps: 100
        <BLANKLINE>
        >>> parse_recipe(recipe.dump()) == recipe
        True
    """

    lr: Schedule | None = None
    lr_factor: Schedule | None = None
    horizon: Horizon | None = None
    optimizer: str | None = None
    base_lr: float | None = None
    batch_scale: float | None = None
    hyperparameters: tuple[tuple[str, Schedule], ...] = ()
    rules: tuple[RecipeRule, ...] = ()
    ignore: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Check what belongs together."""
        if (self.lr is None) == (self.lr_factor is None):
            rule = "be given, or lr_factor, but not both"
            raise InvalidScheduleError(describe("recipe.lr", rule, self.lr))
        if self.base_lr is not None and self.lr is not None:
            rule = "be left out when lr is given: its rates are absolute"
            raise InvalidScheduleError(describe("recipe.base_lr", rule, self.base_lr))
        checked_codes(self.ignore, "recipe.ignore")

    def curves(self, hyperparameter: str = "lr") -> dict[str, Schedule]:
        """Return every schedule of a hyperparameter: its own, then those of rules.

        Args:
            hyperparameter: "lr", or a name in `hyperparameters` or in a rule.

        Raises:
            InvalidScheduleError: The recipe does not say it.
        """
        if hyperparameter == "lr":
            own: Schedule | None = self.lr
            if self.lr_factor is not None:
                own = (self.base_lr or 1.0) * self.lr_factor
        else:
            own = dict(self.hyperparameters).get(hyperparameter)
        found = {} if own is None else {hyperparameter: own}
        for rule in self.rules:
            if rule.hyperparameter != hyperparameter:
                continue
            label = f"{hyperparameter} of {rule.match}"
            if isinstance(rule.value, Schedule):
                found[label] = rule.value
            elif own is not None:
                found[label] = rule.value * own
        if not found:
            said = ", ".join(["lr", *dict(self.hyperparameters)])
            rule_text = f"be one of {said}"
            raise InvalidScheduleError(
                describe("recipe.hyperparameter", rule_text, hyperparameter)
            )
        return found

    def to_dict(self) -> dict[str, Any]:
        """Return the content of a file, JSON-plain, without what is not said."""
        horizon = self.horizon.to_dict() if self.horizon else {}
        short = set(horizon) == {"steps"}
        content: dict[str, Any] = {
            "version": 1,
            "lr": None if self.lr is None else str(self.lr),
            "lr_factor": None if self.lr_factor is None else str(self.lr_factor),
            "base_lr": self.base_lr,
            "total_steps": horizon["steps"] if short else None,
            "horizon": None if short else horizon,
            "optimizer": self.optimizer,
            "batch_scale": self.batch_scale,
            "hyperparameters": {
                name: str(value) for name, value in self.hyperparameters
            },
            "rules": [_rule_dict(rule) for rule in self.rules],
            "ignore": list(self.ignore),
        }
        return {name: value for name, value in content.items() if value}

    def dump(self) -> str:
        """Return the text of a YAML file that `parse_recipe` reads back."""
        import yaml

        text: str = yaml.safe_dump(
            self.to_dict(), sort_keys=False, allow_unicode=False, width=10_000
        )
        return text

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write a recipe file, YAML or (by the name's end) JSON, and return its path.

        Raises:
            InvalidScheduleError: The file cannot be written.
        """
        target = Path(path)
        text = self.dump()
        if target.suffix == ".json":
            encoded = msgspec.json.encode(self.to_dict())
            text = msgspec.json.format(encoded, indent=2).decode() + "\n"
        try:
            target.write_text(text, encoding="utf-8")
        except OSError as error:
            raise _file_error(target, f"cannot be written: {error.strerror}") from error
        return target


def load_recipe(path: str | os.PathLike[str]) -> Recipe:
    """Read a recipe file, YAML or JSON.

    Args:
        path: Where it is; at most 1 MiB.

    Returns:
        The recipe.

    Raises:
        InvalidScheduleError: The file cannot be read, or its content breaks a rule;
            the message names the file and the field.
        UnitError: A unit in it is unknown.
    """
    source = Path(path)
    try:
        with source.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise _file_error(source, f"cannot be read: {error.strerror}") from error
    if len(content) > MOST_BYTES:
        raise _file_error(source, f"is longer than {MOST_BYTES} bytes")
    try:
        return parse_recipe(content.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise _file_error(source, "is no UTF-8 text") from error
    except StepsizeError as error:
        raise type(error)(f"{os.fspath(source)}: {error}") from error


def parse_recipe(text: str) -> Recipe:
    """Read the text of a recipe file; JSON is YAML too.

    Args:
        text: The content.

    Returns:
        The recipe.

    Raises:
        InvalidScheduleError: It is no YAML, or breaks a rule.
        UnitError: A unit in it is unknown.
    """
    import yaml

    try:
        plain = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        reason = " ".join(str(error).split())
        raise InvalidScheduleError(f"recipe must be YAML or JSON: {reason}") from error
    if not isinstance(plain, dict):
        hint = "write it as `lr: 3e-4 * warmup(500) >> cosine()`"
        raise InvalidScheduleError(
            describe("recipe", "be a mapping of names to values", plain, hint=hint)
        )
    try:
        # not strict: YAML 1.1 reads 3e-4 as a text
        fields = msgspec.convert(plain, RecipeFields, strict=False)
    except (msgspec.ValidationError, RecursionError) as error:
        message = str(error).replace("`", "'").replace(" - at '$", " at 'recipe")
        hint = f"{SCHEMA_NAME} lists the names and their values"
        raise InvalidScheduleError(f"recipe: {message}. hint: {hint}.") from error
    return _recipe(fields)


def schema() -> dict[str, Any]:
    """Return the JSON Schema of recipe files."""
    made = msgspec.json.schema(RecipeFields)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "stepsize recipe",
        **made,
    }


def schema_text() -> str:
    """Return the JSON Schema as the text that is shipped."""
    encoded = msgspec.json.encode(schema(), order="sorted")
    return msgspec.json.format(encoded, indent=2).decode() + "\n"


def _recipe(fields: RecipeFields) -> Recipe:
    horizon = None
    if fields.total_steps is not None and fields.horizon is not None:
        rule = "be left out when horizon is given"
        raise InvalidScheduleError(
            describe("recipe.total_steps", rule, fields.total_steps)
        )
    if fields.total_steps is not None:
        horizon = Horizon(steps=fields.total_steps)
    elif fields.horizon is not None:
        given: dict[str, Any] = msgspec.structs.asdict(fields.horizon)
        plain = {name: _whole(value) for name, value in given.items() if value}
        horizon = Horizon.from_dict(plain)
    return Recipe(
        lr=_schedule(fields.lr, "lr"),
        lr_factor=_schedule(fields.lr_factor, "lr_factor"),
        horizon=horizon,
        optimizer=fields.optimizer,
        base_lr=fields.base_lr,
        batch_scale=fields.batch_scale,
        hyperparameters=tuple(
            (name, _sure(value, f"hyperparameters.{name}"))
            for name, value in fields.hyperparameters.items()
        ),
        rules=tuple(
            RecipeRule(
                match=rule.match,
                value=_number_or_schedule(rule.value, f"rules[{index}].value"),
                hyperparameter=rule.hyperparameter,
            )
            for index, rule in enumerate(fields.rules)
        ),
        ignore=tuple(fields.ignore),
    )


def _schedule(value: Value | None, name: str) -> Schedule | None:
    return None if value is None else _sure(value, name)


def _sure(value: Value, name: str) -> Schedule:
    found = _number_or_schedule(value, name)
    try:
        return found if isinstance(found, Schedule) else constant(found)
    except StepsizeError as error:
        raise type(error)(f"recipe.{name}: {error}") from error


def _number_or_schedule(value: Value, name: str) -> float | Schedule:
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            try:
                return parse(str(value))
            except StepsizeError as error:
                raise type(error)(f"recipe.{name}: {error}") from error
    if not 0 <= value < float("inf"):
        rule = "be a finite number >= 0, or the text of a schedule"
        raise InvalidScheduleError(describe(f"recipe.{name}", rule, value))
    return value


def _whole(value: float | None) -> float | None:
    """Return 1200.0 as 1200: files and schema know one kind of number."""
    return int(value) if value is not None and float(value).is_integer() else value


def _rule_dict(rule: RecipeRule) -> dict[str, Any]:
    value = rule.value
    content: dict[str, Any] = {
        "match": rule.match,
        "value": str(value) if isinstance(value, Schedule) else value,
    }
    if rule.hyperparameter != "lr":
        content["hyperparameter"] = rule.hyperparameter
    return content


def _file_error(path: Path, problem: str) -> InvalidScheduleError:
    return InvalidScheduleError(f"recipe file {os.fspath(path)!r} {problem}")
