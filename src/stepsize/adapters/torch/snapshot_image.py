"""One snapshot: what there is, laid out; held as copies; and put back in place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, final

import torch
from torch import Tensor
from torch.amp import GradScaler
from torch.nn import Module

from stepsize.adapters.torch.snapshot_random import random_state, set_random_state
from stepsize.adapters.torch.snapshot_subject import Subject
from stepsize.adapters.torch.snapshot_tensors import copies, is_real, norm
from stepsize.adapters.torch.snapshot_tree import Filling, Node, Purpose, Walk
from stepsize.errors import AdapterError, describe


@final
@dataclass(frozen=True)  # no slots: it remembers its norm
class Image:
    """A snapshot: a list of tensors, and a plain tree that says where they belong.

    Attributes:
        tensors: Parameters first, then buffers, then the rest; each once.
        homes: Type of the device that each was on: "cpu", "cuda", ...
        tree: Everything else.
    """

    tensors: list[Tensor]
    homes: list[str]
    tree: dict[str, Any]

    def weights(self) -> dict[str, Tensor]:
        """Return the parameters by name: not copies."""
        return {name: self.tensors[place] for name, place in self.tree["weights"]}

    @cached_property
    def weight_norm(self) -> float:
        """Euclidean norm of the parameters together."""
        return norm([one for one in self.weights().values() if is_real(one)])


def lay_out(subject: Subject, walk: Walk) -> dict[str, Any]:
    """Return the tree of model and optimizer as they are now; the tensors are live."""
    names = subject.parameters()
    tree: dict[str, Any] = {
        "weights": [(name, walk.place(one)) for name, one in names.items()],
        "buffers": [
            (name, None if one is None else walk.place(one))
            for name, _, _, one in subject.buffers()
        ],
        "model": [
            (name, walk.node(module.get_extra_state(), f"{name}.extra_state"))
            for name, module in subject.modules()
            if _has_extra(module)
        ],
    }
    groups, state = subject.groups(), subject.state()
    tree["groups"] = [
        walk.node(_settings(group), f"param_groups[{index}]", keep=True)
        for index, group in enumerate(groups)
        if walk.purpose != "look"
    ]
    tree["state"] = [
        [_of(walk, state.get(one), f"state of param_groups[{index}]") for one in params]
        for index, params in enumerate(group["params"] for group in groups)
    ]
    others = {key: one for key, one in state.items() if not isinstance(key, Tensor)}
    tree["others"] = walk.node(others, "optimizer.state")
    tree["optimizer"] = None
    if _has_own_state(subject.optimizer):
        tree["optimizer"] = walk.node(_own_state(subject.optimizer), "optimizer")
    return tree


def view(subject: Subject, extra: Mapping[str, Any], purpose: Purpose) -> Image:
    """Return an image of everything whose tensors are still the live ones."""
    walk = Walk(purpose)
    tree = lay_out(subject, walk)
    tree["extra"] = walk.node(dict(extra), "extra")
    for name, one in (("scaler", subject.scaler), ("data", subject.data)):
        tree[name] = None if one is None else walk.node(one.state_dict(), name)
    tree["random"] = random_state()
    return Image(walk.tensors, [one.device.type for one in walk.tensors], tree)


def capture(
    subject: Subject, extra: Mapping[str, Any], spare: Sequence[Tensor] = ()
) -> Image:
    """Return an image of everything as it is now.

    Args:
        subject: Of what.
        extra: What comes with it.
        spare: Tensors of an image that is not needed any more, to be written over.
    """
    seen = view(subject, extra, "hold")
    return Image(copies(seen.tensors, spare), seen.homes, seen.tree)


def put_back(image: Image, subject: Subject, *, everything: bool) -> dict[str, Any]:
    """Restore an image, in place wherever there is a tensor of the same kind.

    Args:
        image: What is restored; it stays as it is.
        subject: Where.
        everything: Whether random generators and data are restored too.

    Returns:
        A copy of the extra.

    Raises:
        AdapterError: The image is of another model or optimizer.
    """
    tree = image.tree
    weights = subject.parameters()
    _check(image, subject, weights, everything=everything)
    filling = Filling(image.tensors, image.homes)
    for name, place in tree["weights"]:
        filling.bind(place, weights[name])
    _put_buffers(tree, subject, filling)
    if tree["optimizer"] is not None:
        # hooks of the optimizer see this; what they change is set right below
        subject.optimizer.load_state_dict(_fresh(image, tree["optimizer"]))
    _put_optimizer(tree, subject, filling)
    filling.finish()
    modules = dict(subject.modules())
    for name, node in tree["model"]:
        modules[name].set_extra_state(_fresh(image, node))
    if subject.scaler is not None:
        subject.scaler.load_state_dict(_fresh(image, tree["scaler"]))
        if isinstance(subject.scaler, GradScaler):
            subject.scaler._per_optimizer_states.clear()
    if everything:
        if subject.data is not None:
            subject.data.load_state_dict(_fresh(image, tree["data"]))
        set_random_state(tree["random"])
    extra: dict[str, Any] = _fresh(image, tree["extra"])
    return extra


def _put_buffers(tree: dict[str, Any], subject: Subject, filling: Filling) -> None:
    places = dict(tree["buffers"])
    there = {one.name: one for one in subject.buffers()}
    for name in there.keys() - places.keys():
        _, module, key, _ = there[name]
        delattr(module, key)
    for name, place in places.items():
        _, module, key, present = there[name]
        made = None if place is None else filling.tensor(place, present)
        if made is not present:
            module._buffers[key] = made


def _put_optimizer(tree: dict[str, Any], subject: Subject, filling: Filling) -> None:
    groups, state = subject.groups(), subject.state()
    live = zip(groups, tree["groups"], tree["state"], strict=False)
    known: set[int] = set()
    for group, settings, states in live:
        made = filling.value(settings, _settings(group))
        for key in group.keys() - made.keys() - {"params"}:
            del group[key]
        group.update(made)
        for parameter, node in zip(group["params"], states, strict=True):
            filling.home = parameter.device
            if node is not None:
                known.add(id(parameter))
                state[parameter] = filling.value(node, state.get(parameter))
        filling.home = None
    others = filling.value(tree["others"], dict(state))
    for key in list(state):
        if id(key) not in known:
            del state[key]
    state.update(others)


def _check(
    image: Image, subject: Subject, weights: Mapping[str, Tensor], *, everything: bool
) -> None:
    """Refuse what does not fit, before anything is changed."""
    tree = image.tree
    for name, place in tree["weights"]:
        own, there = image.tensors[place], weights.get(name)
        if there is None:
            rule = f"have the parameter {name} of the snapshot"
            raise _misfit("model", rule, sorted(weights))
        if there.shape != own.shape or there.dtype is not own.dtype:
            rule = f"be of shape {tuple(own.shape)} and {own.dtype}, as in the snapshot"
            raise _misfit(name, rule, f"{tuple(there.shape)} and {there.dtype}")
    buffers = {one.name for one in subject.buffers()}
    for name, _ in tree["buffers"]:
        if name not in buffers:
            rule = f"have the buffer {name} of the snapshot"
            raise _misfit("model", rule, sorted(buffers))
    sizes = [len(group["params"]) for group in subject.groups()]
    saved = [len(states) for states in tree["state"]]
    if sizes[: len(saved)] != saved:
        rule = f"begin with groups of {saved} parameters, as in the snapshot"
        raise _misfit("optimizer.param_groups", rule, sizes)
    needed = ("scaler", "data") if everything else ("scaler",)
    for name in needed:
        if getattr(subject, name) is not None and tree[name] is None:
            rule = "be left out: the snapshot was taken without it"
            raise _misfit(f"Subject.{name}", rule, getattr(subject, name))


def _misfit(owner: str, rule: str, got: object) -> AdapterError:
    hint = "the snapshot is of another run, or the run was changed since"
    return AdapterError(describe(owner, rule, got, hint=hint))


def _fresh(image: Image, node: Node) -> Any:
    """Return the value of a tree with tensors of its own."""
    return Filling(image.tensors, image.homes).value(node)


def _settings(group: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in group.items() if key != "params"}


def _of(walk: Walk, value: Any, owner: str) -> Node | None:
    return None if value is None else walk.node(value, owner)


def _has_extra(module: Module) -> bool:
    return type(module).get_extra_state is not Module.get_extra_state


def _has_own_state(optimizer: Any) -> bool:
    """Whether an optimizer's class says by itself what its state is."""
    own = getattr(type(optimizer), "state_dict", None)
    return own is not None and own is not torch.optim.Optimizer.state_dict


def _own_state(optimizer: Any) -> dict[str, Any]:
    """Return its state without the count that a Scheduler's hook adds to it."""
    from stepsize.adapters.torch.resumable import CARRIED

    saved = dict(optimizer.state_dict())
    saved["param_groups"] = [
        {key: one for key, one in group.items() if not str(key).startswith(CARRIED)}
        for group in saved.get("param_groups", [])
    ]
    return saved
