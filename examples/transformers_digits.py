"""Train with Transformers' Trainer on handwritten digits, stop, and go on.

Needs: pip install 'stepsize[transformers]' scikit-learn
"""

from tempfile import TemporaryDirectory
from typing import Any

import torch
from sklearn.datasets import load_digits
from transformers import Trainer, TrainingArguments

import stepsize as ss
from stepsize.adapters.transformers import SchedulerCallback
from stepsize.control import Guard, Plateau

FEATURES, LABELS = load_digits(return_X_y=True)
ROWS = [
    {"pixels": torch.tensor(image / 16, dtype=torch.float32), "labels": int(label)}
    for image, label in zip(FEATURES, LABELS, strict=True)
]


class Classifier(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layers = torch.nn.Sequential(
            torch.nn.Linear(64, 64), torch.nn.ReLU(), torch.nn.Linear(64, 10)
        )

    def forward(self, pixels: Any, labels: Any) -> dict[str, Any]:
        logits = self.layers(pixels)
        loss = torch.nn.functional.cross_entropy(logits, labels)
        return {"loss": loss, "logits": logits}


def accuracy(predictions: Any) -> dict[str, float]:
    hits = predictions.predictions.argmax(-1) == predictions.label_ids
    return {"accuracy": float(hits.mean())}


def make_trainer(folder: str) -> tuple[Trainer, SchedulerCallback]:
    trainer = Trainer(
        Classifier(),
        TrainingArguments(
            folder,
            num_train_epochs=4,
            per_device_train_batch_size=16,
            gradient_accumulation_steps=2,
            eval_strategy="epoch",
            save_steps=90,
            report_to=[],
            disable_tqdm=True,
            use_cpu=True,
        ),
        train_dataset=ROWS[:1440],
        eval_dataset=ROWS[1440:],
        compute_metrics=accuracy,
    )
    callback = SchedulerCallback(
        lr=3e-3 * ss.warmup("5%") >> ss.hold() >> ss.decay("25%", shape="1-sqrt"),
        policies=[Plateau("eval_accuracy", mode="max"), Guard()],
    )
    return trainer, callback.attach(trainer)


if __name__ == "__main__":
    with TemporaryDirectory() as folder:
        trainer, callback = make_trainer(folder)
        trainer.train()
        first = trainer.evaluate()

        trainer, callback = make_trainer(folder)  # as a new process would
        trainer.train(resume_from_checkpoint=f"{folder}/checkpoint-90")
        again = trainer.evaluate()
    print(f"accuracy {first['eval_accuracy']:.3f}, loss {first['eval_loss']:.6f}")
    print(f"resumed  {again['eval_accuracy']:.3f}, loss {again['eval_loss']:.6f}")
