"""Train with Ignite on handwritten digits, stop, and go on.

Needs: pip install 'stepsize[ignite]' scikit-learn
"""

from tempfile import TemporaryDirectory
from typing import Any

import torch
from ignite.engine import (
    Events,
    create_supervised_evaluator,
    create_supervised_trainer,
)
from ignite.handlers import Checkpoint, DiskSaver
from ignite.metrics import Accuracy, Loss
from sklearn.datasets import load_digits
from torch.utils.data import DataLoader, TensorDataset

import stepsize as ss
from stepsize.adapters.ignite import SchedulerHandler, plan_horizon
from stepsize.adapters.torch import Scheduler
from stepsize.control import Guard, Plateau

EPOCHS = 4
features, labels = load_digits(return_X_y=True)
DATA = torch.tensor(features / 16, dtype=torch.float32), torch.tensor(labels)
TRAIN = DataLoader(TensorDataset(*(part[:1440] for part in DATA)), batch_size=32)
TEST = DataLoader(TensorDataset(*(part[1440:] for part in DATA)), batch_size=360)


def train(folder: str, resume: str | None = None) -> dict[str, float]:
    torch.manual_seed(0)
    loss = torch.nn.CrossEntropyLoss()
    model = torch.nn.Sequential(
        torch.nn.Linear(64, 64), torch.nn.ReLU(), torch.nn.Linear(64, 10)
    )
    optimizer = torch.optim.AdamW(model.parameters())
    scheduler = Scheduler(
        optimizer,
        model=model,
        lr=3e-3 * ss.warmup("5%") >> ss.hold() >> ss.decay("1 epoch", shape="1-sqrt"),
        horizon=plan_horizon(TRAIN, epochs=EPOCHS),
        policies=[Plateau("val_loss"), Guard()],
    )
    trainer = create_supervised_trainer(model, optimizer, loss)
    evaluator = create_supervised_evaluator(
        model, {"val_loss": Loss(loss), "accuracy": Accuracy()}
    )
    SchedulerHandler(scheduler).attach(trainer, evaluator)

    parts: dict[str, Any] = {"trainer": trainer, "model": model}
    parts |= {"optimizer": optimizer, "scheduler": scheduler}
    saver = DiskSaver(folder, require_empty=False)
    checkpoint = Checkpoint(parts, saver, n_saved=None, filename_pattern="{name}.pt")

    @trainer.on(Events.EPOCH_COMPLETED)
    def evaluate() -> None:
        evaluator.run(TEST)
        checkpoint.filename_pattern = f"{trainer.state.epoch}.pt"
        checkpoint(trainer)

    if resume is not None:
        Checkpoint.load_objects(parts, torch.load(resume))
    trainer.run(TRAIN, max_epochs=EPOCHS)
    return dict(evaluator.state.metrics)


if __name__ == "__main__":
    with TemporaryDirectory() as folder:
        first = train(folder)
        again = train(folder, resume=f"{folder}/2.pt")  # as a new process would
    print(f"accuracy {first['accuracy']:.3f}, loss {first['val_loss']:.6f}")
    print(f"resumed  {again['accuracy']:.3f}, loss {again['val_loss']:.6f}")
