"""A resumed run uses, to the bit, the values of the uninterrupted one.

Over random schedules, optimizers, stops, and orders of constructor and loads.
"""

import copy
import io
import json
import pickle
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import stepsize as ss
from stepsize.adapters.torch import Rule, Scheduler, SchedulerWarning
from stepsize.control import Event, Target
from stepsize.testing.strategies import resolved

N = 10
SPARE = 3  # updates after the stop at the least
OPTIMIZERS: dict[type[torch.optim.Optimizer], dict[str, Any]] = {
    torch.optim.SGD: {"weight_decay": 0.1, "momentum": 0.9},
    torch.optim.Adam: {"betas[0]": 0.5, "betas[1]": 0.9},
    torch.optim.AdamW: {"weight_decay": 0.3, "betas[0]": 0.8},
    torch.optim.RMSprop: {"alpha": 0.9, "weight_decay": 0.1},
    torch.optim.NAdam: {"momentum_decay": 0.01, "betas[1]": 0.99},
    torch.optim.Adagrad: {"lr_decay": 0.1},
}
# make: the constructor; opt, sched: the load_state_dict of each
ORDERS = (
    ("make", "opt", "sched"),
    ("make", "sched", "opt"),
    ("opt", "make", "sched"),
    ("make", "sched", "opt", "sched", "opt"),
    ("opt", "make", "sched", "sched", "opt", "opt"),
    ("make", "opt"),
    ("opt", "make"),
    ("make", "sched"),
    ("deepcopy",),
    ("pickle",),
    ("torch.save",),
)
Recording = Callable[[type[torch.optim.Optimizer]], Any]


@dataclass(frozen=True)
class Case:
    base: type[torch.optim.Optimizer]
    schedule: ss.ResolvedSchedule
    relative: bool
    also: tuple[str, ...]
    also_schedule: ss.ResolvedSchedule
    tensor: bool
    rule: float | None
    events: tuple[Event, ...]
    groups: int
    add_at: int | None  # a group comes between step() and this update
    stop: int
    between: bool  # the state is taken between optimizer.step() and step()
    steps: bool  # whether step() is called at all
    order: tuple[str, ...]


@st.composite
def cases(draw: st.DrawFn, base: type[torch.optim.Optimizer]) -> Case:
    order = draw(st.sampled_from(ORDERS))
    events: list[Event] = []
    if "sched" in order or len(order) == 1:  # otherwise nothing carries them
        values = {"factor": draw(st.floats(0.1, 3)), "over": draw(st.integers(0, 3))}
        target = draw(st.sampled_from((Target(), Target(groups="[1-9]"))))
        kind, at = "scale", draw(st.integers(0, N))
        events = [Event(update=at, kind=kind, values=values, target=target)]
    # a foreach or for-loop kernel takes a tensor only where nothing else is one
    return Case(
        base=base,
        schedule=draw(resolved(depth=1)),
        relative=draw(st.booleans()),
        also=tuple(draw(st.sets(st.sampled_from(list(OPTIMIZERS[base]))))),
        also_schedule=(0.9 * ss.warmup(3) >> ss.linear(to=0.1)).resolve(N),
        tensor=base in (torch.optim.SGD, torch.optim.Adam) and draw(st.booleans()),
        rule=draw(st.sampled_from((None, 0.0, 0.3))),
        events=tuple(events[: draw(st.integers(0, 1))]),
        groups=draw(st.integers(1, 3)),
        add_at=draw(st.one_of(st.none(), st.integers(1, N - 1))),
        stop=draw(st.integers(0, N - SPARE)),
        between=draw(st.booleans()),
        steps=draw(st.booleans()),
        order=order,
    )


