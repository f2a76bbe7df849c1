"""Train with fastai on handwritten digits, stop, and go on.

Needs: pip install 'stepsize[fastai]' scikit-learn
"""

from tempfile import TemporaryDirectory
from typing import Any

import torch
from fastai.basics import DataLoaders, Learner, accuracy
from fastai.callback.tracker import SaveModelCallback
from sklearn.datasets import load_digits

import stepsize as ss
from stepsize.adapters.fastai import fit
from stepsize.control import Guard, Plateau

EPOCHS = 4
ROWS = [
    (torch.tensor(image / 16, dtype=torch.float32), torch.tensor(label))
    for image, label in zip(*load_digits(return_X_y=True), strict=True)
]


def make_learner(folder: str) -> Any:
    torch.manual_seed(0)
    loaders = DataLoaders.from_dsets(
        ROWS[:1440], ROWS[1440:], bs=32, shuffle=False, num_workers=0, device="cpu"
    )
    model = torch.nn.Sequential(
        torch.nn.Linear(64, 64), torch.nn.ReLU(), torch.nn.Linear(64, 10)
    )
    loss = torch.nn.functional.cross_entropy
    return Learner(loaders, model, loss_func=loss, metrics=accuracy, path=folder)


def train(learner: Any, start_epoch: int = 0) -> tuple[float, float]:
    fit(
        learner,
        EPOCHS,
        lr=3e-3 * ss.warmup("5%") >> ss.hold() >> ss.decay("1 epoch", shape="1-sqrt"),
        policies=[Plateau("valid_loss"), Guard()],
        cbs=SaveModelCallback(every_epoch=True, with_opt=True),
        start_epoch=start_epoch,
    )
    _, loss, share = learner.recorder.values[-1]
    return share, loss


if __name__ == "__main__":
    with TemporaryDirectory() as folder:
        first = train(make_learner(folder))
        learner = make_learner(folder).load("model_1")  # as a new process would
        again = train(learner, start_epoch=2)
    print("\naccuracy {:.3f}, loss {:.6f}".format(*first))
    print("resumed  {:.3f}, loss {:.6f}".format(*again))
