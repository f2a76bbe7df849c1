"""How both estimators are trained: batch by batch, through `partial_fit`."""

# ruff: noqa: N803, N806 - X is scikit-learn's own name

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, Self

import numpy as np
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state, shuffle
from sklearn.utils.validation import check_is_fitted

from stepsize.adapters.driving import Driver
from stepsize.adapters.driving.arguments import as_schedule
from stepsize.adapters.sklearn.checking import Checked
from stepsize.adapters.sklearn.inner import prepared, train
from stepsize.control.events import Event
from stepsize.errors import AdapterError, describe
from stepsize.schedules.horizon import Horizon
from stepsize.schedules.schedule import Schedule
from stepsize.schedules.text import parse

_Data = tuple[Any, Any, Any]  # samples, targets, weights or None


def _rows(data: _Data, rows: Any) -> _Data:
    """Return some rows of the data."""
    X, y, weights = data
    return X[rows], y[rows], None if weights is None else weights[rows]


class Scheduled(Checked):
    """What both have in common; see `ScheduledClassifier`."""

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

    def fit(self, X: Any, y: Any, **parameters: Any) -> Self:
        """Train for `epochs` passes over the data, or for as long as policies say.

        Args:
            X: Samples; shape (n_samples, n_features), sparse where the estimator can.
            y: Targets; shape (n_samples,) or (n_samples, n_outputs).
            parameters: `sample_weight`, where the estimator's `partial_fit` takes it:
                finite numbers, shape (n_samples,). Samples of weight 0 are left out; a
                batch is one update, whatever its other weights.

        Returns:
            The estimator itself.

        Raises:
            AdapterError: An argument is unknown or outside its range.
            ValueError: scikit-learn refuses the data.
        """
        # not named: scikit-learn's checks would ask that weights count as copies do
        weights = parameters.pop("sample_weight", None)
        for name, value in parameters.items():
            field = f"{type(self).__name__}.fit({name}=)"
            raise AdapterError(describe(field, "be sample_weight", value))
        X, y = self._checked(X, y, reset=True)
        weights = self._weights_of(weights, X)
        if weights is not None:
            X, y, weights = _rows((X, y, weights), np.flatnonzero(weights))
            if self._classifies and y.ndim == 1 and len(np.unique(y)) == 1:
                field = f"{type(self).__name__}.fit(sample_weight=)"
                rule = "not be 0 for all samples but those of one class"
                raise ValueError(describe(field, rule, y[0]))
        self._check_held_out()
        classes = self._classes_of(y)  # one may be all in what is held out
        data, test = (X, y, weights), None
        if self.validation_fraction:
            train_rows, test_rows = train_test_split(
                np.arange(X.shape[0]),
                test_size=self.validation_fraction,
                random_state=check_random_state(self.random_state),
            )
            data, test = _rows(data, train_rows), _rows(data, test_rows)
        self._begin(data[0], classes)
        while not self.scheduler_.done:
            self._epoch(data, test)
        return self

    def partial_fit(
        self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None
    ) -> Self:
        """Train for one pass over these data; `epochs` such calls are the schedule.

        A pickle between two calls is a checkpoint that goes on exactly.

        Args:
            X: As for `fit`.
            y: As for `fit`.
            classes: Every class there is, in the first call; None: those of `y`.
            sample_weight: As for `fit`.

        Returns:
            The estimator itself.
        """
        first = not hasattr(self, "scheduler_")
        X, y = self._checked(X, y, reset=first)
        weights = self._weights_of(sample_weight, X)
        if first:
            self._begin(X, self._classes_of(y if classes is None else classes))
        self._epoch((X, y, weights), None)
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

    def _epoch(self, data: _Data, test: _Data | None) -> None:
        for rows in self._batches(data[0].shape[0]):
            self._update(*_rows(data, rows))
            if test is not None and self.scheduler_.done:
                break
        if test is not None and self.policies:
            score = self.estimator_.score
            X, y, weights = test
            value = score(X, y) if weights is None else score(X, y, weights)
            self.scheduler_.observe(val_score=value)

    def _batches(self, samples: int) -> Iterator[Any]:
        order = np.arange(samples)
        if self.shuffle:
            order = shuffle(order, random_state=self._random)
        for start in range(0, samples, self.batch_size):
            yield order[start : start + self.batch_size]

    def _update(self, X: Any, y: Any, weights: Any) -> None:
        """Make one update at the schedule's rate."""
        rate = self.scheduler_.rate()
        classes = self.classes_ if self._classifies else None
        train(self.estimator_, X, y, rate, classes=classes, weights=weights)
        self.rates_.append(rate)
        self.scheduler_.step()
