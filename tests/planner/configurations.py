"""What the linter must find, and what it must leave alone: two lists to read."""

from typing import Any, NamedTuple

import stepsize as ss


class Case(NamedTuple):
    """A configuration as people write it, and the code it must give (None: none)."""

    name: str
    text: str
    settings: dict[str, Any]
    code: str | None = None


def _run(steps: int | None = None, **more: Any) -> dict[str, Any]:
    return {"total_steps": steps, **more}


def _epochs(epochs: int, each: int, **more: Any) -> dict[str, Any]:
    return {"horizon": ss.Horizon(epochs=epochs, steps_per_epoch=each), **more}


def _broken(_: float) -> float:
    raise LookupError("no such key")


FUNCTIONS = {
    "harmonic": lambda d: 1 / (1 + d),
    "cliff": lambda d: 1.0 if d < 500 else 0.1,
    "negative": lambda d: 1 - d / 100,
    "broken": _broken,
}

FAULTY = [
    # --- updates at zero
    Case(
        "warmup from zero, as in transformers",
        "3e-4 * warmup(500, start=0.0) >> cosine()",
        _run(10_000),
        "SS101",
    ),
    Case(
        "two updates at zero first",
        "0.1 * table([0.0, 0.0, 1.0]) >> linear()",
        _run(1000),
        "SS101",
    ),
    Case(
        "triangles that touch zero",
        "0.1 * repeat(warmup(100, start=0.0) >> linear(100), 5)",
        _run(1000),
        "SS102",
    ),
    Case(
        "polynomial cycles that touch zero",
        "0.1 * polynomial_cycles(200)",
        _run(1000),
        "SS102",
    ),
    Case(
        "decay in half of the run, then nothing",
        "3e-4 * warmup(100) >> cosine(400)",
        _run(1000),
        "SS103",
    ),
    Case(
        "zero held on purpose",
        '1e-3 * linear("50%") >> hold()',
        _run(1000),
        "SS103",
    ),
    Case("one update too short", "1e-3 * cosine(99)", _run(100), "SS103"),
    Case("scaled by zero", "0.0 * hold()", _run(100), "SS104"),
    Case(
        "exponential decay per update",
        "0.1 * geometric(0.95)",
        _run(10_000),
        "SS105",
    ),
    Case("halved at every update", "0.1 * geometric(0.5)", _run(500), "SS106"),
    # --- lengths
    Case(
        "decay to a floor in half of the run",
        "3e-4 * warmup(100) >> cosine(400, to=0.1)",
        _run(1000),
        "SS201",
    ),
    Case(
        "knots that end early",
        "0.1 * knots([(0, 0.1), (100, 1.0), (600, 0.05)])",
        _run(1000),
        "SS201",
    ),
    Case(
        "milestones in epochs, and no epochs known",
        "0.1 * multistep([30, 60, 80], 0.1)",
        _run(450_450),
        "SS201",
    ),
    Case(
        "decay longer than the run",
        "3e-4 * warmup(500) >> cosine(20000)",
        _run(10_000),
        "SS202",
    ),
    Case(
        "phases in percent of more than all",
        '3e-4 * warmup("20%") >> hold("60%") >> linear("40%")',
        _run(1000),
        "SS202",
    ),
    Case(
        "a floor the decay stays above",
        "clip(3e-4 * cosine(to=0.1), low=0.01)",
        _run(1000),
        "SS203",
    ),
    Case(
        "a floor as a maximum, never reached",
        "maximum(1e-3 * cosine(to=0.1), 1e-6 * hold())",
        _run(1000),
        "SS203",
    ),
    Case(
        "exponential decay too slow for its floor",
        "clip(0.1 * geometric(0.9999), low_lr=1e-4)",
        _run(1000),
        "SS203",
    ),
    Case(
        "warmup and nothing else", "3e-4 * warmup(500) >> hold()", _run(9000), "SS204"
    ),
    Case("a rate that grows", "1e-3 * geometric(1.001)", _run(1000), "SS204"),
    Case(
        "milestones beyond the run",
        "0.1 * multistep([30000, 60000], 0.1)",
        _run(10_000),
        "SS204",
    ),
    Case("constant", "constant(1e-3)", _run(1000), "SS205"),
    Case(
        "restarts that do not fit",
        "0.1 * repeat(cosine(300))",
        _run(1000),
        "SS206",
    ),
    Case(
        "growing restarts that do not fit",
        "0.1 * repeat(cosine(100), stretch=2.0)",
        _run(1000),
        "SS206",
    ),
    Case(
        "restart at the very last update",
        "0.1 * repeat(cosine(111))",
        _run(1000),
        "SS206",
    ),
    Case(
        "one cycle is longer than the run",
        "0.1 * repeat(cosine(5000))",
        _run(1000),
        "SS207",
    ),
    Case("restarts every 5 updates", "0.1 * repeat(cosine(5))", _run(1000), "SS208"),
    Case(
        "warmup in percent of a short run",
        '1e-3 * warmup("0.1%") >> cosine()',
        _run(200),
        "SS209",
    ),
    Case(
        "a plateau with nothing left for it",
        "1e-3 * warmup(100) >> hold() >> linear(900)",
        _run(1000),
        "SS209",
    ),
    Case("no length known", "3e-4 * cosine()", _run(), "SS210"),
    Case(
        "tokens without tokens_per_step",
        '3e-4 * warmup("1e9 tokens") >> cosine()',
        _run(1000),
        "SS211",
    ),
    Case(
        "milestones out of order",
        "0.1 * multistep([600, 300], 0.1)",
        _run(1000),
        "SS212",
    ),
    # --- warmup
    Case(
        "warmup longer than the run",
        "3e-4 * warmup(2000) >> inverse_sqrt(2000)",
        _run(1000),
        "SS301",
    ),
    Case(
        "warmup in most of the run",
        "3e-4 * warmup(600) >> cosine()",
        _run(1000),
        "SS302",
    ),
    Case(
        "warmup(1) for one epoch",
        "3e-4 * warmup(1) >> cosine()",
        _run(1000),
        "SS303",
    ),
    Case(
        "batch 32 times larger, no warmup",
        "3.2 * cosine()",
        _run(1000, batch_scale=32),
        "SS304",
    ),
    # --- jumps
    Case(
        "a first phase far below the second",
        "join(0.01 * hold(), 0.1 * cosine(), at=[100])",
        _run(1000),
        "SS401",
    ),
    Case(
        "a warmup to another peak",
        "join(1e-3 * warmup(100), 1e-4 * cosine(), at=[100])",
        _run(1000),
        "SS402",
    ),
    Case(
        "a second warmup that begins at nothing",
        "3e-4 * warmup(100) >> linear(400, to=0.5) >> warmup(100) >> cosine()",
        _run(1000),
        "SS402",
    ),
    Case(
        "the peak written in every phase",
        "3e-4 * warmup(100) >> 3e-4 * cosine()",
        _run(1000),
        "SS403",
    ),
    Case(
        "the peak on both sides of a product",
        "(3e-4 * warmup(100)) * (3e-4 * cosine())",
        _run(1000),
        "SS403",
    ),
    Case(
        "absolute rates on a base rate",
        "3e-4 * warmup(100) >> cosine()",
        _run(1000, base_lr=3e-4),
        "SS403",
    ),
    Case(
        "a fraction given as a rate",
        "3e-4 * cosine(to_lr=0.1)",
        _run(1000),
        "SS404",
    ),
    Case(
        "a floor above everything",
        "clip(3e-4 * cosine(), low_lr=1e-3)",
        _run(1000),
        "SS404",
    ),
    Case(
        "a floor above everything, as a maximum",
        "maximum(3e-4 * cosine(), 1e-3 * hold())",
        _run(1000),
        "SS404",
    ),
    # --- units
    Case("90 epochs as 90 updates", "0.1 * cosine(90)", _epochs(90, 5005), "SS501"),
    Case(
        "milestones in epochs",
        "0.1 * multistep([30, 60, 80], 0.1)",
        _epochs(90, 5005),
        "SS501",
    ),
    Case(
        "milestones in epochs of few updates",
        "0.1 * multistep([150, 225], 0.1)",
        _epochs(300, 391),
        "SS501",
    ),
    Case("a drop every 30 epochs", "0.1 * step(30, 0.1)", _epochs(90, 5005), "SS501"),
    Case(
        "5 epochs of warmup",
        "0.1 * warmup(5) >> cosine()",
        _epochs(90, 5005),
        "SS501",
    ),
    Case(
        "a run of 90 updates",
        '0.1 * warmup("5%") >> cosine()',
        {"horizon": ss.Horizon(steps=90, steps_per_epoch=5005)},
        "SS502",
    ),
    # --- the size of the rate
    Case(
        "a rate of SGD for AdamW",
        '0.1 * warmup("5%") >> cosine()',
        _run(1000, optimizer="AdamW"),
        "SS601",
    ),
    Case(
        "a factor without its peak rate",
        'warmup("5%") >> cosine()',
        _run(1000, optimizer="Lion"),
        "SS601",
    ),
    Case(
        "a rate of fine-tuning for SGD",
        '2e-5 * warmup("5%") >> cosine()',
        _run(1000, optimizer="sgd+momentum"),
        "SS602",
    ),
    Case(
        "a rate of AdamW for Prodigy",
        "3e-4 * cosine()",
        _run(1000, optimizer="Prodigy"),
        "SS602",
    ),
    Case(
        "an optimizer nobody knows",
        "3e-4 * cosine()",
        _run(1000, optimizer="adma"),
        "SS603",
    ),
    Case(
        "a decay on a schedule-free optimizer",
        "2.5e-3 * warmup(50) >> cosine()",
        _run(1000, optimizer="AdamWScheduleFree"),
        "SS604",
    ),
    # --- keeping it
    Case("a defect kept", "faithful(0.1 * cosine())", _run(1000), "SS701"),
    Case("a function", '0.1 * opaque("harmonic")', _run(1000), "SS702"),
    Case("a function with a jump", '0.1 * opaque("cliff")', _run(1000), "SS402"),
    Case("a function below zero", '0.1 * opaque("negative")', _run(1000), "SS212"),
    Case("a function that fails", '0.1 * opaque("broken")', _run(1000), "SS212"),
]

