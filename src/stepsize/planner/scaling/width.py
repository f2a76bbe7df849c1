"""How rates follow a model's width in the maximal update parametrization (muP).

Only with muP's initialisation, output multiplier 1/m and attention scaled by 1/d: in a
standard model they are a rough guide, for hidden matrices under Adam at best.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

from stepsize.errors import InvalidScheduleError, describe
from stepsize.planner.recipe_file import RecipeRule
from stepsize.planner.scaling.families import family_of
from stepsize.schedules.arguments import choice, number

Role = Literal["input", "hidden", "output", "vector"]
ROLES: tuple[Role, ...] = ("input", "hidden", "output", "vector")
"""input: embeddings, of which only the output side grows with width. hidden: both sides
grow. output: only the input side grows. vector: biases, gains, norms."""


class WidthFactors(NamedTuple):
    """What a role's values are multiplied by.

    Attributes:
        lr: Of the rate.
        weight_decay: Of the weight decay, so that their product stays.
    """

    lr: float
    weight_decay: float


def width_factors(
    width_factor: float, optimizer: object, *, output: str = "multiplier"
) -> dict[Role, WidthFactors]:
    """Return what every role's rate is multiplied by at m times the width.

        Adam   hidden 1/m, all others 1
        SGD    hidden 1 (fan-in and fan-out grow alike), all others m

    With `output="lr"` the model has no multiplier 1/m on its output, and the output's
    rate takes it over: Adam 1/m; SGD 1/m.

    Args:
        width_factor: m, new width over that of the tuned model; > 0.
        optimizer: One of the families of Adam or SGD.
        output: "multiplier" or "lr".

    Returns:
        The factors by role.

    Raises:
        InvalidScheduleError: A value is outside its range, or no rule is known for the
            optimizer.

    Source:
        Yang et al. 2022, arXiv:2203.03466, tables 3 and 8; mup/optim.py.

    Examples:
        >>> width_factors(4, "AdamW")["hidden"]
        WidthFactors(lr=0.25, weight_decay=4.0)
    """
    m = number(width_factor, "width_factors.width_factor", open_low=True)
    choice(output, "width_factors.output", ("multiplier", "lr"))
    family = family_of(optimizer, "width_factors.optimizer")
    if family == "adam":
        rates = {"input": 1.0, "hidden": 1 / m, "output": 1.0, "vector": 1.0}
    elif family == "sgd":
        rates = {"input": m, "hidden": 1.0, "output": m, "vector": m}
    else:
        rule = "be of the family of Adam or of SGD: no rule is checked for others"
        hint = "arXiv:2602.20937 derives rules for LAMB, Muon and others"
        raise InvalidScheduleError(
            describe("width_factors.optimizer", rule, optimizer, hint=hint)
        )
    if output == "lr":
        rates["output"] = 1 / m
    return {role: WidthFactors(rates[role], 1 / rates[role]) for role in ROLES}


def width_rules(
    width_factor: float,
    optimizer: object,
    roles: Mapping[str, Role] | Sequence[tuple[str, Role]],
    *,
    output: str = "multiplier",
) -> tuple[RecipeRule, ...]:
    """Return group rules for m times the width, from patterns of group names.

    Args:
        width_factor: m, as in `width_factors`.
        optimizer: As in `width_factors`.
        roles: Pattern of group names to role, the first that matches decides.
        output: As in `width_factors`.

    Returns:
        For every pattern a rule for the rate and one for the weight decay.

    Raises:
        InvalidScheduleError: A role is unknown, or as in `width_factors`.

    Examples:
        >>> for rule in width_rules(4, "AdamW", {"blocks.*": "hidden"}):
        ...     print(rule.match, rule.hyperparameter, rule.value)
        blocks.* lr 0.25
        blocks.* weight_decay 4.0
    """
    factors = width_factors(width_factor, optimizer, output=output)
    pairs = roles.items() if isinstance(roles, Mapping) else roles
    rules: list[RecipeRule] = []
    for pattern, role in pairs:
        choice(role, f"width_rules.roles[{pattern!r}]", ROLES)
        for name, factor in factors[role]._asdict().items():
            rules.append(RecipeRule(match=pattern, value=factor, hyperparameter=name))
    return tuple(rules)
