"""The rate found on one data set, used on another of similar scale."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from benchmarks.find import data
from benchmarks.find.grid import measure
from benchmarks.find.measuring import SEEDS
from benchmarks.find.member import Member
from benchmarks.find.own import own
from benchmarks.find.task import Task
from stepsize.finder import find

_OPTIMIZERS = ("sgd", "adam")


def pairs() -> list[tuple[Task, Task]]:
    """Return tasks, and the same model and loss on other data."""
    tasks = {task.name: task for task in own()}
    pixels, labels = data.mnist()
    small = torch.nn.functional.adaptive_avg_pool2d(pixels.view(-1, 1, 14, 14), 8)
    small = (small - small.min()) / (small.max() - small.min())
    mnist = (small.flatten(1), labels)
    return [
        (tasks[name], _on(tasks[name], name_of_data, columns))
        for name, name_of_data, columns in (
            ("digits-mlp", "MNIST 8x8", mnist),
            ("digits-softmax", "MNIST 8x8", mnist),
            ("digits-autoencoder", "MNIST 8x8", mnist[:1]),
            ("flower", "china.jpg", data.picture("china.jpg")),
            ("bigram", "other source", data.text(7, part=2)),
            ("char-gru", "other source", data.text(12, part=2)),
        )
    ]


def _on(task: Task, name: str, columns: data.Columns) -> Task:
    train, validation = data.split(columns)
    return replace(
        task, name=f"{task.name} on {name}", train=train, validation=validation
    )


def transfer() -> str:
    """Measure, and return a table."""
    rows = [
        "| found on | used on | optimizer | regret | of the rate found there |",
        "|---|---|---|---|---|",
    ]
    both: list[tuple[float, float]] = []
    for source, target in pairs():
        for optimizer in _OPTIMIZERS:
            truth = measure(target, optimizer)
            means = []
            for task in (source, target):
                members = [Member(task, optimizer, seed) for seed in SEEDS]
                found = [find(member.step, member.again) for member in members]
                means.append(
                    float(np.mean([truth.regret(each.suggestion) for each in found]))
                )
            both.append((means[0], means[1]))
            rows.append(
                f"| {source.name} | {target.name} | {optimizer} | {means[0]:.3f} | "
                f"{means[1]:.3f} |"
            )
    there, here = np.mean(both, axis=0)
    return "\n".join([*rows, f"| mean | | | {there:.3f} | {here:.3f} |"])
