"""`scale`: a recipe for another batch, with every value that changes and why."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from stepsize.errors import InvalidScheduleError, describe
from stepsize.planner.recipe_file import Recipe
from stepsize.planner.scaling import batch, sources, weight_decay
from stepsize.planner.scaling.choice import Choice, Confidence, short, worst
from stepsize.planner.scaling.families import (
    COUPLED,
    LEFT,
    family_of,
    key_of,
    usual_of,
)
from stepsize.planner.scaling.rewriting import (
    PER_UPDATE,
    constant_of,
    peak_of,
    rewritten,
    rises,
    scaled_horizon,
    with_warmup,
)
from stepsize.planner.scaling.rules import Rate, rate
from stepsize.planner.scaling.scaled import ScaledRecipe
from stepsize.planner.survey import phases
from stepsize.schedules.arguments import choice
from stepsize.schedules.horizon import Horizon
from stepsize.schedules.named import constant
from stepsize.schedules.schedule import Schedule

LARGE = 2.0
"""Batch factor from which a scaled rate needs a warmup, as in the linter's SS304."""
ADDED_WARMUP = "5%"
"""Its length: 5 of 90 epochs; Goyal et al. 2017, arXiv:1706.02677, section 2.2."""
FEW_UPDATES = 100
"""Updates below which a run at equal samples is hardly a run; a convention."""
MOMENTS = ("adam", "adamw", "nadam", "radam", "adamax", "amsgrad")
"""Optimizers with Adam's two moments under torch's names."""
TORCH = {"betas[0]": 0.9, "betas[1]": 0.999, "eps": 1e-8, "alpha": 0.99}
"""Defaults of torch 2.13 (`alpha` is RMSprop's), where a recipe does not say them."""

_MEASURED = {
    ("linear-sqrt", "samples"): "on this project's three small workloads the root "
    "alone was safer, at most 3.6 % behind the best rate against 6.2 %; ",
    ("linear-sqrt", "updates"): "on this project's three small workloads the rate left "
    "as it was did better at equal updates, at most 2.1 % behind the best against "
    "6.1 %; ",
    ("adam", "updates"): "on this project's three small workloads nothing was gained "
    "over the rate left as it was at equal updates, at most 6.3 % behind the best "
    "against 5.6 %; ",
    ("surge", "samples"): "it moves the rate alone: on this project's workloads the "
    "rule for Adam, which moves the betas too, did better; ",
}
"""What docs/scaling/measured.md measured against a rule, by what is kept."""


def scale(
    recipe: Recipe,
    *,
    to_batch: float,
    from_batch: float | None = None,
    optimizer: object = None,
    rule: str = "auto",
    noise_scale: float | None = None,
    keep: str = "samples",
) -> ScaledRecipe:
    """Return a recipe for another batch: every value that changes, and why.

    The rate follows the rule of the optimizer: SGD linear up to 4 times the batch and
    by the root beyond; Adam by the root, with betas and eps; with a measured noise
    scale the curve that it gives. Weight decay keeps its time scale where it has one
    (AdamW and SGD, not Adam's L2), lengths in updates follow the horizon, and a rate
    that was raised gets a warmup where it has none.

    Args:
        recipe: The recipe for `from_batch`.
        to_batch: Samples in an update of the new run, over all ranks and micro-batches
            (`effective_batch` counts them); > 0.
        from_batch: Likewise, of the run that the recipe is for; None: the horizon's
            `samples_per_step`.
        optimizer: Its name, class or object; None: the recipe's.
        rule: "auto", "linear", "linear-sqrt", "sqrt" (the rate only), "adam" (betas
            and eps too), "noise", "surge" or "none".
        noise_scale: The gradient noise scale in samples, if it was measured.
        keep: What stays: "samples", so that k times the batch makes 1/k of the
            updates; or "updates", so that k times the samples are seen.

    Returns:
        The new recipe, every change with its reason and sources, and warnings where
        the rule is not known to hold.

    Raises:
        InvalidScheduleError: A value is outside its range, the optimizer is unknown,
            or the old batch is not said.

    Examples:
        >>> import stepsize as ss
        >>> recipe = ss.Recipe(
        ...     lr=0.1 * ss.warmup("5%") >> ss.cosine(),
        ...     optimizer="SGD + momentum",
        ...     horizon=ss.Horizon(steps=8000, samples_per_step=256),
        ... )
        >>> scaled = scale(recipe, to_batch=1024)
        >>> scaled.recipe.lr, scaled.recipe.horizon.total_steps
        (0.4 * warmup("5%") >> decay(shape="cosine"), 2000)
    """
    if not isinstance(recipe, Recipe):
        hint = "load_recipe(path) reads one; of advice, give its .recipe"
        raise InvalidScheduleError(
            describe("scale.recipe", "be a Recipe", recipe, hint=hint)
        )
    choice(keep, "scale.keep", ("samples", "updates"))
    old_horizon = recipe.horizon or Horizon()
    start = from_batch if from_batch is not None else old_horizon.samples_per_step
    if start is None:
        text = "be given, or the recipe's horizon with samples_per_step"
        raise InvalidScheduleError(describe("scale.from_batch", text, None))
    k = batch.batch_factor(start, to_batch)
    said = old_horizon.samples_per_step
    if from_batch is not None and said is not None and from_batch != said:
        text = f"equal the recipe's samples_per_step = {said:g}"
        raise InvalidScheduleError(describe("scale.from_batch", text, from_batch))
    named = recipe.optimizer if optimizer is None else optimizer
    family = family_of(named, "scale.optimizer")
    found = rate(
        family,
        from_batch=start,
        to_batch=to_batch,
        rule=rule,
        noise_scale=noise_scale,
        already=recipe.batch_scale or 1.0,
    )
    if k == 1:
        return ScaledRecipe(
            recipe=recipe,
            rule=found.rule,
            factor=1.0,
            changes=(),
            warnings=(),
            confidence="high",
        )
    new_horizon = scaled_horizon(old_horizon, k, keep) if recipe.horizon else None
    return _Scaling(
        recipe=recipe,
        optimizer=named,
        found=found,
        k=k,
        keep=keep,
        horizon=new_horizon,
    ).result()


