"""Tasks that no constant of the finder was set on; looked at only to report."""

from __future__ import annotations

from functools import cache

import torch
from torch import Generator, Tensor
from torch.nn import functional as F  # noqa: N812 - what everybody calls it

from benchmarks.find import data
from benchmarks.find.layers import (
    attend,
    block,
    chain,
    dense,
    entropy,
    layers,
    linear,
    norm,
    normalise,
)
from benchmarks.find.pretrained import pretrained
from benchmarks.find.task import Batch, Parameters, Shapes, Task

_A = ("sgd", "adam", "adamw")
_L = ("sgd", "adam", "lion")
_R = ("sgd", "adam", "rmsprop")


@cache
def unseen() -> tuple[Task, ...]:
    """Return the tasks."""
    return (
        _hinge(),
        _rows(),
        _direction(),
        _patches(),
        _china(),
        _raw_softmax(),
        _char_mlp(),
        _denoise(),
        _huber(),
        _mixture(),
        _residual(),
        _dice(),
        _char_finetune(),
    )


def _hinge() -> Task:
    def loss(p: Parameters, b: Batch) -> Tensor:
        scores = layers(p, b[0], 2)
        sign = 2.0 * (b[1].unsqueeze(1) == torch.arange(10)).float() - 1.0
        return (torch.relu(1.0 - sign * scores) ** 2).sum(-1).mean()

    train, validation = data.split(data.mnist())
    return Task(
        name="mnist-hinge",
        about="MNIST 14x14, MLP 196-40-10, squared hinge",
        shapes=chain((196, 40, 10)),
        loss=loss,
        train=train,
        validation=validation,
        batch=50,
        steps=400,
        optimizers=_A,
    )


def _rows() -> Task:
    def loss(p: Parameters, b: Batch) -> Tensor:
        inputs = linear(p, "in", b[0].view(-1, 8, 8))
        state = torch.zeros_like(inputs[:, 0])
        for row in range(8):
            state = torch.tanh(inputs[:, row] + state @ p["rec"])
        return entropy(linear(p, "head", state), b[1])

    train, validation = data.split(data.digits())
    return Task(
        name="digits-rows",
        about="digits read row by row, plain recurrent network, clip 1",
        shapes={
            **dense("in", 8, 32, 1.0),
            "rec": ((32, 32), 0.2),
            **dense("head", 32, 10, 1.0),
        },
        loss=loss,
        train=train,
        validation=validation,
        batch=32,
        steps=600,
        optimizers=_R,
        clip=1.0,
    )


def _direction() -> Task:
    mix = torch.randn(196, 12, generator=Generator().manual_seed(11)) / 14.0

    def loss(p: Parameters, b: Batch) -> Tensor:
        target = torch.tanh(b[0] @ mix)
        masked = b[0] * (b[1] > 0.0)
        return -F.cosine_similarity(layers(p, masked, 2, F.gelu), target, -1).mean()

    train, validation = data.split(data.mnist()[:1])
    return Task(
        name="mnist-direction",
        about="MNIST 14x14 half masked, a direction in 12 dimensions, minus cosine",
        shapes=chain((196, 32, 12)),
        loss=loss,
        train=train,
        validation=validation,
        batch=32,
        steps=500,
        optimizers=_A,
        noise=196,
    )


def _patches() -> Task:
    def loss(p: Parameters, b: Batch) -> Tensor:
        parts = b[0].view(-1, 4, 2, 4, 2).transpose(2, 3).reshape(-1, 16, 4)
        x = linear(p, "in", parts) + p["place"]
        x = attend(p, "a", x, 2, causal=False)
        pooled = normalise(p, "n", x, (-1,)).mean(1)
        return entropy(linear(p, "head", pooled), b[1])

    train, validation = data.split(data.digits())
    return Task(
        name="digits-patches",
        about="digits in 16 patches, one transformer block, cross-entropy",
        shapes={
            **dense("in", 4, 16, 1.0),
            "place": ((16, 16), 0.1),
            **block("a", 16),
            **norm("n", 16),
            **dense("head", 16, 10, 0.5),
        },
        loss=loss,
        train=train,
        validation=validation,
        batch=32,
        steps=400,
        optimizers=_L,
    )


def _china() -> Task:
    shapes: Shapes = {
        **dense("0", 2, 48, 20.0),
        **dense("1", 48, 48, 2.0),
        **dense("2", 48, 3, 1.0),
    }
    train, validation = data.split(data.picture("china.jpg"))
    return Task(
        name="china",
        about="a photograph as a function of place, sine network, MSE",
        shapes=shapes,
        loss=lambda p, b: F.mse_loss(layers(p, b[0], 3, torch.sin), b[1]),
        train=train,
        validation=validation,
        batch=256,
        steps=600,
        optimizers=_R,
    )


def _raw_softmax() -> Task:
    pixels, labels = data.digits()
    train, validation = data.split((16.0 * pixels, labels))
    return Task(
        name="digits-raw",
        about="digits with pixels 0 to 16, linear softmax",
        shapes={"0.w": ((64, 10), 0.01), "0.b": ((10,), 0.0)},
        loss=lambda p, b: entropy(layers(p, b[0], 1), b[1]),
        train=train,
        validation=validation,
        batch=32,
        steps=300,
        optimizers=_L,
    )


