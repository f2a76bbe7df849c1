"""scikit-learn on handwritten digits: search a schedule and its rate, stop and go on.

Needs: pip install 'stepsize[sklearn]'
"""

import pickle

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.neural_network import MLPClassifier

from stepsize.adapters.sklearn import ScheduledClassifier
from stepsize.control import CooldownOnPlateau, Plateau

images, labels = load_digits(return_X_y=True)
train, test, y_train, y_test = train_test_split(images / 16, labels, random_state=0)
network = MLPClassifier(hidden_layer_sizes=(32,), solver="sgd", random_state=0)

# Which schedule, at which rate? Both are plain values.
model = ScheduledClassifier(network, epochs=6, random_state=0)
grid = {
    "lr": [0.01, 0.1, 0.3],
    "schedule": ["hold()", 'warmup("5%") >> decay(shape="cosine")'],
}
search = GridSearchCV(model, grid, cv=3, n_jobs=1).fit(train, y_train)
print("best:", search.best_params_, round(search.best_score_, 4))
print("on the test set:", round(search.score(test, y_test), 4))

# Train until it no longer gets better, then cool down.
plateau = Plateau("val_score", mode="max", patience=3, convention="keras")
model = ScheduledClassifier(
    network,
    schedule='warmup("2%") >> hold()',
    lr=0.3,
    epochs=60,
    validation_fraction=0.2,
    policies=[CooldownOnPlateau(plateau, length=140)],
    random_state=0,
).fit(train, y_train)
for event in model.scheduler_.events:
    print(f"update {event.update}: {event.kind} ({event.reason})")
print(len(model.rates_), "updates, test set:", round(model.score(test, y_test), 4))


# A pickle between two passes is a checkpoint.
def start() -> ScheduledClassifier:
    return ScheduledClassifier(network, lr=0.3, epochs=6, random_state=0)


whole, resumed = start(), start()
for _ in range(6):
    whole.partial_fit(train, y_train)
    resumed = pickle.loads(pickle.dumps(resumed)).partial_fit(train, y_train)
for one, other in zip(whole.estimator_.coefs_, resumed.estimator_.coefs_, strict=True):
    np.testing.assert_array_equal(one, other)
print("interrupted five times, the same weights after", len(resumed.rates_), "updates")
