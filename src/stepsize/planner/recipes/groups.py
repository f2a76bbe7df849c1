"""Param groups with rates of their own: layer-wise decay, unfreezing, two optimizers.

Plain data: names of parameters by group, and rules over the groups' names as the
PyTorch adapter and recipe files take them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

from stepsize.errors import InvalidScheduleError, describe
from stepsize.planner.recipe_file import RecipeRule
from stepsize.planner.recipes.layers import layers_of
from stepsize.schedules.arguments import number
from stepsize.schedules.combinators import jump
from stepsize.schedules.durations import duration, of
from stepsize.schedules.phases import hold
from stepsize.schedules.schedule import Schedule

HEAD = "head"
LAYER_DECAY = 0.75
"""He et al. 2022, mae/FINETUNE.md: 0.65 for ViT-B, 0.75 for ViT-L and H; Clark et al.
2020, electra/configure_finetuning.py: 0.8 for small and base, 0.9 for large."""
ULMFIT_FACTOR = 2.6
"""Rate of a layer over that of the layer below; Howard & Ruder 2018, arXiv:1801.06146,
section 3.2."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """A param group to build.

    Attributes:
        name: Its name, which rules match.
        parameters: Names of its parameters.
    """

    name: str
    parameters: tuple[str, ...]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Groups:
    """Param groups and the rules over them.

    Attributes:
        groups: From the input to the head.
        rules: What each group's rate is; for `Recipe.rules`, or one by one as
            `Rule(rule.match, rule.value, rule.hyperparameter)` of the PyTorch adapter.
    """

    groups: tuple[Group, ...]
    rules: tuple[RecipeRule, ...]

    def build(self, named_parameters: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Return param groups for an optimizer, in order.

        Args:
            named_parameters: Parameter by name, as in
                `dict(model.named_parameters())`.

        Returns:
            Mappings with "name" and "params".

        Raises:
            InvalidScheduleError: A parameter is missing, or is in no group.
        """
        if not isinstance(named_parameters, Mapping):
            rule = "be a mapping of names to parameters"
            hint = "write dict(model.named_parameters())"
            kind = type(named_parameters).__name__
            raise InvalidScheduleError(
                describe("Groups.build.named_parameters", rule, kind, hint=hint)
            )
        known = {name for group in self.groups for name in group.parameters}
        if known != set(named_parameters):
            odd = sorted(known ^ set(named_parameters))[0]
            rule = "have the parameters that the groups were made for"
            raise InvalidScheduleError(
                describe("Groups.build.named_parameters", rule, odd)
            )
        return [
            {
                "name": group.name,
                "params": [named_parameters[name] for name in group.parameters],
            }
            for group in self.groups
        ]

    def to_dict(self) -> dict[str, Any]:
        """Return it as a JSON-plain mapping."""
        return {
            "groups": {group.name: list(group.parameters) for group in self.groups},
            "rules": [
                {
                    "match": rule.match,
                    "value": str(rule.value)
                    if isinstance(rule.value, Schedule)
                    else rule.value,
                    "hyperparameter": rule.hyperparameter,
                }
                for rule in self.rules
            ],
        }


def layer_decay(
    names: Sequence[str],
    decay: float = LAYER_DECAY,
    *,
    layers: Sequence[str | Sequence[str]] | None = None,
) -> Groups:
    """Return groups whose rate shrinks from the head to the input.

        factor = decay ** (layers above), 1 for the topmost layer

    A pretrained model's first layers know what carries over; they need to move less.

    Args:
        names: Names of parameters in the order of the model.
        decay: Rate of a layer over that of the layer above; in (0, 1].
        layers: Patterns for every layer from the input on, as in `layers_of`; None:
            by the numbers in the names.

    Returns:
        Groups and rules.

    Raises:
        InvalidScheduleError: A value is outside its range, or the layers are not clear.

    Source:
        Clark et al. 2020 (ELECTRA); He et al. 2022 (MAE), mae/util/lr_decay.py. In
        ELECTRA the last block already has decay ** 2.

    Examples:
        >>> made = layer_decay(["embed.w", "blocks.0.w", "blocks.1.w", "head.w"], 0.5)
        >>> [(rule.match, rule.value) for rule in made.rules]
        [('layer00', 0.125), ('layer01', 0.25), ('layer02', 0.5), ('head', 1.0)]
    """
    by = number(decay, "layer_decay.decay", high=1.0, open_low=True)
    return _decayed(layers_of(names, layers), by)


def ulmfit(
    names: Sequence[str], *, layers: Sequence[str | Sequence[str]] | None = None
) -> Groups:
    """Return ULMFiT's discriminative rates: a layer has 1/2.6 of the one above.

    Source:
        Howard & Ruder 2018, arXiv:1801.06146, section 3.2.

    Examples:
        >>> made = ulmfit(["rnns.0.w", "rnns.1.w", "decoder.w"])
        >>> [round(rule.value, 4) for rule in made.rules]
        [0.1479, 0.3846, 1.0]
    """
    return _decayed(layers_of(names, layers), 1 / ULMFIT_FACTOR)


