"""The optimizer's hooks: who writes before an update, who counts after it.

Hooks refer to their Scheduler weakly: optimizer and Scheduler end independently.
"""

from __future__ import annotations

import sys
import warnings
import weakref
from collections.abc import Callable
from types import FrameType
from typing import TYPE_CHECKING, Any

import torch

from stepsize.adapters.driving.warning import SchedulerWarning
from stepsize.adapters.torch.counting import in_dry_run
from stepsize.adapters.torch.eager import eager
from stepsize.errors import AdapterError, describe

if TYPE_CHECKING:
    from stepsize.adapters.torch.plan import Plan
    from stepsize.adapters.torch.scheduler import Scheduler

Reference = Callable[[], "Scheduler | None"]

# optimizer -> hyperparameter -> its Scheduler, and the handles of that one's hooks
_Owner = tuple["weakref.ref[Scheduler]", list[Any]]
_taken: weakref.WeakKeyDictionary[Any, dict[str, _Owner]] = weakref.WeakKeyDictionary()


def unwrap(optimizer: Any, owner: str = "Scheduler") -> Any:
    """Return what is inside wrappers, as their `optimizer` or `base_optimizer`.

    Raises:
        AdapterError: There is none with param groups.
    """
    seen: list[Any] = []
    inner = optimizer
    while not any(inner is one for one in seen):
        seen.append(inner)
        for name in ("optimizer", "base_optimizer"):
            found = getattr(inner, name, None)
            if hasattr(found, "param_groups"):
                inner = found
                break
    groups = getattr(inner, "param_groups", None)
    if not isinstance(groups, (list, tuple)) or not groups:
        rule = "be an optimizer with param_groups"
        hint = ""
        if isinstance(inner, type):
            hint = "give the optimizer, not its class"
        elif hasattr(inner, "optimizers") and owner == "Scheduler":
            hint = "give each of its optimizers a Scheduler"
        raise AdapterError(
            describe(f"{owner}.optimizer", rule, type(optimizer).__name__, hint=hint)
        )
    return inner


def attach(
    scheduler: Scheduler, optimizer: Any, *, counting: bool, replace: bool
) -> list[Any]:
    """Make a Scheduler the one for its hyperparameters, and register its hooks.

    Args:
        scheduler: Whom the hooks serve, referred to weakly.
        optimizer: Where.
        counting: Whether to hook `step`; loading and saving are hooked anyway.
        replace: Whether another Scheduler of the same hyperparameters is closed.

    Returns:
        Handles with `remove()`.

    Raises:
        AdapterError: There is another one that is not to be replaced, or the optimizer
            has no hooks on `step`.
    """
    owners = _taken.setdefault(optimizer, {})
    for path in scheduler.hyperparameters:
        reference, handles = owners.get(path, (None, []))
        other = reference() if reference is not None else None
        if other is None:
            for handle in handles:
                handle.remove()
        elif replace:
            other.close()
        else:
            rule = f"not be given {path} twice for the same optimizer"
            hint = "close() the other Scheduler, or Scheduler(..., replace=True)"
            raise AdapterError(
                describe("Scheduler.optimizer", rule, repr(other), hint=hint)
            )
    handles = _register(weakref.ref(scheduler), optimizer, counting=counting)
    for path in scheduler.hyperparameters:
        owners[path] = (weakref.ref(scheduler), handles)
    return handles


def detach(scheduler: Scheduler, optimizer: Any, handles: list[Any]) -> None:
    """Undo `attach`."""
    for handle in handles:
        handle.remove()
    owners = _taken.get(optimizer, {})
    for path, (reference, _) in list(owners.items()):
        if reference() is scheduler:
            del owners[path]


def _register(reference: Reference, optimizer: Any, *, counting: bool) -> list[Any]:
    handles: list[Any] = []
    if counting:
        before, after = _step_hooks(reference)
        try:
            handles.append(optimizer.register_step_pre_hook(before))
            handles.append(optimizer.register_step_post_hook(after))
        except AttributeError as error:
            rule = 'have step hooks for count="hook"'
            hint = 'Scheduler(..., count="call") counts the calls of scheduler.step()'
            name = type(optimizer).__name__
            raise AdapterError(
                describe("Scheduler.optimizer", rule, name, hint=hint)
            ) from error
    if hasattr(optimizer, "_optimizer_state_dict_post_hooks"):
        loaded, saved = _state_hooks(reference)
        handles.append(optimizer.register_load_state_dict_post_hook(loaded))
        handles.append(optimizer.register_state_dict_post_hook(saved))
    return handles


