"""The result of scaling a recipe: every value that changed, and what to doubt."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

from stepsize.planner.recipe_file import Recipe
from stepsize.planner.scaling.choice import Choice, Confidence, wrapped


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class ScaledRecipe:
    """A recipe for another batch or another length.

    Attributes:
        recipe: The new recipe.
        rule: Which rule the rate followed: "linear", "linear-sqrt", "sqrt", "adam",
            "noise", "surge", "token horizon" or "none".
        factor: New batch (or length) over old.
        changes: Every value that changed, with reason, range and sources.
        warnings: Where it leaves the range in which the rule is known to hold.
        confidence: "high", "medium" or "low".
        quantity: What `factor` is of: "batch" or "updates".
    """

    recipe: Recipe
    rule: str
    factor: float
    changes: tuple[Choice, ...]
    warnings: tuple[str, ...]
    confidence: Confidence
    quantity: str = "batch"

    def __getitem__(self, name: str) -> Choice:
        """Return the change of that name, as in "lr".

        Raises:
            KeyError: It did not change.
        """
        for change in self.changes:
            if change.name == name:
                return change
        raise KeyError(name)

    def to_dict(self) -> dict[str, Any]:
        """Return it as a JSON-plain mapping."""
        return {
            "rule": self.rule,
            "factor": self.factor,
            "quantity": self.quantity,
            "confidence": self.confidence,
            "changes": [change.to_dict() for change in self.changes],
            "warnings": list(self.warnings),
            "recipe": self.recipe.to_dict(),
        }

    def __str__(self) -> str:
        """Return it in lines of at most 80 columns."""
        head = f"{self.quantity} x {self.factor:g}, rule: {self.rule}, "
        lines = [head + f"confidence: {self.confidence}"]
        lines += [str(change) for change in self.changes] or ["nothing changes"]
        lines += [wrapped(f"warning: {text}", 0) for text in self.warnings]
        return "\n".join(lines)
