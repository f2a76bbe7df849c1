"""What commands of schedules are given: expressions, recipe files, the horizon."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, final

import typer

from stepsize.errors import (
    InvalidScheduleError,
    StepsizeError,
    UnitError,
    UnresolvedError,
)

if TYPE_CHECKING:
    from stepsize.planner.recipe_file import Recipe
    from stepsize.schedules.horizon import Horizon
    from stepsize.schedules.schedule import ResolvedSchedule, Schedule

_FILES = (".yaml", ".yml", ".json")
_LABEL = re.compile(r"([A-Za-z_][\w-]*)=(?!=)(.*)", re.DOTALL)

Total = Annotated[
    int | None, typer.Option("--total-steps", min=1, help="Updates of the run.")
]
Epochs = Annotated[float | None, typer.Option("--epochs", help="Passes over the data.")]
StepsPerEpoch = Annotated[
    float | None, typer.Option("--steps-per-epoch", help="Updates in an epoch.")
]
TokensPerStep = Annotated[
    float | None, typer.Option("--tokens-per-step", help="Tokens in an update.")
]
SamplesPerStep = Annotated[
    float | None, typer.Option("--samples-per-step", help="Samples in an update.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Output = Annotated[
    Path | None,
    typer.Option("--output", "-o", metavar="FILE", help="Write the data there."),
]


@final
@dataclass(frozen=True, slots=True)
class Subject:
    """A schedule that was named on the command line.

    Attributes:
        label: What it is called where several are shown.
        schedule: The schedule.
        horizon: The run, from the options or the file; None for none.
        recipe: The file's content; None for an expression.
    """

    label: str
    schedule: "Schedule"
    horizon: "Horizon | None"
    recipe: "Recipe | None" = None

    def resolve(self) -> "ResolvedSchedule":
        """Lay the schedule out.

        Raises:
            UnresolvedError: It needs a horizon and has none.
            UnitError: A unit in it lacks its conversion.
        """
        try:
            return self.schedule.resolve(horizon=self.horizon)
        except UnresolvedError as error:
            message = str(error).partition(" hint: ")[0]
            raise UnresolvedError(f"{message} hint: add --total-steps N") from error
        except UnitError as error:
            message = str(error).partition(" hint: ")[0]
            name = message.removeprefix("Horizon.").partition(" ")[0]
            option = "total-steps" if name == "steps" else name.replace("_", "-")
            raise UnitError(f"{message} hint: add --{option} N") from error


def horizon_of(
    total_steps: int | None = None,
    epochs: float | None = None,
    steps_per_epoch: float | None = None,
    tokens_per_step: float | None = None,
    samples_per_step: float | None = None,
) -> "Horizon | None":
    """Return the horizon that the options say; None if they say nothing."""
    from stepsize.schedules.horizon import Horizon

    given = {
        "steps": total_steps,
        "epochs": _whole(epochs),
        "steps_per_epoch": _whole(steps_per_epoch),
        "tokens_per_step": _whole(tokens_per_step),
        "samples_per_step": _whole(samples_per_step),
    }
    known = {name: value for name, value in given.items() if value is not None}
    return Horizon.from_dict(known) if known else None


def read(
    texts: Sequence[str], horizon: "Horizon | None", hyperparameter: str = "lr"
) -> list[Subject]:
    """Read each text: an expression, NAME=EXPRESSION, or the path of a recipe file.

    Args:
        texts: As they stand on the command line.
        horizon: What the options say; it is stronger than that of a file.
        hyperparameter: Which of a file's schedules is wanted.

    Raises:
        InvalidScheduleError: A text is no schedule, or a file cannot be read.
        UnitError: A unit in it is unknown.
    """
    found: list[Subject] = []
    for text in texts:
        if _is_file(text):
            found += _from_file(Path(text), horizon, hyperparameter)
        else:
            label, expression = _split(text)
            found.append(Subject(label, _parse(expression, text), horizon))
    return _distinct(found)


def _is_file(text: str) -> bool:
    if text.lower().endswith(_FILES):
        return True
    try:
        return Path(text).is_file()
    except (OSError, ValueError):  # too long for a path, or with a NUL
        return False


def _from_file(
    path: Path, horizon: "Horizon | None", hyperparameter: str
) -> list[Subject]:
    from stepsize.planner.recipe_file import load_recipe

    recipe = load_recipe(path)
    run = horizon or recipe.horizon
    name = path.name
    return [
        Subject(name if label == "lr" else f"{name}: {label}", schedule, run, recipe)
        for label, schedule in recipe.curves(hyperparameter).items()
    ]


def _split(text: str) -> tuple[str, str]:
    found = _LABEL.fullmatch(text.strip())
    return (found[1], found[2]) if found else (text.strip(), text)


def _parse(expression: str, text: str) -> "Schedule":
    from stepsize.schedules.text import parse

    try:
        return parse(expression)
    except StepsizeError as error:
        if "hint:" in str(error) or "(" in text:
            raise
        hint = f"write a schedule, as in 'cosine()', or a file that ends in {_FILES[0]}"
        raise InvalidScheduleError(f"{error} hint: {hint}") from error


def _distinct(subjects: list[Subject]) -> list[Subject]:
    """Give equal labels numbers."""
    seen: dict[str, int] = {}
    named = []
    for one in subjects:
        seen[one.label] = times = seen.get(one.label, 0) + 1
        label = one.label if times == 1 else f"{one.label} ({times})"
        named.append(Subject(label, one.schedule, one.horizon, one.recipe))
    return named


def _whole(value: float | None) -> float | None:
    return int(value) if value is not None and value.is_integer() else value
