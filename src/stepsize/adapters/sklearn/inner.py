"""The estimator that is trained: scikit-learn's, whose rate is set for each batch."""

# ruff: noqa: N803 - X is scikit-learn's own name

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import clone, is_classifier, is_regressor

from stepsize.errors import AdapterError, describe

_TINY = float(np.finfo(float).tiny)  # scikit-learn refuses a rate of 0


def check_trainable(estimator: Any, owner: str, *, classifies: bool) -> None:
    """Raise unless an estimator takes batches, at a rate that can be set.

    Args:
        estimator: An estimator of scikit-learn's.
        owner: Who was given it, for the error.
        classifies: Whether it is to be a classifier, else a regressor.

    Raises:
        AdapterError: It does not.
    """
    made = hasattr(estimator, "get_params") and not isinstance(estimator, type)
    params = estimator.get_params(deep=False) if made else {}
    sgd = params.get("solver", "sgd") in ("sgd", "adam")
    rated = "eta0" in params or ("learning_rate_init" in params and sgd)
    if not rated or not hasattr(estimator, "partial_fit"):
        rule = 'have partial_fit and eta0, or learning_rate_init and solver "sgd"'
        hint = "SGDClassifier, SGDRegressor, MLPClassifier, MLPRegressor"
        raise AdapterError(describe(f"{owner}.estimator", rule, estimator, hint=hint))
    if not (is_classifier if classifies else is_regressor)(estimator):
        rule = "be a classifier" if classifies else "be a regressor"
        other = "ScheduledRegressor" if classifies else "ScheduledClassifier"
        hint = f"{other} is for the others"
        raise AdapterError(describe(f"{owner}.estimator", rule, estimator, hint=hint))


def prepared(estimator: Any, random_state: Any) -> Any:
    """Return a fresh copy whose rate is constant, seeded where it has no seed."""
    copy = clone(estimator)
    params = copy.get_params(deep=False)
    if "learning_rate" in params:
        copy.set_params(learning_rate="constant")
    if params.get("random_state", 0) is None:
        copy.set_params(random_state=random_state)
    return copy


def train(
    estimator: Any, X: Any, y: Any, rate: float, *, classes: Any, weights: Any
) -> None:
    """Make one update with a batch.

    Args:
        estimator: What `prepared` returned.
        X: The batch's samples.
        y: Its targets.
        rate: Unit: lr; >= 0.
        classes: Every class there is; None for a regressor.
        weights: Those of its samples; None: all count alike.
    """
    used = max(rate, _TINY)
    if "eta0" in estimator.get_params(deep=False):
        estimator.eta0 = used
    else:
        estimator.learning_rate_init = used
        estimator.batch_size = X.shape[0]
        made = getattr(estimator, "_optimizer", None)
        if made is not None:
            made.learning_rate_init = made.learning_rate = used
    given = {"classes": classes, "sample_weight": weights}
    estimator.partial_fit(X, y, **{k: v for k, v in given.items() if v is not None})
