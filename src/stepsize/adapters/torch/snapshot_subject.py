"""`Subject`: what a snapshot is of; not the snapshot."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple, final

from torch import Tensor
from torch.nn import Module

from stepsize.adapters.torch.snapshot_tensors import check_held
from stepsize.errors import AdapterError, describe

Models = Module | Sequence[Module] | Mapping[str, Module] | None


class Buffer(NamedTuple):
    """A buffer of a module, None where it is not set.

    Attributes:
        name: Its name in the whole.
        module: Whose it is.
        key: Its name there.
        tensor: Its value.
    """

    name: str
    module: Module
    key: str
    tensor: Tensor | None


@final
class Subject:
    """What is trained, and all that its training changes.

    Attributes:
        model: A module, a list or dict of them (a model and its moving average, say),
            or None: then only what the optimizer has.
        optimizer: Anything with `param_groups` and `state`. If its class has its own
            `state_dict`, that is part of it.
        scaler: A GradScaler, or None.
        data: What reads the data, with `state_dict` and `load_state_dict`, or None.

    Raises:
        AdapterError: One of these is something else.

    Examples:
        >>> import torch
        >>> model = torch.nn.Linear(2, 1)
        >>> optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        >>> list(Subject(model, optimizer).parameters())
        ['weight', 'bias']
    """

    __slots__ = ("_roots", "data", "model", "optimizer", "scaler")

    def __init__(
        self, model: Models, optimizer: Any, scaler: Any = None, data: Any = None
    ) -> None:
        self.model = model
        self.optimizer = optimizer
        self.scaler = scaler
        self.data = data
        self._roots = _roots(model)
        for name, given in (("scaler", scaler), ("data", data)):
            if given is None:
                continue
            if not all(
                hasattr(given, one) for one in ("state_dict", "load_state_dict")
            ):
                rule = "have state_dict and load_state_dict"
                raise AdapterError(describe(f"Subject.{name}", rule, given))

    def modules(self) -> Iterator[tuple[str, Module]]:
        """Yield every module once, with its name."""
        seen: set[Module] = set()
        for prefix, root in self._roots.items():
            yield from root.named_modules(memo=seen, prefix=prefix)

    def parameters(self) -> dict[str, Tensor]:
        """Return every parameter once, by name: the model's, then others trained.

        Raises:
            AdapterError: One has no values yet.
        """
        found: dict[str, Tensor] = {}
        seen: set[int] = set()
        for name, module in self.modules():
            for key, parameter in module._parameters.items():
                if parameter is None or id(parameter) in seen:
                    continue
                seen.add(id(parameter))
                full = _join(name, key)
                check_held(parameter, full)
                found[full] = parameter
        for index, group in enumerate(self.groups()):
            for place, parameter in enumerate(group["params"]):
                if id(parameter) not in seen:
                    seen.add(id(parameter))
                    found[f"optimizer.{index}.{place}"] = parameter
        return found

    def buffers(self) -> Iterator[Buffer]:
        """Yield every buffer of every module, those that are not saved among them."""
        for name, module in self.modules():
            for key, tensor in module._buffers.items():
                full = _join(name, key)
                if tensor is not None:
                    check_held(tensor, full)
                yield Buffer(full, module, key, tensor)

    def groups(self) -> list[dict[str, Any]]:
        """Return the optimizer's param groups.

        Raises:
            AdapterError: It has none.
        """
        groups = getattr(self.optimizer, "param_groups", None)
        if not isinstance(groups, list):
            rule = "be an optimizer with param_groups"
            name = type(self.optimizer).__name__
            raise AdapterError(describe("Subject.optimizer", rule, name))
        return groups

    def state(self) -> dict[Any, Any]:
        """Return the optimizer's state, by parameter; {} of one that has none."""
        state: dict[Any, Any] = getattr(self.optimizer, "state", {})
        return state


def _roots(model: Models) -> dict[str, Module]:
    if model is None:
        return {}
    if isinstance(model, Module):
        return {"": model}
    roots: dict[Any, Any] = {}
    if isinstance(model, Mapping):
        roots = dict(model)
    elif isinstance(model, (list, tuple)):
        roots = {str(index): one for index, one in enumerate(model)}
    if not roots or not all(isinstance(one, Module) for one in roots.values()):
        rule = "be a torch.nn.Module, a list or dict of them, or None"
        raise AdapterError(describe("Subject.model", rule, model))
    return {str(name): one for name, one in roots.items()}


def _join(name: str, key: str) -> str:
    """Return a full name; the same for a model that torch.compile has wrapped."""
    full = f"{name}.{key}" if name else key
    return full.replace("_orig_mod.", "")