_LM = {"optimizer": "AdamW"}
_SGD = {"optimizer": "sgd+momentum"}

SOUND = [
    # --- language models
    Case(
        "WSD",
        '3e-4 * warmup(500) >> hold() >> decay("20%", shape="1-sqrt")',
        _run(50_000, **_LM),
    ),
    Case(
        "WSD, linear, to a tenth",
        '1e-3 * wsd("2%", cooldown_steps="10%", to=0.1, shape="linear")',
        _run(20_000, **_LM),
    ),
    Case(
        "WSD in tokens",
        '3e-4 * warmup("1e8 tokens") >> hold() >> decay("2e9 tokens")',
        {"horizon": ss.Horizon(steps=20_000, tokens_per_step=2**19), **_LM},
    ),
    Case(
        "cosine to a tenth with warmup",
        "6e-4 * warmup(2000) >> cosine(to=0.1)",
        _run(600_000, **_LM),
    ),
    Case(
        "cosine to zero with warmup",
        '3e-4 * warmup("1%") >> cosine()',
        _run(100_000, **_LM),
    ),
    Case("linear to zero", '3e-4 * warmup("10%") >> linear()', _run(10_000, **_LM)),
    Case(
        "cosine to a floor, held on purpose",
        "3e-4 * warmup(2000) >> cosine(90000, to=0.1) >> hold()",
        _run(100_000, **_LM),
    ),
    Case("Noam", "noam(512, 4000)", _run(100_000, optimizer="adam")),
    Case(
        "inverse square root, open",
        "1e-3 * warmup(4000) >> inverse_sqrt(4000)",
        _run(None, **_LM),
    ),
    Case(
        "inverse square root with cooldown",
        '1e-3 * warmup(1000) >> inverse_sqrt(1000) >> linear("10%")',
        _run(50_000, **_LM),
    ),
    Case(
        "Adafactor as for T5",
        "0.01 * hold(10000) >> inverse_sqrt(10000)",
        _run(500_000, optimizer="Adafactor"),
    ),
    Case(
        "WSD-S",
        "3e-4 * wsd_s([2000, 3000, 4500], warmup_steps=500)",
        _run(10_000, **_LM),
    ),
    Case("infinite", "3e-4 * infinite(500, 5000, 2000)", _run(20_000, **_LM)),
    Case("trunk of a WSD run, open", "3e-4 * warmup(500) >> hold()", _run(None, **_LM)),
    Case(
        "power with a tail",
        '0.02 * warmup(2000) >> power_law(0.51, 2000) >> decay("10%", shape="1-sqrt")',
        _run(100_000, optimizer="Muon"),
    ),
    Case(
        "mirrored cosine cooldown",
        '3e-4 * warmup(500) >> hold() >> decay("20%", shape="mirrored-cosine")',
        _run(30_000, **_LM),
    ),
    Case(
        "lowered linear cooldown",
        '3e-4 * warmup(500) >> hold() >> lowered_linear("20%")',
        _run(30_000, **_LM),
    ),
    Case(
        "1-square cooldown",
        '3e-4 * warmup(500) >> hold() >> decay("20%", shape="1-square")',
        _run(30_000, **_LM),
    ),
    Case("Muon", '0.02 * hold("60%") >> linear()', _run(5000, optimizer="muon")),
    Case("Lion", "1e-4 * warmup(1000) >> cosine()", _run(50_000, optimizer="Lion")),
    Case(
        "LAMB, large batch",
        '5e-3 * warmup("20%") >> linear()',
        _run(8000, optimizer="LAMB", batch_scale=64),
    ),
    Case("SOAP", "3e-3 * warmup(600) >> cosine()", _run(20_000, optimizer="SOAP")),
    # --- fine-tuning
    Case("BERT", '2e-5 * warmup("10%") >> linear()', _run(3000, **_LM)),
    Case(
        "full fine-tuning of a large model",
        '1e-5 * warmup("3%") >> cosine()',
        _run(1500, **_LM),
    ),
    Case("LoRA", "2e-4 * warmup(100) >> cosine(to=0.1)", _run(2000, **_LM)),
    Case("ULMFiT", "0.004 * slanted_triangular()", _run(2000, optimizer="Adam")),
    Case("flat cosine", "1e-3 * flat_cosine()", _run(2000, optimizer="Adam")),
    # --- vision
    Case(
        "ResNet-50, steps",
        '0.1 * warmup("5 epochs") >> multistep(["25 epochs", "55 epochs"], 0.1)',
        _epochs(90, 5005, **_SGD),
    ),
    Case(
        "ResNet-50, a drop every 30 epochs",
        '0.1 * step("30 epochs", 0.1)',
        _epochs(90, 5005, **_SGD),
    ),
    Case(
        "ResNet-50, cosine",
        '0.4 * warmup("5 epochs") >> cosine()',
        _epochs(100, 1251, batch_scale=4, **_SGD),
    ),
    Case(
        "large batch, scaled, with warmup",
        '3.2 * warmup("5 epochs") >> cosine()',
        _epochs(90, 157, batch_scale=32, **_SGD),
    ),
    Case(
        "LARS",
        '10.0 * warmup("5 epochs") >> polynomial()',
        _epochs(90, 40, batch_scale=128, optimizer="LARS"),
    ),
    Case("ViT", "1e-3 * warmup(10000) >> cosine()", _run(300_000, optimizer="adamw")),
    Case("one-cycle", "0.1 * one_cycle()", _run(5000, **_SGD)),
    Case(
        "one-cycle, three phases",
        "0.1 * one_cycle(three_phase=True)",
        _run(5000, **_SGD),
    ),
    Case(
        "one-cycle of a given length",
        "0.01 * one_cycle(5000)",
        _run(5000, optimizer="AdamW"),
    ),
    Case(
        "SGDR, three cycles that fill the run",
        "0.1 * warm_restarts(n=3)",
        _run(3000, **_SGD),
    ),
    Case(
        "SGDR, doubling",
        "0.1 * warm_restarts(1000, 3, stretch=2.0)",
        _run(7000, **_SGD),
    ),
    Case(
        "SGDR with warmup and lower peaks",
        "0.1 * warm_restarts(1000, 3, shrink_peak=0.7, warmup_steps=50)",
        _run(3000, **_SGD),
    ),
    Case(
        "restarts in epochs",
        '0.1 * repeat(cosine("10 epochs"))',
        _epochs(30, 391, **_SGD),
    ),
    Case(
        "cyclic", "0.006 * cyclic(1000, low=0.16666666666666666)", _run(10_000, **_SGD)
    ),
    Case(
        "polynomial, as for segmentation",
        "0.01 * polynomial(power=0.9)",
        _run(40_000, **_SGD),
    ),
    Case("knee", '0.1 * knee(warmup_steps="2%")', _run(10_000, **_SGD)),
    Case(
        "exponential per epoch",
        '0.01 * geometric(0.94, "2 epochs")',
        _epochs(60, 500, optimizer="RMSprop"),
    ),
    Case(
        "exponential to a hundredth",
        "1e-3 * exponential(to=0.01)",
        _run(10_000, optimizer="Adam"),
    ),
    Case("REX", "0.1 * rex()", _run(5000, **_SGD)),
    Case("k-decay", "1e-3 * warmup(500) >> k_decay(k=1.5)", _run(10_000, **_LM)),
    Case("tanh", "0.1 * tanh()", _run(5000, **_SGD)),
    Case(
        "hyperbolic",
        "1e-3 * hyperbolic(ratio=0.5, to=0.01)",
        _run(5000, optimizer="Adam"),
    ),
    Case("Chebyshev", "0.1 * repeat(chebyshev(64), 10)", _run(640, **_SGD)),
    Case(
        "decay to a floor by clip",
        "clip(0.1 * geometric(0.999), low=0.01)",
        _run(10_000, **_SGD),
    ),
    Case(
        "floor as a maximum",
        "maximum(0.1 * geometric(0.999), 1e-3 * hold())",
        _run(10_000, **_SGD),
    ),
    Case(
        "CIFAR, milestones in updates",
        "0.1 * warmup(400) >> multistep([32000, 48000], 0.1)",
        _epochs(160, 400, **_SGD),
    ),
    Case(
        "RMSprop with a large epsilon",
        'clip(0.256 * step("2 epochs", 0.97), low_lr=1e-5)',
        _epochs(700, 100, optimizer="RMSprop"),
    ),
    Case(
        "pre-training in tokens",
        '2e-4 * warmup("1e9 tokens") >> cosine(to=0.1)',
        {"horizon": ss.Horizon(steps=20_000, tokens_per_step=4_000_000), **_LM},
    ),
    # --- others
    Case(
        "Adagrad",
        "0.01 * warmup(100) >> inverse_time(1.0, 1000)",
        _run(5000, optimizer="Adagrad"),
    ),
    Case(
        "schedule-free",
        "2.5e-3 * warmup(500) >> hold()",
        _run(10_000, optimizer="AdamWScheduleFree"),
    ),
    Case("Prodigy with cosine", "cosine()", _run(5000, optimizer="Prodigy")),
    Case("seeded noise", "(0.1 * cosine()) * noise(seed=1)", _run(5000, **_SGD)),
    Case(
        "RAdam's warmup as a factor",
        "(1e-3 * cosine()) * radam_warmup(0.999)",
        _run(10_000, optimizer="Adam"),
    ),
    Case(
        "untuned warmup",
        "1e-3 * untuned_warmup(0.999) >> cosine()",
        _run(20_000, optimizer="Adam"),
    ),
    Case(
        "join of a warmup and a decay",
        "join(1e-3 * warmup(100), 1e-3 * cosine(), at=[100])",
        _run(1000, **_LM),
    ),
    Case(
        "restarts by join",
        "join(0.1 * cosine(400), 0.1 * cosine(600), at=[400])",
        _run(1000, **_SGD),
    ),
    Case(
        "a jump that is declared",
        '1e-3 * hold("50%") >> jump(0.1) >> cosine()',
        _run(1000, optimizer="Adam"),
    ),
    Case(
        "a warmup after a declared jump",
        '1e-3 * warmup(50) >> cosine("50%") >> jump(0.5) >> warmup(50) >> cosine()',
        _run(2000, optimizer="Adam"),
    ),
    Case(
        "knots", "0.1 * knots([(0, 0.1), (100, 1.0), (1000, 0.01)])", _run(1000, **_SGD)
    ),
    Case(
        "a factor on a base rate",
        'warmup("5%") >> cosine()',
        _run(1000, base_lr=3e-4, **_LM),
    ),
    Case(
        "a very long run",
        '3e-4 * warmup(2000) >> hold() >> decay("10%")',
        _run(10_000_000, **_LM),
    ),
    Case(
        "a run of 10 updates",
        '1e-3 * warmup("10%") >> cosine()',
        _run(10, optimizer="Adam"),
    ),
]
