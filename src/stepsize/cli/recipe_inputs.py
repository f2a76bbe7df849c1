"""What `stepsize advise` is given: a model, and what a finder found."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stepsize.errors import FinderError, InvalidScheduleError, describe

if TYPE_CHECKING:
    from stepsize.finder import Found


def read_model(text: str) -> Any:
    """Return the names and shapes of a JSON file, or the model that a function makes.

    Args:
        text: The path of a JSON file, {name: shape} or a list of names; or
            my_script.py:setup, a function that returns a model, or a dict with one as
            `stepsize find` takes it.

    Raises:
        InvalidScheduleError: The file cannot be read, or is no JSON.
        FinderError: There is no such function, or it failed.
        ProofError: The script cannot be imported.
    """
    if not text.endswith(".json"):
        from stepsize.cli.find_inputs import failing, load_setup

        setup = load_setup(text, "advise.model")
        try:
            made = setup()
        except Exception as error:
            raise failing(text)(error) from error
        return made.get("model", made) if isinstance(made, Mapping) else made
    return _loaded(Path(text), "advise.model")


def read_found(path: Path) -> "Found":
    """Return what `stepsize find --json` wrote.

    Raises:
        InvalidScheduleError: It cannot be read, or is no JSON.
        FinderError: It is something else, or has no suggestion.
    """
    from stepsize.finder import Found

    found = Found.from_dict(_loaded(path, "advise.found"))
    if found.suggestion is None:
        rule = f"have a suggestion; its status is {found.status}"
        raise FinderError(describe("advise.found", rule, str(path)))
    return found


def _loaded(path: Path, field: str) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        rule, hint = "be a JSON file that can be read", str(error)
        raise InvalidScheduleError(
            describe(field, rule, str(path), hint=hint)
        ) from error
