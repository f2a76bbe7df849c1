"""One run on handwritten digits, logged by TensorBoard, MLflow and Weights & Biases.

Needs: pip install 'stepsize[torch,tensorboard,mlflow,wandb]' scikit-learn; no network.
"""

import os
import tempfile
from pathlib import Path
from typing import Any

os.environ.update(WANDB_MODE="offline", WANDB_SILENT="true")
os.environ["MLFLOW_ALLOW_FILE_STORE"] = "true"  # or a server

import mlflow
import torch
import wandb
from sklearn.datasets import load_digits
from torch.utils.tensorboard import SummaryWriter

import stepsize as ss
from stepsize.adapters.torch import Scheduler
from stepsize.sinks.mlflow import MlflowSink
from stepsize.sinks.tensorboard import TensorBoardSink
from stepsize.sinks.wandb import WandbSink

BATCH, EPOCH, EPOCHS = 32, 40, 8
data, target = load_digits(return_X_y=True)
images, labels = torch.tensor(data / 16, dtype=torch.float32), torch.tensor(target)
cross_entropy = torch.nn.functional.cross_entropy


def train(sinks: list[Any]) -> Scheduler:
    torch.manual_seed(0)
    model = torch.nn.Sequential(
        torch.nn.Linear(64, 32), torch.nn.ReLU(), torch.nn.Linear(32, 10)
    )
    optimizer = torch.optim.AdamW([{"params": model.parameters(), "name": "all"}])
    scheduler = Scheduler(
        optimizer,
        lr=0.05 * ss.warmup("5%") >> ss.hold() >> ss.decay("25%"),
        total_steps=EPOCH * EPOCHS,
    )
    while not scheduler.done:
        at = scheduler.update % EPOCH * BATCH
        logits = model(images[at : at + BATCH])
        cross_entropy(logits, labels[at : at + BATCH]).backward()
        optimizer.step()
        optimizer.zero_grad()
        scheduler.step()
        if scheduler.update == 200:
            scheduler.cooldown(60, source="operator:ada", reason="good enough")
        for sink in sinks:
            sink.log(scheduler)
    return scheduler


with tempfile.TemporaryDirectory() as folder:
    mlflow.set_tracking_uri(Path(folder, "runs").as_uri())
    with (
        SummaryWriter(folder) as writer,
        mlflow.start_run() as active,
        wandb.init(project="digits", dir=folder) as run,
    ):
        scheduler = train([TensorBoardSink(writer), MlflowSink(), WandbSink(run)])
        shown = run.summary["lr/all"]
    told = mlflow.get_run(active.info.run_id)
    used = scheduler.value_at(scheduler.update - 1)
    print(
        f"the last update used {used:.3g}: MLflow has "
        f"{told.data.metrics['lr/all']:.3g}, W&B {shown:.3g}"
    )
    print({tag: one for tag, one in told.data.tags.items() if "stepsize" in tag})