class Training:
    """One run of a case, from the start or from a checkpoint."""

    def __init__(self, case: Case, recording: Recording) -> None:
        self.case, self.recording = case, recording
        self.scheduler: Any = None
        self.used: list[Any] = []

    def build(self, groups: int) -> None:
        rates = [0.1, 0.02, 0.3][:groups]
        self.parameters = [torch.nn.Parameter(torch.ones(2)) for _ in rates]
        described = [
            {"params": [parameter], "lr": torch.tensor(lr) if self.case.tensor else lr}
            for parameter, lr in zip(self.parameters, rates, strict=True)
        ]
        extra = {"foreach": False} if self.case.tensor else {}
        self.optimizer = self.recording(self.case.base)(described, lr=0.1, **extra)

    def schedule(self, events: tuple[Event, ...] = ()) -> None:
        case = self.case
        which: Any = {"lr_factor" if case.relative else "lr": case.schedule}
        rules = [] if case.rule is None else [Rule(0, case.rule)]
        uneven = not case.relative and case.rule is None
        for group in self.optimizer.param_groups if uneven else ():
            # one rate for all replaces what was given: say so to avoid the warning
            group["lr"] = torch.tensor(0.1) if case.tensor else 0.1
        self.scheduler = Scheduler(
            self.optimizer,
            hyperparameters=dict.fromkeys(case.also, case.also_schedule),
            rules=rules,
            events=events,
            **which,
        )

    def add_group(self) -> None:
        self.parameters.append(torch.nn.Parameter(torch.ones(2)))
        lr = torch.tensor(0.05) if self.case.tensor else 0.05
        self.optimizer.add_param_group({"params": [self.parameters[-1]], "lr": lr})

    def update(self, index: int, *, step: bool = True) -> None:
        if index == self.case.add_at:
            self.add_group()
        for place, parameter in enumerate(self.parameters):
            parameter.grad = torch.full_like(parameter, 0.1 + 0.01 * (index + place))
        self.optimizer.step()
        self.used.append(self.optimizer.used.pop())
        for group in self.used[-1]:
            group.pop("initial_lr", None)
        if step and self.case.steps:
            self.scheduler.step()

    def weights(self) -> list[list[float]]:
        return [parameter.tolist() for parameter in self.parameters]


def _resume(case: Case, run: Training, recording: Recording) -> Training:
    """Return a new training that goes on where `run` is."""
    resumed = Training(case, recording)
    if len(case.order) == 1:
        pair = (run.parameters, run.optimizer, run.scheduler)
        if case.order == ("deepcopy",):
            copied = copy.deepcopy(pair)
        elif case.order == ("pickle",):
            copied = pickle.loads(pickle.dumps(pair))
        else:
            buffer = io.BytesIO()
            torch.save(pair, buffer)
            buffer.seek(0)
            copied = torch.load(buffer, weights_only=False)
        resumed.parameters, resumed.optimizer, resumed.scheduler = copied
        return resumed
    optimizer = copy.deepcopy(run.optimizer.state_dict())
    state = json.loads(json.dumps(run.scheduler.state_dict()))
    weights = [parameter.detach().clone() for parameter in run.parameters]
    resumed.build(case.groups)
    if case.add_at is not None and case.add_at < case.stop:
        resumed.add_group()
    for parameter, weight in zip(resumed.parameters, weights, strict=True):
        parameter.data.copy_(weight)
    for call in case.order:
        if call == "make":
            resumed.schedule()
        elif call == "opt":
            resumed.optimizer.load_state_dict(optimizer)
        else:
            resumed.scheduler.load_state_dict(state)
    return resumed


# The recording subclasses are local, so that pickling needs them by value.
class RecordingForPickle:
    """Makes each recording class once, importable under its own name."""

    def __init__(self, recording: Recording) -> None:
        self.recording = recording

    def __call__(self, base: type[torch.optim.Optimizer]) -> Any:
        name = f"Recording{base.__name__}"
        if name not in globals():
            made = self.recording(base)
            made.__module__, made.__qualname__ = __name__, name
            globals()[name] = made
        return globals()[name]


def _check(case: Case, recording: Recording) -> None:
    recording = RecordingForPickle(recording)
    whole = Training(case, recording)
    whole.build(case.groups)
    whole.schedule(case.events)
    stopped = Training(case, recording)
    stopped.build(case.groups)
    stopped.schedule(case.events)
    for index in range(N):
        whole.update(index)
    for index in range(case.stop):
        last = index == case.stop - 1
        stopped.update(index, step=not (last and case.between))
    resumed = _resume(case, stopped, recording)
    for index in range(case.stop, N):
        resumed.update(index)
    scheduled = {"lr", *(path.partition("[")[0] for path in case.also)}
    for index, (found, wanted) in enumerate(
        zip(resumed.used, whole.used[case.stop :], strict=True)
    ):
        for key in sorted(scheduled):
            values = [[group[key] for group in used] for used in (found, wanted)]
            assert values[0] == values[1], (key, index + case.stop, case)
    if "opt" in case.order or len(case.order) == 1:
        assert str(resumed.weights()) == str(whole.weights())


# 6 optimizers times 200 random cases
@pytest.mark.parametrize("base", OPTIMIZERS)
@pytest.mark.filterwarnings(f"ignore::{SchedulerWarning.__module__}.SchedulerWarning")
def test_a_resumed_run_is_the_uninterrupted_one(
    base: type[torch.optim.Optimizer], recording: Recording
) -> None:
    profile = settings.get_profile(settings.get_current_profile_name())

    @settings(max_examples=max(200, profile.max_examples))
    @given(cases(base))
    def check(case: Case) -> None:
        _check(case, recording)

    check()
