"""The two estimators: what is trained, and at which rate."""

from __future__ import annotations

from sklearn.base import ClassifierMixin, RegressorMixin
from sklearn.linear_model import SGDClassifier, SGDRegressor

from stepsize.adapters.sklearn.training import Scheduled


class ScheduledClassifier(ClassifierMixin, Scheduled):  # type: ignore[misc]  # untyped
    """A classifier that is trained along a schedule.

    With u the update, a call of the estimator's `partial_fit` with one batch, its rate
    is `lr` * schedule(u).

    Args:
        estimator: `SGDClassifier` (the default), `MLPClassifier`, or any other with
            `partial_fit` and `eta0`, or with `learning_rate_init`. Its own rate, rule
            for the rate and batch size are not used.
        schedule: A schedule, or the text of one: percentages are of the whole training,
            "2 epochs" and "500 samples" are known too.
        lr: What multiplies it. Unit: lr.
        epochs: Passes over the data; int >= 1.
        batch_size: Samples of an update; int >= 1. `SGDClassifier` makes a step for
            each of them, all at the update's rate.
        shuffle: Whether to shuffle before each pass.
        validation_fraction: Share of the data held out; in [0, 1). After each epoch the
            policies are shown the estimator's score on it, as `val_score`.
        policies: Who decides on changes from what is measured; no guard.
        random_state: As everywhere in scikit-learn.

    Attributes:
        estimator_: The fitted estimator.
        scheduler_: The `Driver`: `events`, `cooldown`, `state_dict`, ...
        rates_: The rate of every update.
        classes_: The classes.

    Examples:
        >>> from sklearn.datasets import load_digits
        >>> X, y = load_digits(return_X_y=True)
        >>> model = ScheduledClassifier(schedule="decay(shape='cosine')", lr=0.1,
        ...                             epochs=5, random_state=0).fit(X / 16, y)
        >>> len(model.rates_), model.rates_[0], model.score(X / 16, y) > 0.95
        (285, 0.1, True)
    """

    _default = SGDClassifier
    _classifies = True


class ScheduledRegressor(RegressorMixin, Scheduled):  # type: ignore[misc]  # untyped
    """A regressor that is trained along a schedule; as `ScheduledClassifier`.

    Its default estimator is `SGDRegressor`; `val_score` is R^2.

    Examples:
        >>> from sklearn.datasets import make_regression
        >>> X, y = make_regression(200, 4, random_state=0)
        >>> model = ScheduledRegressor(lr=0.01, random_state=0).fit(X, y)
        >>> model.score(X, y) > 0.9
        True
    """

    _default = SGDRegressor
    _classifies = False
