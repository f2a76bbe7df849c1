"""Your own scikit-learn training under several schedules and a constant rate.

Needs: pip install 'stepsize[sklearn,proof]'. From the command line:

    stepsize compare examples/compare_sklearn.py:train --total-steps 300 --halving
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import SGDClassifier
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

from stepsize.proof import compare


def train(
    schedule: Callable[[int], float],
    *,
    total_steps: int,
    seed: int,
    report: Callable[..., None],
) -> dict[str, Any]:
    """Train once. The seed means the same batches and split for every arm."""
    cells, labels = load_breast_cancer(return_X_y=True)
    rest, test, y_rest, y_test = train_test_split(
        cells, labels, test_size=150, random_state=seed
    )
    learn, val, y_learn, y_val = train_test_split(
        rest, y_rest, test_size=150, random_state=seed
    )
    scale = StandardScaler().fit(learn)
    learn, val, test = (scale.transform(part) for part in (learn, val, test))

    model = SGDClassifier(
        loss="log_loss", learning_rate="constant", eta0=1.0, random_state=seed
    )
    rng = np.random.default_rng(seed)
    for update in range(total_steps):
        batch = rng.integers(0, len(learn), size=4)
        model.set_params(eta0=schedule(update))
        model.partial_fit(learn[batch], y_learn[batch], classes=[0, 1])
        if (update + 1) % 20 == 0:
            report(update + 1, val=log_loss(y_val, model.predict_proba(val)))
    return {
        "val": log_loss(y_val, model.predict_proba(val)),
        "test": log_loss(y_test, model.predict_proba(test)),
        "direction": "min",
        "updates": total_steps,
    }


if __name__ == "__main__":
    comparison = compare(
        f"{__file__}:train",
        schedules=["wsd", "warmup_linear"],
        total_steps=300,
        lrs=[0.003, 0.01, 0.03, 0.1],
        seeds=4,
    )
    for arm in comparison.arms:
        print(arm.arm, arm.chosen_lr, arm.test and round(arm.test.mean, 3), arm.outcome)
    print(*comparison.verdict, sep="\n")
