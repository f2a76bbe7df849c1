from typing import Any

import pytest
import torch

import stepsize as ss
from stepsize.adapters.torch import Rule, Scheduler
from stepsize.planner.recipes import (
    Groups,
    layer_decay,
    muon_split,
    recipe,
    ulmfit,
    unfreezing,
)
from stepsize.planner.recipes.layers import layers_of

BERT = [
    "embeddings.word.weight",
    "embeddings.norm.weight",
    *(
        f"encoder.layer.{i}.{part}"
        for i in range(12)
        for part in ("attention.0.weight", "attention.1.weight", "output.bias")
    ),
    "pooler.weight",
    "classifier.weight",
]


class Net(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed = torch.nn.Embedding(7, 4)
        self.blocks = torch.nn.Sequential(*(torch.nn.Linear(4, 4) for _ in range(3)))
        self.head = torch.nn.Linear(4, 2)


def test_layers_are_the_outermost_numbers() -> None:
    layers = layers_of(BERT)
    assert len(layers) == 14
    assert layers[0] == tuple(BERT[:2])
    assert layers[11] == tuple(BERT[2 + 30 : 2 + 33])  # layer 10, in order of numbers
    assert layers[-1] == ("pooler.weight", "classifier.weight")
    assert sorted(name for layer in layers for name in layer) == sorted(BERT)


def test_layers_by_patterns() -> None:
    names = ["conv1.weight", "layer1.0.w", "layer2.0.w", "fc.weight"]
    made = layers_of(names, ["conv1.*", ["layer1.*", "layer2.*"], "*"])
    assert made == (("conv1.weight",), ("layer1.0.w", "layer2.0.w"), ("fc.weight",))


def _optimizer(net: torch.nn.Module, made: Groups) -> torch.optim.Optimizer:
    return torch.optim.AdamW(made.build(dict(net.named_parameters())), lr=1.0)


def _rates(optimizer: torch.optim.Optimizer) -> dict[str, float]:
    return {group["name"]: group["lr"] for group in optimizer.param_groups}


def test_the_pytorch_adapter_takes_groups_and_rules_as_they_are() -> None:
    net = Net()
    advice = recipe(
        pretrained=True, horizon=10, peak_lr=0.1, model=net, groups="layer-decay"
    )
    assert advice.groups is not None
    assert advice.recipe.lr is not None
    optimizer = _optimizer(net, advice.groups)
    rules = [Rule(one.match, one.value) for one in advice.recipe.rules]
    scheduler = Scheduler(optimizer, lr=advice.recipe.lr, total_steps=10, rules=rules)
    rates, head = _rates(optimizer), advice.recipe.lr.resolve(total_steps=10)(0)
    assert rates["head"] == pytest.approx(head)
    assert rates["layer03"] == pytest.approx(0.75 * head)
    assert rates["layer00"] == pytest.approx(0.75**4 * head)
    scheduler.close()


def test_a_step_changes_only_what_has_thawed() -> None:
    net = Net()
    names = [name for name, _ in net.named_parameters()]
    base = 0.1 * ss.hold()
    made = unfreezing(names, base, every=2)
    optimizer = torch.optim.SGD(made.build(dict(net.named_parameters())), lr=1.0)
    rules = [Rule(one.match, one.value) for one in made.rules]
    scheduler = Scheduler(optimizer, lr=base, total_steps=20, rules=rules)
    seen = []
    for _ in range(10):
        seen.append([name for name, lr in _rates(optimizer).items() if lr > 0])
        net.head(net.blocks(net.embed(torch.tensor([1])))).sum().backward()
        optimizer.step()
        scheduler.step()
        optimizer.zero_grad()
    assert [len(one) for one in seen] == [1, 1, 2, 2, 3, 3, 4, 4, 5, 5]
    assert seen[0] == ["head"]
    assert seen[2] == ["layer03", "head"]
    scheduler.close()


def test_unfreezing_in_a_recipe_thaws_all_by_the_middle() -> None:
    names = ["e.w", "b.0.w", "b.1.w", "head.w"]
    made = recipe(pretrained=True, horizon=90, model=names, groups="unfreezing")
    begins = {}
    for rule in made.recipe.rules:
        assert isinstance(rule.value, ss.Schedule)
        rates = rule.value.resolve(total_steps=90).rates()
        begins[rule.match] = next(i for i, lr in enumerate(rates) if lr > 0)
    assert begins == {"head": 0, "layer02": 15, "layer01": 30, "layer00": 45}


def test_ulmfit() -> None:
    values = [rule.value for rule in ulmfit(["rnn.0.w", "rnn.1.w", "decoder.w"]).rules]
    assert values == pytest.approx([2.6**-2, 1 / 2.6, 1.0])


def test_muon_and_adamw_have_schedules_of_their_own() -> None:
    net = Net()
    advice = recipe("language", optimizer="muon", horizon=1000, model=net)
    made = advice.groups
    assert made is not None
    assert [group.name for group in made.groups] == ["muon", "adamw"]
    assert made.groups[0].parameters == tuple(f"blocks.{i}.weight" for i in range(3))
    (rule,) = advice.recipe.rules
    assert isinstance(rule.value, ss.Schedule)
    assert max(rule.value.resolve(total_steps=1000).rates()) == 3e-4
    assert advice.recipe.lr is not None
    assert max(advice.recipe.lr.resolve(total_steps=1000).rates()) == 0.02
    unsplit = recipe("language", optimizer="muon", horizon=1000)
    assert "give model= with shapes" in unsplit.warnings[0]


def test_plain_data() -> None:
    made = layer_decay(["b.0.w", "b.1.w"], 0.5).to_dict()
    assert made["groups"] == {"layer01": ["b.0.w"], "layer02": ["b.1.w"]}
    assert [rule["value"] for rule in made["rules"]] == [0.5, 1.0]


def test_the_last_of_numbered_layers_is_the_top() -> None:
    """As in a Sequential: its last layer, not one above it, has the whole rate."""
    model = torch.nn.Sequential(*(torch.nn.Linear(2, 2) for _ in range(3)))
    names = [name for name, _ in model.named_parameters()]
    assert [rule.value for rule in ulmfit(names).rules][-1] == 1.0
    assert [rule.value for rule in layer_decay(names, 0.5).rules] == [0.25, 0.5, 1.0]


def test_errors() -> None:
    with pytest.raises(ss.InvalidScheduleError, match="number their blocks"):
        layer_decay(["conv.w", "fc.w"])
    with pytest.raises(ss.InvalidScheduleError, match=r"layer_decay\.decay must be"):
        layer_decay(["b.0.w", "b.1.w"], 1.5)
    with pytest.raises(ss.InvalidScheduleError, match="cover every parameter"):
        layers_of(["a.w", "b.w"], ["a.*"])
    with pytest.raises(ss.InvalidScheduleError, match="each match a parameter"):
        layers_of(["a.w", "b.w"], ["*", "b.*"])
    with pytest.raises(ss.InvalidScheduleError, match="be names of parameters"):
        layers_of([])
    with pytest.raises(ss.InvalidScheduleError, match="have hidden matrices"):
        muon_split({"head.w": (2, 2)}, ss.constant(1e-3))
    made = layer_decay(["b.0.w", "b.1.w"])
    with pytest.raises(ss.InvalidScheduleError, match="that the groups were made for"):
        made.build({"b.0.w": 1})
    with pytest.raises(
        ss.InvalidScheduleError, match=r"be a mapping.*named_parameters"
    ):
        made.build([("b.0.w", 1)])  # type: ignore[arg-type]  # the point
    with pytest.raises(ss.InvalidScheduleError, match="be names of parameters"):
        layers_of([1, 2])  # type: ignore[list-item]  # the point


def test_a_number_is_no_schedule() -> None:
    """A rule takes it for a factor: the head would train at a thousandth."""
    names = ["b.0.w", "b.1.w", "head.w"]
    rate: Any = 1e-3
    with pytest.raises(
        ss.InvalidScheduleError, match=r"unfreezing\.schedule must be a"
    ):
        unfreezing(names, rate)
    shapes = {"embed.w": (9, 4), "b.0.w": (4, 4)}
    with pytest.raises(ss.InvalidScheduleError, match=r"others must be a Schedule"):
        muon_split(shapes, rate)
