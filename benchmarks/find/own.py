"""The tasks that the finder's constants were set on."""

from __future__ import annotations

from functools import cache
from math import log, pi

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
from benchmarks.find.task import Batch, Parameters, Task

_A = ("sgd", "adam", "adamw")
_L = ("sgd", "adam", "lion")
_R = ("sgd", "adam", "rmsprop")


@cache
def own() -> tuple[Task, ...]:
    """Return the tasks."""
    return (
        _digits_mlp(),
        _digits_softmax(),
        _mnist_cnn(),
        _char_attention(),
        _char_gru(),
        _flower(),
        _diabetes(),
        _cancer(),
        _autoencoder(),
        _boston(),
        _finetune(),
        _deep_tanh(),
        _bigram(),
        _vae(),
    )


def _digits_mlp() -> Task:
    train, validation = data.split(data.digits())
    return Task(
        name="digits-mlp",
        about="digits, MLP 64-48-10, cross-entropy",
        shapes=chain((64, 48, 10)),
        loss=lambda p, b: entropy(layers(p, b[0], 2), b[1]),
        train=train,
        validation=validation,
        batch=32,
        steps=400,
        optimizers=_L,
    )


def _digits_softmax() -> Task:
    train, validation = data.split(data.digits())
    return Task(
        name="digits-softmax",
        about="digits, linear softmax",
        shapes=chain((64, 10)),
        loss=lambda p, b: entropy(layers(p, b[0], 1), b[1]),
        train=train,
        validation=validation,
        batch=64,
        steps=300,
        optimizers=_R,
    )


def _mnist_cnn() -> Task:
    def loss(p: Parameters, b: Batch) -> Tensor:
        x = b[0].view(-1, 1, 14, 14)
        for number in "12":
            x = F.conv2d(x, p[f"c{number}"], stride=2, padding=1)
            x = normalise(p, f"n{number}", x.permute(0, 2, 3, 1), (0, 1, 2))
            x = torch.relu(x).permute(0, 3, 1, 2)
        return entropy(linear(p, "head", x.mean((2, 3))), b[1])

    train, validation = data.split(data.mnist())
    return Task(
        name="mnist-cnn",
        about="MNIST 14x14, two convolutions with batch norm, cross-entropy",
        shapes={
            "c1": ((8, 1, 3, 3), 0.47),
            **norm("n1", 8),
            "c2": ((16, 8, 3, 3), 0.17),
            **norm("n2", 16),
            **dense("head", 16, 10, 1.0),
        },
        loss=loss,
        train=train,
        validation=validation,
        batch=32,
        steps=400,
        optimizers=_A,
    )


def _char_attention() -> Task:
    width, context = 24, 16

    def loss(p: Parameters, b: Batch) -> Tensor:
        codes, answers = b[0][:, :-1], b[0][:, 1:]
        x = F.embedding(codes, p["e"]) + p["place"]
        x = attend(p, "a", x, 2, causal=True)
        return entropy(linear(p, "head", normalise(p, "n", x, (-1,))), answers)

    train, validation = data.split(data.text(context))
    return Task(
        name="char-attention",
        about="Python source, one transformer block, clip 1",
        shapes={
            "e": ((96, width), 0.5),
            "place": ((context, width), 0.1),
            **block("a", width),
            **norm("n", width),
            **dense("head", width, 96, 0.5),
        },
        loss=loss,
        train=train,
        validation=validation,
        batch=16,
        steps=500,
        optimizers=_A,
        clip=1.0,
    )


def _char_gru() -> Task:
    width, context = 24, 12

    def loss(p: Parameters, b: Batch) -> Tensor:
        codes, answers = b[0][:, :-1], b[0][:, 1:]
        inputs = linear(p, "in", F.embedding(codes, p["e"]))
        state = torch.zeros_like(inputs[:, 0, :width])
        states = []
        for place in range(context):
            reset, keep, new = inputs[:, place].chunk(3, dim=-1)
            a, c, d = linear(p, "rec", state).chunk(3, dim=-1)
            keep = torch.sigmoid(keep + c)
            new = torch.tanh(new + torch.sigmoid(reset + a) * d)
            state = keep * state + (1.0 - keep) * new
            states.append(state)
        return entropy(linear(p, "head", torch.stack(states, 1)), answers)

    train, validation = data.split(data.text(context))
    return Task(
        name="char-gru",
        about="Python source, GRU of 24, clip 1",
        shapes={
            "e": ((96, 12), 0.5),
            **dense("in", 12, 3 * width, 1.0),
            **dense("rec", width, 3 * width, 1.0),
            **dense("head", width, 96, 1.0),
        },
        loss=loss,
        train=train,
        validation=validation,
        batch=16,
        steps=400,
        optimizers=_L,
        clip=1.0,
    )


def _flower() -> Task:
    waves = torch.randn(2, 32, generator=Generator().manual_seed(5)) * 4.0

    def loss(p: Parameters, b: Batch) -> Tensor:
        phase = pi * b[0] @ waves
        x = torch.cat([phase.sin(), phase.cos()], -1)
        return F.mse_loss(layers(p, x, 3), b[1])

    train, validation = data.split(data.picture("flower.jpg"))
    return Task(
        name="flower",
        about="a photograph as a function of place, Fourier features and MLP, MSE",
        shapes=chain((64, 48, 48, 3)),
        loss=loss,
        train=train,
        validation=validation,
        batch=128,
        steps=500,
        optimizers=_R,
    )


