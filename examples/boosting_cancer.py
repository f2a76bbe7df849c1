"""XGBoost and LightGBM on a medical data set: a falling rate, a cooldown, a resume.

Needs: pip install 'stepsize[xgboost,lightgbm]' scikit-learn
"""

import tempfile
from pathlib import Path

import lightgbm as lgb
import numpy as np
import xgboost as xgb
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split

import stepsize as ss
from stepsize.adapters import lightgbm, xgboost
from stepsize.control import CooldownOnPlateau, Plateau

x, y = load_breast_cancer(return_X_y=True)
x, x_test, y, y_test = train_test_split(x, y, test_size=0.3, random_state=0)
ROUNDS = 200

# XGBoost: large steps; once the test loss is flat, 20 rounds of cooldown, and the end.
data, test = xgb.DMatrix(x, y), xgb.DMatrix(x_test, y_test)
settings = {"objective": "binary:logistic", "max_depth": 3, "nthread": 1}


def plan() -> xgboost.Scheduler:
    flat = Plateau("test-logloss", patience=8, convention="keras", margin_abs=1e-3)
    return xgboost.Scheduler(
        lr=0.3 * ss.hold(),
        total_steps=ROUNDS,
        policies=[CooldownOnPlateau(flat, length=20)],
        stop=True,
    )


def train(rounds: int, model: xgb.Booster | None, lr: xgboost.Scheduler) -> xgb.Booster:
    return xgb.train(
        settings,
        data,
        rounds,
        xgb_model=model,
        evals=[(test, "test")],
        verbose_eval=False,
        callbacks=[lr],
    )


scheduler = plan()
whole = train(ROUNDS, None, scheduler)
for event in scheduler.events:
    print(f"round {event.update}: {event.kind}, {event.reason}")
print(f"XGBoost: {whole.num_boosted_rounds()} rounds, {whole.eval(test)}")

with tempfile.TemporaryDirectory() as folder:  # the state is in the model's file
    train(15, None, plan()).save_model(Path(folder) / "model.ubj")
    part = xgb.Booster(model_file=Path(folder) / "model.ubj")
resumed = train(ROUNDS - 15, part, plan())
np.testing.assert_array_equal(whole.predict(test), resumed.predict(test))
print("interrupted after 15 rounds: the same model")

# LightGBM, through scikit-learn's interface.
curve = 0.3 * ss.warmup(5) >> ss.cosine(to=0.05)
other = lightgbm.Scheduler(lr=curve, total_steps=ROUNDS)
model = lgb.LGBMClassifier(n_estimators=ROUNDS, n_jobs=1, verbose=-1)
model.fit(x, y, callbacks=other.callbacks)
print(
    f"LightGBM: last rate {other.last_lr['0']:.4f}, {model.score(x_test, y_test):.4f}"
)
