"""What both estimators refuse of their parameters and data."""

# ruff: noqa: N803, N806 - X is scikit-learn's own name

from __future__ import annotations

import math
from inspect import signature
from numbers import Integral, Real
from typing import Any

from sklearn.utils import get_tags
from sklearn.utils.multiclass import check_classification_targets, unique_labels
from sklearn.utils.validation import _check_sample_weight, column_or_1d, validate_data

from stepsize.adapters.sklearn.inner import check_trainable
from stepsize.adapters.sklearn.predicting import Predicting
from stepsize.errors import AdapterError, describe


def _is_number(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)


class Checked(Predicting):
    """An estimator whose parameters and data are checked when it is fitted."""

    _classifies: bool
    lr: Any
    policies: Any
    validation_fraction: Any

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

    def _weights_of(self, sample_weight: Any, X: Any) -> Any:
        if sample_weight is None:
            return None
        inner = self._prototype()
        if "sample_weight" not in signature(inner.partial_fit).parameters:
            rule = "be left out: the estimator's partial_fit takes none"
            field = f"{type(self).__name__}.fit(sample_weight=)"
            raise AdapterError(describe(field, rule, inner))
        return _check_sample_weight(sample_weight, X)

    def _classes_of(self, y: Any) -> Any:
        return unique_labels(y) if self._classifies else None
