"""FSDP on handwritten digits: two processes, a plateau of their mean, a resume.

Needs: pip install 'stepsize[torch]' scikit-learn
"""

import json
import tempfile
from typing import Any

import torch
from sklearn.datasets import load_digits
from torch import distributed
from torch.distributed.checkpoint.state_dict import get_state_dict, set_state_dict
from torch.distributed.fsdp import fully_shard
from torch.nn.functional import cross_entropy

import stepsize as ss
from stepsize.adapters.torch import Scheduler
from stepsize.control import Plateau

WORLD, EPOCH, UPDATES, TRAIN = 2, 20, 160, 1280
NAMES = ("model_state_dict", "optim_state_dict", "scheduler")
data, target = load_digits(return_X_y=True)
images, labels = torch.tensor(data / 16, dtype=torch.float32), torch.tensor(target)
held_out = slice(TRAIN, None)


class Training:
    def __init__(self) -> None:
        torch.manual_seed(0)
        layers = torch.nn.Linear(64, 32), torch.nn.ReLU(), torch.nn.Linear(32, 10)
        self.model = fully_shard(torch.nn.Sequential(*map(fully_shard, layers)))
        self.optimizer = torch.optim.AdamW(self.model.parameters())
        self.scheduler = Scheduler(
            self.optimizer,
            lr=0.1 * ss.warmup("5%") >> ss.hold() >> ss.decay("25%"),
            total_steps=UPDATES,
            policies=[Plateau("val_loss", factor=0.5, patience=1)],
        )

    def until(self, update: int) -> None:
        while self.scheduler.update < update:
            batch = self.scheduler.update % EPOCH * WORLD + distributed.get_rank()
            rows = slice(batch, TRAIN, EPOCH * WORLD)
            cross_entropy(self.model(images[rows]), labels[rows]).backward()
            self.optimizer.step()
            self.optimizer.zero_grad()
            self.scheduler.step()
            if self.scheduler.update % EPOCH == 0:
                loss = cross_entropy(self.model(images[held_out]), labels[held_out])
                self.scheduler.observe(val_loss=loss.detach())


def states_of(run: Training) -> dict[str, Any]:
    text = json.dumps(run.scheduler.state_dict())
    states = *get_state_dict(run.model, run.optimizer), text
    return dict(zip(NAMES, states, strict=True))


def work(rank: int, folder: str) -> None:
    distributed.init_process_group("gloo", f"file://{folder}/ranks", None, WORLD, rank)
    whole, first, second = Training(), Training(), Training()
    whole.until(UPDATES)
    first.until(90)  # and is interrupted
    distributed.checkpoint.save(states_of(first), checkpoint_id=folder)
    found = states_of(second)
    distributed.checkpoint.load(found, checkpoint_id=folder)
    second.scheduler.load_state_dict(json.loads(found.pop("scheduler")))
    set_state_dict(second.model, second.optimizer, **found)
    second.until(UPDATES)
    one, other = whole.model(images[held_out]), second.model(images[held_out])
    if rank == 0:
        print(f"accuracy {(one.argmax(1) == labels[held_out]).float().mean():.3f}")
        print(len(second.scheduler.events), "cut, the same:", torch.equal(one, other))
    distributed.destroy_process_group()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        torch.multiprocessing.spawn(work, (folder,), WORLD)
