"""A recipe with the reason, the source and the range of each of its numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

from stepsize.errors import InvalidScheduleError, describe
from stepsize.planner.recipe_file import Recipe
from stepsize.planner.recipes.groups import Groups
from stepsize.planner.scaling.choice import Choice, wrapped
from stepsize.planner.scaling.families import family_of
from stepsize.schedules.arguments import optional

if TYPE_CHECKING:
    from stepsize.control.policies import Policy
    from stepsize.finder.found import Found

WIDER = 2.0
"""What a search goes beyond the finder's interval; a convention."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """What `recipe` advises.

    Attributes:
        recipe: For `Scheduler`, `check` and files: schedules, horizon, rules.
        situation: What it is for, in a line.
        choices: Every number with reason, range and sources; the rate first.
        policies: What may change the rate while it runs.
        groups: Param groups to build, where rates differ by group; else None.
        warnings: What to know before using it.
    """

    recipe: Recipe
    situation: str
    choices: tuple[Choice, ...]
    policies: tuple[Policy, ...] = ()
    groups: Groups | None = None
    warnings: tuple[str, ...] = ()

    def __getitem__(self, name: str) -> Choice:
        """Return the choice of that name, as in "lr" or "warmup".

        Raises:
            KeyError: There is none.
        """
        for choice in self.choices:
            if choice.name == name:
                return choice
        raise KeyError(name)

    def search_space(
        self,
        found: Found | None = None,
        *,
        low: float | None = None,
        high: float | None = None,
    ) -> dict[str, dict[str, Any]]:
        """Return bounds for a search over the peak rate, logarithmic.

        Args:
            found: What the finder found: its interval, wider by a factor of 2 at both
                ends, since its trainings are shorter than the run, and cut where
                training broke. None: the range of the sources.
            low: Lowest rate to try, in place of that; > 0.
            high: Highest rate to try, likewise.

        Returns:
            {"lr": {"low": ..., "high": ..., "log": True}}, as
            `optuna.Trial.suggest_float("lr", **space["lr"])` takes it, and
            `ray.tune.loguniform` its two ends. Empty for an optimizer that finds its
            own rate.

        Raises:
            InvalidScheduleError: A bound is no rate > 0, low is not below high, or
                the finder found no rate.

        Examples:
            >>> from stepsize.planner.recipes import recipe
            >>> recipe(optimizer="AdamW", horizon=1000).search_space(high=5e-3)
            {'lr': {'low': 0.0001, 'high': 0.005, 'log': True}}
        """
        own = self["lr"]
        first = optional(low, "search_space.low", open_low=True, unit="lr")
        last = optional(high, "search_space.high", open_low=True, unit="lr")
        if family_of(self.recipe.optimizer, "search_space.optimizer") == "free":
            return {}
        around = (own.low, own.high) if found is None else _around(found)
        bottom, top = first or around[0], last or around[1]
        if bottom is None or top is None or not bottom < top:
            rule = f"be above low = {bottom}"
            raise InvalidScheduleError(describe("search_space.high", rule, top))
        return {"lr": {"low": bottom, "high": top, "log": True}}

    def to_dict(self) -> dict[str, Any]:
        """Return it as a JSON-plain mapping."""
        content: dict[str, Any] = {
            "situation": self.situation,
            "recipe": self.recipe.to_dict(),
            "choices": [choice.to_dict() for choice in self.choices],
            "policies": [policy.to_dict() for policy in self.policies],
            "groups": None if self.groups is None else self.groups.to_dict(),
            "warnings": list(self.warnings),
        }
        return {name: value for name, value in content.items() if value is not None}

    def __str__(self) -> str:
        """Return it in lines of at most 80 columns."""
        lines = [wrapped(self.situation, 0)]
        lines += [str(choice) for choice in self.choices]
        lines += [wrapped(f"policy: {policy}", 0) for policy in self.policies]
        if self.groups is not None:
            count = len(self.groups.groups)
            first, last = self.groups.groups[0], self.groups.groups[-1]
            text = f"param groups: {count}, from {first.name} to {last.name}"
            lines.append(wrapped(text, 0))
        lines += [wrapped(f"warning: {text}", 0) for text in self.warnings]
        return "\n".join(lines)


def _around(found: Found) -> tuple[float, float]:
    if found.low is None or found.high is None:
        rule = f"have found a rate; its status is {found.status}"
        hint = "leave it out: the range is then that of the sources"
        raise InvalidScheduleError(
            describe("search_space.found", rule, found.suggestion, hint=hint)
        )
    top = found.high * WIDER
    if found.blowup is not None and found.high < found.blowup:
        top = min(top, found.blowup)
    return found.low / WIDER, top
