"""What both estimators hand on to the one they train: tags and predictions."""

# ruff: noqa: N803, N806 - X is scikit-learn's own name

from __future__ import annotations

from typing import Any

from sklearn.base import BaseEstimator
from sklearn.utils import get_tags
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted, validate_data


def _has(name: str) -> Any:
    return available_if(lambda self: hasattr(self._prototype(), name))


class Predicting(BaseEstimator):  # type: ignore[misc]  # untyped
    """An estimator around another one: `estimator`, and fitted `estimator_`."""

    estimator: Any
    _default: type[Any]

    def _prototype(self) -> Any:
        return self._default() if self.estimator is None else self.estimator

    def __sklearn_tags__(self) -> Any:
        """Return scikit-learn's tags: those of the estimator."""
        tags, inner = super().__sklearn_tags__(), get_tags(self._prototype())
        tags.input_tags.sparse = inner.input_tags.sparse
        tags.target_tags.multi_output = inner.target_tags.multi_output
        if tags.classifier_tags is not None and inner.classifier_tags is not None:
            tags.classifier_tags.multi_label = inner.classifier_tags.multi_label
        return tags

    def predict(self, X: Any) -> Any:
        """Return the estimator's predictions."""
        return self._fitted(X, "predict")

    @_has("predict_proba")  # type: ignore[untyped-decorator]
    def predict_proba(self, X: Any) -> Any:
        """Return the estimator's probabilities."""
        return self._fitted(X, "predict_proba")

    @_has("decision_function")  # type: ignore[untyped-decorator]
    def decision_function(self, X: Any) -> Any:
        """Return the estimator's decision function."""
        return self._fitted(X, "decision_function")

    def _fitted(self, X: Any, name: str) -> Any:
        check_is_fitted(self, "estimator_")
        sparse = get_tags(self.estimator_).input_tags.sparse
        X = validate_data(
            self, X, accept_sparse="csr" if sparse else False, reset=False
        )
        return getattr(self.estimator_, name)(X)