class _Scaling:
    """One scaling, step by step; the values it collects are its result."""

    def __init__(
        self,
        *,
        recipe: Recipe,
        optimizer: object,
        found: Rate,
        k: float,
        keep: str,
        horizon: Horizon | None,
    ) -> None:
        self.recipe, self.found, self.k, self.keep = recipe, found, k, keep
        self.key = key_of(optimizer, "scale.optimizer")
        self.high = usual_of(optimizer, "scale.optimizer").high
        self.family = family_of(optimizer, "scale.optimizer")
        self.horizon = horizon
        self.fewer = k if keep == "samples" else 1.0
        self.changes: list[Choice] = []
        self.warnings = list(found.warnings)
        self.levels: list[Confidence] = [found.confidence]

    def result(self) -> ScaledRecipe:
        """Return the scaled recipe."""
        own = self.recipe.lr or self.recipe.lr_factor
        if own is None:  # pragma: no cover - a recipe has one of the two
            raise TypeError("recipe")
        old = self.recipe.horizon or Horizon()
        lr = peak_of(own, old) * (self.recipe.base_lr or 1.0)
        schedule = self._schedule(own, move=self.recipe.base_lr is None)
        self._report_rate(lr)
        schedule = self._warmup(schedule)
        others = dict(self.recipe.hyperparameters)
        others = {name: self._lengths(value) for name, value in others.items()}
        for name, value in (*self._moments(), *self._decay(lr)):
            others[name] = constant(value)
        self._report_horizon()
        base = self.recipe.base_lr
        new = replace(
            self.recipe,
            lr=schedule if self.recipe.lr is not None else None,
            lr_factor=schedule if self.recipe.lr_factor is not None else None,
            base_lr=base if base is None else base * self.found.factor,
            horizon=self.horizon,
            batch_scale=(self.recipe.batch_scale or 1.0) * self.k,
            hyperparameters=tuple(others.items()),
            rules=tuple(
                replace(one, value=self._schedule(one.value, move=True))
                if isinstance(one.value, Schedule) and one.hyperparameter == "lr"
                else one
                for one in self.recipe.rules
            ),
        )
        return ScaledRecipe(
            recipe=new,
            rule=self.found.rule,
            factor=self.k,
            changes=tuple(self.changes),
            warnings=tuple(self.warnings),
            confidence=worst(*self.levels),
        )

    def _schedule(self, schedule: Schedule, *, move: bool) -> Schedule:
        lamb = self.family == "lamb"
        if any(phase.kind in PER_UPDATE for phase in phases(schedule)):
            self.warnings.append(
                "a table or radam_warmup counts updates: its values stay where they are"
            )
        return rewritten(
            schedule,
            rate=self.found.factor if move else 1.0,
            length=1 / self.fewer,
            warmup_updates=1.0 if lamb else None,
            warmup_percent=self.fewer if lamb else 1.0,
        )

    def _lengths(self, schedule: Schedule) -> Schedule:
        return rewritten(schedule, length=1 / self.fewer)

    def _report_rate(self, lr: float) -> None:
        found = self.found
        if found.factor == 1:
            return
        self.changes.append(
            Choice(
                name="lr",
                value=lr * found.factor,
                before=lr,
                low=lr * found.low,
                high=lr * found.high,
                formula=found.formula.replace("lr", short(lr), 1),
                reason=found.reason,
                sources=found.sources,
                disputed=_MEASURED.get((found.rule, self.keep), "")
                + "no rule held on all workloads "
                "of Shallue et al. 2019 (arXiv:1811.03600): validate before a long run",
            )
        )
        if lr * found.factor > self.high:
            self.levels.append("low")
            self.warnings.append(
                f"the rate of {short(lr * found.factor)} is above what the optimizer "
                f"is usually given, {self.high:g}"
            )

    def _warmup(self, schedule: Schedule) -> Schedule:
        horizon = self.horizon or Horizon()
        if self.k < LARGE or self.found.factor <= 1 or rises(schedule, horizon):
            return schedule
        self.changes.append(
            Choice(
                name="warmup",
                value=ADDED_WARMUP,
                reason="A rate that was scaled with the batch is too high for the "
                "first updates; the recipe had no warmup.",
                sources=(sources.GOYAL, sources.WARMUP_WHY),
            )
        )
        return with_warmup(schedule, horizon, ADDED_WARMUP)

    def _value(self, name: str) -> float | None:
        """Return a hyperparameter's value: the recipe's, torch's; None if it moves."""
        said = dict(self.recipe.hyperparameters).get(name)
        if said is None:
            return TORCH[name]
        value = constant_of(said)
        if value is None:
            self.warnings.append(f"{name} follows a schedule and was left as it is")
        return value

    def _moments(self) -> Iterator[tuple[str, float]]:
        if self.found.rule != "adam":
            return
        if self.key in MOMENTS:
            names = ("betas[0]", "betas[1]", "eps")
        elif self.key == "rmsprop":
            names = ("alpha", "alpha", "eps")
        else:
            self.warnings.append(
                "the rule's other part, betas and eps, is known for Adam and RMSprop"
            )
            return
        first, second, eps = (self._value(name) for name in names)
        new = batch.adam(1.0, self.k, first or 0.0, second or 0.0, eps or 0.0)
        pairs = zip(names, (first, second, eps), new[1:4], strict=True)
        for name, (before, after) in dict(
            (name, (before, after)) for name, before, after in pairs
        ).items():
            if before is None or before == after:
                continue
            yield name, after
            is_eps = name == "eps"
            beta_text = f"1 - {self.k:g} * (1 - {short(before)})"
            self.changes.append(
                Choice(
                    name=name,
                    value=after,
                    before=before,
                    formula=f"{short(before)} / sqrt({self.k:g})"
                    if is_eps
                    else beta_text,
                    reason="Keeps its size against the root of the second moment."
                    if is_eps
                    else "Keeps the moment's memory in samples.",
                    sources=(sources.MALLADI,),
                )
            )
        if new.clamped:
            self.levels.append("low")
            names_text = "alpha" if self.key == "rmsprop" else " and ".join(new.clamped)
            self.warnings.append(
                f"{names_text} would be negative at {self.k:g} times the batch and is "
                "0: the rule ends where k (1 - beta) reaches 1"
            )

    def _decay(self, lr: float) -> Iterator[tuple[str, float]]:
        said = dict(self.recipe.hyperparameters).get("weight_decay")
        before = None if said is None else constant_of(said)
        if said is not None and before is None:
            self.warnings.append(
                "weight_decay follows a schedule and was left as it is"
            )
        if not before or lr == 0:
            return
        if self.key in COUPLED:
            self.warnings.append(LEFT)
            return
        after = weight_decay.kept(before, lr, lr * self.found.factor, self.fewer)
        if abs(after / before - 1) < 1e-12:  # noqa: PLR2004 - rounding
            return
        yield "weight_decay", after
        self.changes.append(
            Choice(
                name="weight_decay",
                value=after,
                before=before,
                low=min(before, after),
                high=max(before, after),
                formula=f"{short(before)} * {self.fewer:g} / {self.found.factor:.4g}",
                reason="Keeps the share of the run over which weights average, "
                "1 / (lr * weight_decay * updates).",
                sources=(sources.TIMESCALE, sources.POWER_LINES),
            )
        )

    def _report_horizon(self) -> None:
        old, new = self.recipe.horizon, self.horizon
        if old is None or new is None:
            return
        before, after = old.total_steps, new.total_steps
        if before is None or after is None or before == after:
            return
        self.changes.append(
            Choice(
                name="total_steps",
                value=after,
                before=before,
                formula=f"{before} / {self.fewer:g}",
                reason="As many samples as before; lengths in updates follow.",
                sources=(sources.PRACTICE,),
            )
        )
        if after < FEW_UPDATES:
            self.levels.append("low")
            self.warnings.append(
                f"only {after} updates are left at this batch: no rule makes up for "
                "updates that are not made"
            )