def unfreezing(
    names: Sequence[str],
    schedule: Schedule,
    *,
    every: int | str = "1 epoch",
    decay: float = 1.0,
    layers: Sequence[str | Sequence[str]] | None = None,
) -> Groups:
    """Return groups that wait at rate 0: the head begins, a layer follows at a time.

    A group at rate 0 keeps its weights, but an optimizer with momentum goes on
    averaging its gradients, and batch-norm statistics move.

    Args:
        names: Names of parameters in the order of the model.
        schedule: The rate of the whole run, absolute.
        every: Time between two layers. Unit: updates, or a text with a unit.
        decay: As in `layer_decay`; 1 leaves the rates equal.
        layers: As in `layer_decay`.

    Returns:
        Groups, and rules whose values are schedules.

    Raises:
        InvalidScheduleError, UnitError: A value is outside its range, or the layers are
            not clear.

    Source:
        Howard & Ruder 2018, arXiv:1801.06146, section 3.3: a layer at each epoch.

    Examples:
        >>> import stepsize as ss
        >>> made = unfreezing(["b.0.w", "b.1.w", "head.w"], 1e-3 * ss.linear())
        >>> print(made.rules[0].value)
        1e-3 * decay() * (0.0 * hold("2 epochs") >> jump(to_lr=1.0) >> hold())
    """
    _check_schedule(schedule, "unfreezing.schedule")
    by = number(decay, "unfreezing.decay", high=1.0, open_low=True)
    step = of(duration(every, "unfreezing.every"))
    plain = _decayed(layers_of(names, layers), by)
    rules = []
    for above, rule in enumerate(reversed(plain.rules)):
        value = float(rule.value) * schedule  # type: ignore[arg-type]  # made above
        if above:
            wait = str(type(step)(step.amount * above, step.unit))
            value = value * (0.0 * hold(wait) >> jump(to_lr=1.0) >> hold())
        rules.append(RecipeRule(match=rule.match, value=value))
    return Groups(groups=plain.groups, rules=tuple(reversed(rules)))


def muon_split(
    shapes: Mapping[str, Sequence[int]],
    others: Schedule,
    *,
    not_hidden: Sequence[str] = ("*embed*", "*head*", "*wte*", "*wpe*"),
) -> Groups:
    """Return two groups: hidden matrices for Muon, everything else for AdamW.

    Args:
        shapes: Shape of every parameter by name.
        others: Schedule of the rate of AdamW's group, absolute.
        not_hidden: Parts of names, as lower-case patterns, of matrices that are not
            hidden: embeddings and heads.

    Returns:
        Groups "muon" and "adamw", and the rule of the second.

    Raises:
        InvalidScheduleError: One of the groups is empty, or `others` is no schedule.

    Source:
        Jordan et al. 2024, Muon/README.md: embeddings, heads, gains and biases are
        AdamW's.

    Examples:
        >>> import stepsize as ss
        >>> made = muon_split(
        ...     {"embed.w": (9, 4), "blocks.0.w": (4, 4), "blocks.0.b": (4,)},
        ...     3e-4 * ss.linear(),
        ... )
        >>> [(group.name, group.parameters) for group in made.groups]
        [('muon', ('blocks.0.w',)), ('adamw', ('embed.w', 'blocks.0.b'))]
    """
    _check_schedule(others, "muon_split.others")
    hidden = tuple(
        name
        for name, shape in shapes.items()
        if len(shape) >= 2 and not _matches(name, not_hidden)  # noqa: PLR2004 - a matrix
    )
    rest = tuple(name for name in shapes if name not in set(hidden))
    if not hidden or not rest:
        rule = "have hidden matrices, and other parameters"
        hint = "with one kind only, one optimizer is enough"
        raise InvalidScheduleError(
            describe("muon_split.shapes", rule, list(shapes), hint=hint)
        )
    return Groups(
        groups=(
            Group(name="muon", parameters=hidden),
            Group(name="adamw", parameters=rest),
        ),
        rules=(RecipeRule(match="adamw", value=others),),
    )


def _check_schedule(given: object, field: str) -> None:
    """Refuse a number, which a rule would take for a factor of the rate."""
    if not isinstance(given, Schedule):
        rule = "be a Schedule of the absolute rate"
        raise InvalidScheduleError(
            describe(field, rule, given, hint="for one rate write constant(lr)")
        )


def _matches(name: str, patterns: Sequence[str]) -> bool:
    from fnmatch import fnmatchcase

    return any(fnmatchcase(name.lower(), pattern) for pattern in patterns)


def _decayed(layers: Sequence[Sequence[str]], decay: float) -> Groups:
    last = len(layers) - 1
    top = max(index for index, parameters in enumerate(layers) if parameters)
    groups, rules = [], []
    for index, parameters in enumerate(layers):
        name = HEAD if index == last else f"layer{index:02d}"
        if not parameters:
            continue  # nothing before the blocks, or after them
        groups.append(Group(name=name, parameters=tuple(parameters)))
        rules.append(RecipeRule(match=name, value=decay ** (top - index)))
    return Groups(groups=tuple(groups), rules=tuple(rules))
