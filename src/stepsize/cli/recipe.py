"""`stepsize advise`: a reasoned start for a run, from flags or asked one by one."""

import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from stepsize.cli.inputs import (
    AsJson,
    Epochs,
    Output,
    StepsPerEpoch,
    TokensPerStep,
    Total,
    horizon_of,
)
from stepsize.cli.steps import Accumulation, Batch, MicroBatch, WorldSize


def recipe(  # noqa: PLR0917 - typer calls it by name
    task: Annotated[
        str | None, typer.Option(help="general, vision or language.")
    ] = None,
    optimizer: Annotated[
        str | None, typer.Option(help="Its name, as in AdamW.")
    ] = None,
    pretrained: Annotated[
        str | None, typer.Option(help="no, yes or lora.", metavar="no|yes|lora")
    ] = None,
    total_steps: Total = None,
    epochs: Epochs = None,
    steps_per_epoch: StepsPerEpoch = None,
    tokens_per_step: TokensPerStep = None,
    batch: Batch = None,
    micro_batch: MicroBatch = None,
    accumulation: Accumulation = None,
    world_size: WorldSize = None,
    parameters: Annotated[
        float | None, typer.Option(help="Parameters of the model, as in 125e6.")
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="Its parameters: JSON of {name: shape}, or my_script.py:setup.",
        ),
    ] = None,
    groups: Annotated[
        str,
        typer.Option(
            help="Rates by layer, of a --model: none, layer-decay, ulmfit or "
            "unfreezing."
        ),
    ] = "none",
    peak_lr: Annotated[
        float | None, typer.Option(help="The peak rate, if it is known.")
    ] = None,
    found: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="The peak rate, from stepsize find --json."),
    ] = None,
    style: Annotated[
        str,
        typer.Option(help="auto, cosine, linear, wsd, restarts, step or constant."),
    ] = "auto",
    extendable: Annotated[
        bool, typer.Option("--extendable", help="The run may go on after its end.")
    ] = False,
    deadline: Annotated[
        float | None,
        typer.Option(help="Wall time of the run; adds a policy. Unit: seconds."),
    ] = None,
    ask: Annotated[
        bool, typer.Option("--ask", help="Ask for what is not said, one by one.")
    ] = False,
    yaml: Annotated[
        Path | None, typer.Option("--yaml", metavar="FILE", help="Write the recipe.")
    ] = None,
    json: AsJson = False,
    output: Output = None,
) -> None:
    """Advise on a run: schedule, peak rate, warmup, with reasons and sources."""
    if output is not None and not json:
        raise typer.BadParameter("needs --json", param_hint="--output")
    if model is not None and parameters is not None:
        raise typer.BadParameter("goes without --model", param_hint="--parameters")
    if found is not None and peak_lr is not None:
        raise typer.BadParameter("goes without --found", param_hint="--peak-lr")
    said: dict[str, Any] = {
        "task": task,
        "optimizer": optimizer,
        "pretrained": pretrained,
        "total_steps": total_steps,
        "batch": batch,
        "parameters": parameters,
    }
    if ask:
        known = {
            "total_steps": epochs is not None,
            "batch": micro_batch is not None,
            "parameters": model is not None,
        }
        said = _asked(said, known)
    from stepsize.cli import screens
    from stepsize.cli.recipe_inputs import read_found, read_model
    from stepsize.planner.recipes.recipe import recipe as advise
    from stepsize.planner.scaling import effective_batch

    sized = said["batch"] is not None or micro_batch is not None
    if not sized and (accumulation is not None or world_size is not None):
        raise typer.BadParameter("needs --micro-batch or --batch", param_hint="--batch")
    rate = None if found is None else read_found(found)
    advice = advise(
        said["task"] or "general",
        optimizer=said["optimizer"] or "AdamW",
        horizon=horizon_of(
            said["total_steps"], epochs, steps_per_epoch, tokens_per_step
        ),
        batch=effective_batch(
            batch=said["batch"],
            micro_batch=micro_batch,
            accumulation=accumulation,
            world_size=world_size,
        )
        if sized
        else None,
        model=said["parameters"] if model is None else read_model(model),
        pretrained=_pretrained(said["pretrained"]),
        peak_lr=peak_lr if rate is None else rate.suggestion,
        style=style,
        extendable=extendable,
        groups=groups,
        deadline=deadline,
    )
    space = advice.search_space(rate)
    if json:
        plain = advice.to_dict() | {"search_space": space}
        screens.write_data(screens.to_json(plain), output)
    else:
        screens.write_data(f"{advice}\n{_searched(space)}", output)
    if yaml is not None:
        screens.say(f"wrote {advice.recipe.save(yaml)}")


def _searched(space: dict[str, dict[str, Any]]) -> str:
    return "".join(
        f"search {name}: from {one['low']:.4g} to {one['high']:.4g}, logarithmic\n"
        for name, one in space.items()
    )


def _pretrained(text: str | None) -> bool | str:
    known: dict[str | None, bool | str] = {
        None: False,
        "no": False,
        "yes": True,
        "lora": "lora",
    }
    if text not in known:
        raise typer.BadParameter("write no, yes or lora", param_hint="--pretrained")
    return known[text]


def _one_of(*names: str) -> Callable[[str], str]:
    """Return what reads one of some names."""

    def read(text: str) -> str:
        if text not in names:
            raise typer.BadParameter(f"write one of {', '.join(names)}")
        return text

    return read


def _optimizer(text: str) -> str:
    """Return the name of an optimizer that is known."""
    from stepsize.errors import InvalidScheduleError
    from stepsize.planner.scaling.families import key_of

    try:
        key_of(text, "The optimizer")
    except InvalidScheduleError as error:
        raise typer.BadParameter(str(error)) from error
    return text


def _count(kind: type[int] | type[float]) -> Callable[[str], float]:
    """Return what reads a number of things; 0 stands for one that is not known."""

    def read(text: str) -> float:
        try:
            found = kind(text)
        except ValueError:
            found = -1
        if not 0 <= found < math.inf:
            raise typer.BadParameter(f"write {_WORDS[kind]}, 0 or more")
        return found

    return read


_WORDS = {int: "a whole number", float: "a number, as in 125e6"}
_QUESTIONS: dict[str, tuple[str, str, Callable[[str], Any]]] = {
    "task": (
        "What is it: general, vision or language?",
        "general",
        _one_of("general", "vision", "language"),
    ),
    "optimizer": ("Which optimizer?", "AdamW", _optimizer),
    "pretrained": (
        "Is it pretrained: no, yes or lora?",
        "no",
        _one_of("no", "yes", "lora"),
    ),
    "total_steps": ("How many updates? (0: the end is open)", "0", _count(int)),
    "batch": ("How many samples in an update? (0: not known)", "0", _count(int)),
    "parameters": (
        "How many parameters has the model? (0: not known)",
        "0",
        _count(float),
    ),
}


def _asked(said: dict[str, Any], known: dict[str, bool]) -> dict[str, Any]:
    """Return what was said, and the answers to what was not; questions go to stderr."""
    if not sys.stdin.readable():
        raise typer.BadParameter("needs an input to read from", param_hint="--ask")
    found = dict(said)
    for name, (question, default, read) in _QUESTIONS.items():
        if said[name] is None and not known.get(name, False):
            answer = typer.prompt(question, default=default, value_proc=read, err=True)
            found[name] = answer or None
    return found
