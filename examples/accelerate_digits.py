"""Train with Accelerate on handwritten digits, stop, and go on.

Needs: pip install 'stepsize[accelerate]' scikit-learn
Several processes: accelerate launch --cpu --num_processes 2 accelerate_digits.py
"""

from tempfile import mkdtemp

import torch
from accelerate import Accelerator
from accelerate.utils import broadcast_object_list, set_seed
from sklearn.datasets import load_digits
from torch.utils.data import DataLoader, TensorDataset

import stepsize as ss
from stepsize.adapters.accelerate import plan_horizon, prepare_scheduler
from stepsize.control import Guard, Plateau

EPOCHS = 4
features, labels = load_digits(return_X_y=True)
DATA = torch.tensor(features / 16, dtype=torch.float32), torch.tensor(labels)
TRAIN, TEST = (
    TensorDataset(*(part[rows] for part in DATA))
    for rows in (slice(1440), slice(1440, None))
)


def train(folder: str, first: int = 0) -> tuple[float, float]:
    accelerator = Accelerator(cpu=True, gradient_accumulation_steps=2)
    set_seed(0)
    model: torch.nn.Module = torch.nn.Sequential(
        torch.nn.Linear(64, 64), torch.nn.ReLU(), torch.nn.Linear(64, 10)
    )
    model, optimizer, loader, test = accelerator.prepare(
        model,
        torch.optim.AdamW(model.parameters()),
        DataLoader(TRAIN, batch_size=16),
        DataLoader(TEST, batch_size=64),
    )
    scheduler = prepare_scheduler(
        accelerator,
        optimizer,
        model=model,
        lr=3e-3 * ss.warmup("5%") >> ss.hold() >> ss.decay("1 epoch", shape="1-sqrt"),
        horizon=plan_horizon(accelerator, loader, epochs=EPOCHS),
        policies=[Plateau("val_loss"), Guard()],
    )
    if first:
        accelerator.load_state(f"{folder}/{first}")
    for epoch in range(first, EPOCHS):
        for images, classes in loader:
            with accelerator.accumulate(model):
                loss = torch.nn.functional.cross_entropy(model(images), classes)
                accelerator.backward(loss)
                optimizer.step()
                scheduler.step(loss=loss)
                optimizer.zero_grad()
        with torch.no_grad():
            pairs = [(model(images), classes) for images, classes in test]
        logits, classes = (torch.cat(parts) for parts in zip(*pairs, strict=True))
        logits, classes = accelerator.gather_for_metrics((logits, classes))
        loss = torch.nn.functional.cross_entropy(logits, classes)
        scheduler.observe(val_loss=loss)
        accelerator.save_state(f"{folder}/{epoch + 1}")
    return (logits.argmax(-1) == classes).float().mean().item(), loss.item()


if __name__ == "__main__":
    (folder,) = broadcast_object_list([mkdtemp()])
    print("accuracy {:.3f}, loss {:.6f}".format(*train(folder)))
    print("resumed  {:.3f}, loss {:.6f}".format(*train(folder, first=2)))