def _diabetes() -> Task:
    train, validation = data.split(data.table("diabetes"))
    return Task(
        name="diabetes",
        about="diabetes, MLP 10-32-32-1 with tanh, MSE",
        shapes=chain((10, 32, 32, 1), 1.0),
        loss=lambda p, b: F.mse_loss(layers(p, b[0], 3, torch.tanh)[:, 0], b[1]),
        train=train,
        validation=validation,
        batch=32,
        steps=300,
        optimizers=_A,
    )


def _cancer() -> Task:
    def loss(p: Parameters, b: Batch) -> Tensor:
        logits = layers(p, b[0], 1)[:, 0]
        return F.binary_cross_entropy_with_logits(logits, b[1].float())

    train, validation = data.split(data.table("breast_cancer"))
    return Task(
        name="cancer",
        about="breast cancer, logistic regression",
        shapes=chain((30, 1)),
        loss=loss,
        train=train,
        validation=validation,
        batch=64,
        steps=300,
        optimizers=_L,
    )


def _autoencoder() -> Task:
    pixels = data.digits()[:1]
    train, validation = data.split(pixels)
    return Task(
        name="digits-autoencoder",
        about="digits, autoencoder 64-32-8-32-64, MSE",
        shapes=chain((64, 32, 8, 32, 64)),
        loss=lambda p, b: F.mse_loss(layers(p, b[0], 4, F.elu), b[0]),
        train=train,
        validation=validation,
        batch=32,
        steps=500,
        optimizers=_R,
    )


def _boston() -> Task:
    def loss(p: Parameters, b: Batch) -> Tensor:
        mean, width = layers(p, b[0], 2, torch.tanh).unbind(-1)
        return (width + 0.5 * ((b[1] - mean) * (-width).exp()) ** 2).mean()

    train, validation = data.split(data.table("boston"))
    return Task(
        name="boston-nll",
        about="Boston housing, mean and width of a normal, negative log-likelihood",
        shapes=chain((13, 32, 2), 1.0),
        loss=loss,
        train=train,
        validation=validation,
        batch=32,
        steps=400,
        optimizers=_A,
        clip=5.0,
    )


def _finetune() -> Task:
    pixels, labels = data.digits()
    turned = pixels.view(-1, 8, 8).transpose(1, 2).flip(2).reshape(-1, 64)
    train, validation = data.split((turned, labels))
    shapes = chain((64, 48, 48, 10))
    columns, _ = data.split((pixels, labels))

    def loss(p: Parameters, b: Batch) -> Tensor:
        return entropy(layers(p, b[0], 3), b[1])

    both = tuple(torch.cat(pair) for pair in zip(columns, train, strict=True))
    return Task(
        name="digits-finetune",
        about="MLP trained on digits both ways up, fine-tuned on turned ones",
        shapes=shapes,
        loss=loss,
        train=tuple(column[:400] for column in train),
        validation=validation,
        batch=16,
        steps=300,
        optimizers=_A,
        begin=pretrained("digits", shapes, loss, both, updates=250),
    )


def _deep_tanh() -> Task:
    train, validation = data.split(data.mnist())
    return Task(
        name="mnist-deep",
        about="MNIST 14x14, MLP of 7 layers with tanh and no norm",
        shapes=chain((196, *[32] * 6, 10), 1.1),
        loss=lambda p, b: entropy(layers(p, b[0], 7, torch.tanh), b[1]),
        train=train,
        validation=validation,
        batch=32,
        steps=500,
        optimizers=_L,
    )


def _bigram() -> Task:
    def loss(p: Parameters, b: Batch) -> Tensor:
        hidden = F.embedding(b[0][:, :-1], p["e"])
        return entropy(linear(p, "0", hidden), b[0][:, 1:])

    train, validation = data.split(data.text(7))
    return Task(
        name="bigram",
        about="Python source, next character from one, embedding of 16",
        shapes={"e": ((96, 16), 0.1), **dense("0", 16, 96, 1.0)},
        loss=loss,
        train=train,
        validation=validation,
        batch=32,
        steps=300,
        optimizers=_R,
    )


def _vae() -> Task:
    def loss(p: Parameters, b: Batch) -> Tensor:
        pixels, noise = b
        hidden = torch.relu(linear(p, "0", pixels))
        mean, spread = linear(p, "1", hidden).chunk(2, dim=-1)
        code = mean + noise * (0.5 * spread).exp()
        image = linear(p, "3", torch.relu(linear(p, "2", code)))
        fit = 0.5 * ((image - pixels) ** 2 / 0.04).sum(-1) + 32.0 * log(2 * pi * 0.04)
        gap = 0.5 * (mean**2 + spread.exp() - spread - 1.0).sum(-1)
        return (fit + gap).mean()

    train, validation = data.split(data.digits()[:1])
    shapes = {**dense("0", 64, 32), **dense("1", 32, 8, 0.5)}
    return Task(
        name="digits-vae",
        about="digits, variational autoencoder, negative ELBO in nats an image",
        shapes={**shapes, **dense("2", 4, 32), **dense("3", 32, 64, 1.0)},
        loss=loss,
        train=train,
        validation=validation,
        batch=32,
        steps=500,
        optimizers=_L,
        noise=4,
    )
