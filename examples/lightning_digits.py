"""Train with Lightning on handwritten digits, stop, and go on.

Needs: pip install 'stepsize[lightning]' scikit-learn
"""

from tempfile import TemporaryDirectory
from typing import Any

import torch
from lightning.pytorch import LightningModule, Trainer, seed_everything
from lightning.pytorch.callbacks import ModelCheckpoint
from sklearn.datasets import load_digits
from torch.utils.data import DataLoader, TensorDataset

import stepsize as ss
from stepsize.adapters.lightning import SchedulerCallback
from stepsize.control import Guard, Plateau

features, labels = load_digits(return_X_y=True)
DATA = torch.tensor(features / 16, dtype=torch.float32), torch.tensor(labels)
TRAIN = DataLoader(TensorDataset(*(part[:1440] for part in DATA)), batch_size=16)
TEST = DataLoader(TensorDataset(*(part[1440:] for part in DATA)), batch_size=360)


class Classifier(LightningModule):
    def __init__(self) -> None:
        super().__init__()
        self.layers = torch.nn.Sequential(
            torch.nn.Linear(64, 64), torch.nn.ReLU(), torch.nn.Linear(64, 10)
        )

    def training_step(self, batch: Any, batch_idx: int) -> torch.Tensor:
        return torch.nn.functional.cross_entropy(self.layers(batch[0]), batch[1])

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        logits = self.layers(batch[0])
        self.log("val_loss", torch.nn.functional.cross_entropy(logits, batch[1]))
        self.log("accuracy", (logits.argmax(-1) == batch[1]).float().mean())

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.AdamW(self.parameters())


def fit(folder: str, checkpoint: str | None = None) -> dict[str, torch.Tensor]:
    seed_everything(0)
    schedule = SchedulerCallback(
        lr=3e-3 * ss.warmup("5%") >> ss.hold() >> ss.decay("25%", shape="1-sqrt"),
        policies=[Plateau("val_loss"), Guard()],
    )
    keep = ModelCheckpoint(folder, filename="{epoch}", save_top_k=-1)
    trainer = Trainer(
        max_epochs=4,
        accelerator="cpu",
        accumulate_grad_batches=2,
        callbacks=[schedule, keep],
        logger=False,
        enable_progress_bar=False,
    )
    trainer.fit(Classifier(), TRAIN, TEST, ckpt_path=checkpoint)
    return dict(trainer.callback_metrics)


if __name__ == "__main__":
    with TemporaryDirectory() as folder:
        first = fit(folder)
        again = fit(folder, f"{folder}/epoch=1.ckpt")  # as a new process would
    print(f"accuracy {first['accuracy']:.3f}, loss {first['val_loss']:.6f}")
    print(f"resumed  {again['accuracy']:.3f}, loss {again['val_loss']:.6f}")