def _step_hooks(reference: Reference) -> tuple[Any, Any]:
    """Return the hot path: about a fifth of a microsecond each."""
    told = False

    @eager
    def before(optimizer: Any, args: object, kwargs: object) -> None:
        nonlocal told
        scheduler = reference()
        if scheduler is None:
            if not told:
                told = True
                _abandoned()
            return
        if scheduler._inside and _is_nested(optimizer):
            scheduler._inside += 1
            return
        scheduler._inside = 1
        plan = scheduler._plan
        groups = optimizer.param_groups
        if len(groups) != len(plan.groups) or groups is not plan.live:
            plan = plan_for(scheduler, groups)
        key = plan.key
        if key is None:
            _prepare_general(scheduler, groups)
        elif groups[0][key] or not _stand_aside(scheduler):
            value = plan.value
            if plan.factors is None:
                for group in groups:
                    group[key] = value
            else:
                for group, factor in zip(groups, plan.factors):  # noqa: B905 - hot
                    group[key] = value * factor

    @eager
    def after(optimizer: Any, args: object, kwargs: object) -> None:
        scheduler = reference()
        if scheduler is None:
            return
        inside = scheduler._inside - 1
        scheduler._inside = inside
        if inside > 0:
            return
        if scheduler._fused and _was_skipped(scheduler, optimizer):
            return
        update = scheduler._update + 1
        scheduler._update = update
        plan = scheduler._plan
        if plan.key is None:
            plan.advance(update)
            return
        feed = plan.feed
        try:
            plan.value = feed.table[update - feed.start]
        except IndexError:
            plan.value = feed.at(update)

    return before, after


@torch.compiler.disable  # type: ignore[untyped-decorator]
def _is_nested(optimizer: Any) -> bool:
    """Whether a step of this optimizer runs inside another one of the same.

    A subclass whose `step` calls `super().step()` runs the hooks twice. The other
    reason for a step that has not ended is one that raised.
    """
    frame: FrameType | None = sys._getframe(1)
    found = 0
    while frame is not None and found < 2:  # noqa: PLR2004 - this one and the outer
        # torch's wrapper, which calls the hooks; compiled parts keep its name
        if "wrapper" in frame.f_code.co_name:
            found += frame.f_locals.get("self") is optimizer
        frame = frame.f_back
    return found > 1


@eager
def plan_for(scheduler: Scheduler, groups: Any) -> Plan:
    """Return the plan for the groups that are there now, a new one if they changed."""
    try:
        if groups == scheduler._plan.groups:
            return scheduler._plan
    except (RuntimeError, ValueError):  # truth of a tensor: another group
        pass
    plan: Plan = scheduler._replan()
    return plan


@eager
def _prepare_general(scheduler: Scheduler, groups: Any) -> None:
    plan = scheduler._plan
    if plan.lr_tensor is not None and plan.lr_tensor.is_cuda:
        _refuse_capture()
    if not plan.lr_is_zeroed(groups[0]) or not _stand_aside(scheduler):
        write_general(scheduler, groups)


@eager
def write_general(scheduler: Scheduler, groups: Any) -> None:
    """Write the next values by the plan's columns."""
    try:
        scheduler._plan.write(groups)
    except AttributeError:  # somebody put a number where a tensor was
        scheduler._replan().write(groups)


@torch.compiler.disable  # type: ignore[untyped-decorator]
def _refuse_capture() -> None:
    if torch.cuda.is_current_stream_capturing():
        message = (
            'Scheduler.count must be "call" for an optimizer whose step is captured '
            'in a CUDA graph: a replay runs no hooks; got "hook".'
        )
        raise AdapterError(message)


@torch.compiler.disable  # type: ignore[untyped-decorator]
def _stand_aside(scheduler: Scheduler) -> bool:
    """Whether this update is a checkpoint's dry run, to be left alone."""
    if not in_dry_run():
        return False
    scheduler._dry, scheduler._fused = True, True  # makes `after` look
    return True


@torch.compiler.disable  # type: ignore[untyped-decorator]
def _was_skipped(scheduler: Scheduler, optimizer: Any) -> bool:
    """Whether the update was a dry run, or one that a fused kernel skipped."""
    if scheduler._dry:
        scheduler._dry, scheduler._fused = False, is_fused(optimizer)
        if in_dry_run():
            return True
    found = getattr(optimizer, "found_inf", None)
    if found is None or not float(found):
        return False
    scheduler._skipped += 1
    return True


def is_fused(optimizer: Any) -> bool:
    """Whether a GradScaler calls its step on skipped updates too."""
    return bool(getattr(optimizer, "_step_supports_amp_scaling", False))


def _state_hooks(reference: Reference) -> tuple[Any, Any]:
    def loaded(optimizer: Any) -> None:
        scheduler = reference()
        if scheduler is not None:
            scheduler._optimizer_loaded()

    def saved(optimizer: Any, state_dict: dict[str, Any]) -> None:
        scheduler = reference()
        if scheduler is not None:
            scheduler._optimizer_saved(state_dict)

    return loaded, saved


@torch.compiler.disable  # type: ignore[untyped-decorator]
def _abandoned() -> None:
    # hooks cannot be removed while the optimizer goes through them
    message = (
        "the Scheduler of this optimizer was garbage-collected: its rates stay where "
        "they are. hint: keep a reference to it, or close() it when it is done."
    )
    warnings.warn(message, SchedulerWarning, stacklevel=5)