def _char_shapes() -> Shapes:
    return {"e": ((96, 8), 0.5), **chain((48, 40, 96))}


def _char_loss(p: Parameters, b: Batch) -> Tensor:
    hidden = F.embedding(b[0][:, :6], p["e"]).flatten(1)
    return entropy(layers(p, hidden, 2, torch.tanh), b[0][:, 6])


def _char_mlp() -> Task:
    train, validation = data.split(data.text(6, part=1))
    return Task(
        name="char-mlp",
        about="Python source, next character from six, MLP",
        shapes=_char_shapes(),
        loss=_char_loss,
        train=train,
        validation=validation,
        batch=64,
        steps=600,
        optimizers=_L,
    )


def _denoise() -> Task:
    def loss(p: Parameters, b: Batch) -> Tensor:
        x = b[0].view(-1, 1, 12, 12)
        hidden = torch.relu(F.conv2d(x, p["c1"], p["b1"], padding=1))
        clean = F.conv2d(hidden, p["c2"], padding=1).flatten(1)
        return 0.1 * F.mse_loss(clean, b[1])

    train, validation = data.split(data.patches())
    return Task(
        name="denoise",
        about="patches of photographs without noise, two convolutions, MSE / 10",
        shapes={
            "c1": ((8, 1, 3, 3), 0.33),
            "b1": ((8,), 0.0),
            "c2": ((1, 8, 3, 3), 0.12),
        },
        loss=loss,
        train=train,
        validation=validation,
        batch=16,
        steps=400,
        optimizers=_A,
    )


def _huber() -> Task:
    train, validation = data.split(data.table("diabetes"))
    return Task(
        name="diabetes-huber",
        about="diabetes, MLP 10-24-1, Huber loss, clip .1",
        shapes=chain((10, 24, 1)),
        loss=lambda p, b: F.huber_loss(layers(p, b[0], 2)[:, 0], b[1]),
        train=train,
        validation=validation,
        batch=32,
        steps=300,
        optimizers=_R,
        clip=0.1,
    )


def _mixture() -> Task:
    def loss(p: Parameters, b: Batch) -> Tensor:
        gap = (b[0][:, None] - p["mean"]) * (-p["width"]).exp()
        each = -0.5 * gap**2 - p["width"]
        log_each = each.sum(-1) + p["weight"].log_softmax(-1)
        return -log_each.logsumexp(-1).mean()

    features, _ = data.table("autompg")
    train, validation = data.split((features[:, :4],))
    return Task(
        name="mixture",
        about="cars, density as a mixture of 6 normals, negative log-likelihood",
        shapes={
            "mean": ((6, 4), 1.0),
            "width": ((6, 4), 0.1),
            "weight": ((6,), 0.0),
        },
        loss=loss,
        train=train,
        validation=validation,
        batch=32,
        steps=400,
        optimizers=_A,
    )


def _residual() -> Task:
    def loss(p: Parameters, b: Batch) -> Tensor:
        x = linear(p, "in", b[0])
        for number in "12":
            h = normalise(p, f"n{number}", x, (-1,))
            x = x + linear(p, f"d{number}", F.gelu(linear(p, f"u{number}", h)))
        return entropy(linear(p, "head", x), b[1], 0.1)

    train, validation = data.split(data.mnist())
    shapes = dict(dense("in", 196, 24, 1.0))
    for number in "12":
        shapes |= norm(f"n{number}", 24)
        shapes |= dense(f"u{number}", 24, 48)
        shapes |= dense(f"d{number}", 48, 24, 0.7)
    return Task(
        name="mnist-residual",
        about="MNIST 14x14, residual MLP with layer norm, smoothed labels",
        shapes={**shapes, **dense("head", 24, 10, 1.0)},
        loss=loss,
        train=train,
        validation=validation,
        batch=32,
        steps=500,
        optimizers=_L,
    )


def _dice() -> Task:
    def loss(p: Parameters, b: Batch) -> Tensor:
        noisy = b[0] + 0.5 * b[1]
        guess = torch.sigmoid(layers(p, noisy, 2))
        mask = (b[0] > 0.4).float()
        shared = 2.0 * (guess * mask).sum() + 1.0
        return -shared / (guess.sum() + mask.sum() + 1.0)

    train, validation = data.split(data.digits()[:1])
    return Task(
        name="digits-dice",
        about="digits under noise, where the ink is, minus the Dice overlap",
        shapes=chain((64, 48, 64)),
        loss=loss,
        train=train,
        validation=validation,
        batch=32,
        steps=400,
        optimizers=_R,
        noise=64,
    )


def _char_finetune() -> Task:
    source, _ = data.split(data.text(6, part=1))
    train, validation = data.split(data.text(6, part=6))
    return Task(
        name="char-finetune",
        about="char-mlp trained on one part of the text, fine-tuned on another",
        shapes=_char_shapes(),
        loss=_char_loss,
        train=tuple(column[:3000] for column in train),
        validation=validation,
        batch=32,
        steps=300,
        optimizers=_A,
        begin=pretrained("char", _char_shapes(), _char_loss, source, updates=1500),
    )
