"""How both estimators are trained: batch by batch, through `partial_fit`."""

# ruff: noqa: N803, N806 - X is scikit-learn's own name

from __future__ import annotations

import math
from collections.abc import Iterator
from numbers import Integral, Real
from typing import Any, Self

import numpy as np
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state, get_tags, shuffle
from sklearn.utils.multiclass import check_classification_targets, unique_labels
from sklearn.utils.validation import check_is_fitted, column_or_1d, validate_data

from stepsize.adapters.driving import Driver
from stepsize.adapters.driving.arguments import as_schedule
from stepsize.adapters.sklearn.inner import check_trainable, prepared, train
from stepsize.adapters.sklearn.predicting import Predicting
from stepsize.control.events import Event
from stepsize.errors import AdapterError, describe
from stepsize.schedules.horizon import Horizon
from stepsize.schedules.schedule import Schedule
from stepsize.schedules.text import parse


def _is_number(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)


class Scheduled(Predicting):
    """What both have in common; see `ScheduledClassifier`."""

    _classifies: bool

    def __init__(
        self,
        estimator: Any = None,
        *,
        schedule: str | Schedule = 'warmup("5%") >> decay(shape="cosine")',
        lr: float = 0.01,
        epochs: int = 10,
        batch_size: int = 32,
        shuffle: bool = True,
        validation_fraction: float = 0.0,
        policies: Any = (),
        random_state: Any = None,
    ) -> None:
        self.estimator = estimator
        self.schedule = schedule
        self.lr = lr
        self.epochs = epochs
        self.batch_size = batch_size
        self.shuffle = shuffle
        self.validation_fraction = validation_fraction
        self.policies = policies
        self.random_state = random_state

    # --- training ------------------------------------------------------------------

    def fit(self, X: Any, y: Any) -> Self:
        """Train for `epochs` passes over the data, or for as long as policies say.

        Args:
            X: Samples; shape (n_samples, n_features), sparse where the estimator can.
            y: Targets; shape (n_samples,) or (n_samples, n_outputs).

        Returns:
            The estimator itself.

        Raises:
            AdapterError: An argument is outside its range.
        """
        X, y = self._checked(X, y, reset=True)
        self._check_held_out()
        classes = self._classes_of(y)  # one may be all in what is held out
        test = None
        if self.validation_fraction:
            X, X_test, y, y_test = train_test_split(
                X,
                y,
                test_size=self.validation_fraction,
                random_state=check_random_state(self.random_state),
            )
            test = X_test, y_test
        self._begin(X, classes)
        while not self.scheduler_.done:
            self._epoch(X, y, test)
        return self

    def partial_fit(self, X: Any, y: Any, classes: Any = None) -> Self:
        """Train for one pass over these data; `epochs` such calls are the schedule.

        A pickle between two calls is a checkpoint that goes on exactly.

        Args:
            X: As for `fit`.
            y: As for `fit`.
            classes: Every class there is, in the first call; None: those of `y`.

        Returns:
            The estimator itself.
        """
        first = not hasattr(self, "scheduler_")
        X, y = self._checked(X, y, reset=first)
        if first:
            self._begin(X, self._classes_of(y if classes is None else classes))
        self._epoch(X, y, None)
        return self

    def observe(self, **metrics: Any) -> tuple[Event, ...]:
        """Show the policies what was measured between two calls of `partial_fit`.

        See `Driver.observe`.
        """
        check_is_fitted(self, "scheduler_")
        events: tuple[Event, ...] = self.scheduler_.observe(**metrics)
        return events

    def _begin(self, X: Any, classes: Any) -> None:
        self._check()
        per_epoch = math.ceil(X.shape[0] / self.batch_size)
        horizon = Horizon(
            steps=int(self.epochs) * per_epoch,
            steps_per_epoch=per_epoch,
            samples_per_step=int(self.batch_size),
        )
        given = (
            parse(self.schedule) if isinstance(self.schedule, str) else self.schedule
        )
        shape = as_schedule(given, f"{type(self).__name__}.schedule")
        self.scheduler_ = Driver(
            lr=float(self.lr) * shape, horizon=horizon, policies=self.policies
        )
        self.estimator_ = prepared(self._prototype(), self.random_state)
        if classes is not None:
            self.classes_ = classes
        self.rates_: list[float] = []
        self._random = check_random_state(self.random_state)

    def _epoch(self, X: Any, y: Any, test: Any) -> None:
        for rows in self._batches(X.shape[0]):
            self._update(X[rows], y[rows])
            if test is not None and self.scheduler_.done:
                break
        if test is not None and self.policies:
            self.scheduler_.observe(val_score=self.estimator_.score(*test))

    def _batches(self, samples: int) -> Iterator[Any]:
        order = np.arange(samples)
        if self.shuffle:
            order = shuffle(order, random_state=self._random)
        for start in range(0, samples, self.batch_size):
            yield order[start : start + self.batch_size]

    def _update(self, X: Any, y: Any) -> None:
        """Make one update at the schedule's rate."""
        rate = self.scheduler_.rate()
        classes = self.classes_ if self._classifies else None
        train(self.estimator_, X, y, rate, classes)
        self.rates_.append(rate)
        self.scheduler_.step()

    # --- checks --------------------------------------------------------------------

    def _check(self) -> None:
        owner = type(self).__name__
        for name in ("epochs", "batch_size"):
            value = getattr(self, name)
            count = isinstance(value, Integral) and not isinstance(value, bool)
            if not count or value < 1:
                raise AdapterError(describe(f"{owner}.{name}", "be an int >= 1", value))
        if not _is_number(self.lr) or not 0 <= self.lr < math.inf:
            rule = "be a finite number >= 0 (unit: lr)"
            raise AdapterError(describe(f"{owner}.lr", rule, self.lr))

    def _check_held_out(self) -> None:
        owner, value = type(self).__name__, self.validation_fraction
        if not _is_number(value) or not 0 <= value < 1:
            rule = "be in [0, 1)"
            raise AdapterError(describe(f"{owner}.validation_fraction", rule, value))
        if self.policies and not value:
            rule = "be more than 0: policies are shown the score on what is held out"
            raise AdapterError(describe(f"{owner}.validation_fraction", rule, value))

    def _checked(self, X: Any, y: Any, *, reset: bool) -> Any:
        inner = self._prototype()
        check_trainable(inner, type(self).__name__, classifies=self._classifies)
        tags = get_tags(inner)
        X, y = validate_data(
            self,
            X,
            y,
            accept_sparse="csr" if tags.input_tags.sparse else False,
            multi_output=True,
            y_numeric=not self._classifies,
            reset=reset,
        )
        if y.shape[1:] == (1,) and not tags.target_tags.multi_output:
            y = column_or_1d(y, warn=True)
        if self._classifies:
            check_classification_targets(y)
        return X, y

    def _classes_of(self, y: Any) -> Any:
        return unique_labels(y) if self._classifies else None
