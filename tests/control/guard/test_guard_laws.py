"""What holds of the guard for any losses."""

import json
import math
import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st
from tests.control.guard.watched import Watched, acted, falling, level

from stepsize.control import Guard

GRID = 64  # losses are whole multiples of 1 / GRID, so that sums of them are exact
YOUNG = (10, 20, 30, 40, 50, 60, 80, 100, 120, 160)
BROKEN = (math.nan, math.inf, -math.inf)
HUGE = (1e308, -1e308, 1e-320, 0.0)


@dataclass(frozen=True)
class Piece:
    """Updates in which the same is going on."""

    kind: str  # "level", "fall", or the name of what is shown once
    length: int
    value: float
    noise: float
    rate: float
    metrics: dict[str, float]

    def losses(self, last: float, draw: random.Random) -> Iterator[float]:
        for index in range(self.length):
            part = 1.0 if self.kind == "level" else 1 - math.exp(-3 * index / 40)
            value = last + part * (self.value - last) + draw.gauss(0, self.noise)
            yield round(value * GRID) / GRID


@st.composite
def pieces(draw: st.DrawFn, *, finite: bool = False) -> Piece:
    kind = draw(st.sampled_from(["level", "fall"]))
    metrics: dict[str, float] = {}
    if not finite and draw(st.booleans()):
        name = draw(st.sampled_from(["nonfinite", "displacement", "skips"]))
        values = {
            "nonfinite": st.sampled_from([0.0, 0.0, 5.0, math.nan]),
            "displacement": st.floats(0.0, 100.0),
            "skips": st.sampled_from([1.0, 24.0, 25.0, 80.0]),
        }
        metrics[name] = draw(values[name])
    return Piece(
        kind=kind,
        length=draw(st.integers(1, 90)),
        value=draw(st.integers(-10 * GRID, 10 * GRID)) / GRID,
        noise=draw(st.sampled_from([0.0, 0.03, 0.5])),
        rate=draw(st.sampled_from([1.0, 1.0, 1.0, 0.01, 30.0])),
        metrics=metrics,
    )


def runs(*, finite: bool = False) -> Any:
    lists = st.lists(pieces(finite=finite), min_size=1, max_size=8)
    return st.tuples(lists, st.integers(0, 2**16))


guards = st.builds(
    Guard,
    mode=st.sampled_from(["act", "act", "observe"]),
    factor=st.sampled_from([0.1, 0.5, 0.9]),
    harm=st.sampled_from([0.1, 0.3, 1.0]),
    snapshot_every=st.sampled_from([10, 25, 50]),
    keep=st.integers(1, 3),
    prove_after=st.sampled_from([1, 5, 20]),
    give_back_after=st.sampled_from([1, 50]),
    most=st.integers(1, 8),
    most_lately=st.integers(1, 5),
    clock=st.sampled_from(["run", "rewind"]),
    begin=st.sampled_from([None, 2.0, -3.0]),
)


def play(
    run: Watched,
    parts: list[Piece],
    seed: int,
    *,
    broken: bool = False,
    times: float = 1.0,
    plus: float = 0.0,
    strict: bool = False,
) -> Watched:
    """Show all pieces; `broken` puts in what is not finite, or hardly."""
    draw, last = random.Random(seed), 0.0
    for part in parts:
        for loss in part.losses(last, draw):
            last = loss
            shown: float | None = times * loss + plus
            chance = draw.random()
            if broken and chance < 0.03:
                shown = draw.choice((None, *BROKEN, *HUGE))
            far = part.metrics.get("displacement")
            metrics: dict[str, Any] = {**part.metrics}
            metrics.pop("displacement", None)
            if far is not None and run.update + 1 in YOUNG:
                metrics["displacement"] = far
            if chance < 0.9:
                metrics.pop("nonfinite", None)
                metrics.pop("skips", None)
            run.see([shown], times=part.rate, strict=strict, **metrics)
    return run


@given(runs(), guards)
def test_it_never_fails_and_keeps_its_limits(
    made: tuple[list[Piece], int], guard: Guard
) -> None:
    # that no snapshot is asked for which is not held, and none too late, is checked
    # where they are applied
    run = play(Watched(guard), *made, broken=True)
    assert run.state["rollbacks"] <= guard.most
    # with one undone, and the way back to a good one when it gives up
    assert len(run.rewinds) <= guard.most + 2
    assert 0 < run.factor < math.inf
    if guard.mode == "observe":
        assert run.rewinds == run.scales == []
    if run.state["gave_up"] is not None:
        assert run.changes[-1][1].kind == "note"
    assert len(run.held) <= guard.keep + 2 + 2


@given(runs(), guards)
def test_a_saved_state_decides_the_same_and_is_never_changed(
    made: tuple[list[Piece], int], guard: Guard
) -> None:
    play(Watched(guard), *made, broken=True, strict=True)


@given(
    runs(finite=True),
    st.integers(-20, 20),
    st.integers(-1000 * GRID, 1000 * GRID),
    st.sampled_from([Guard(), Guard(harm=0.1), Guard(snapshot_every=10, keep=1)]),
)
@example(made=([], 0), power=0, shift=0, guard=Guard())
def test_decisions_do_not_depend_on_the_unit_of_the_loss(
    made: tuple[list[Piece], int], power: int, shift: int, guard: Guard
) -> None:
    # powers of two and whole multiples of the grid: nothing is rounded
    plain = play(Watched(guard), *made)
    other = play(
        Watched(guard), *made, times=2.0**power, plus=2.0**power * shift / GRID
    )
    assert other.told() == plain.told()
    assert other.held == plain.held


@given(st.floats(1e-6, 1e6), st.floats(-1e6, 1e6), st.integers(0, 1000))
def test_nor_do_those_of_a_run_that_is_harmed(
    times: float, plus: float, seed: int
) -> None:
    losses = [*falling(170, seed=seed), *level(60, 2.5, seed=seed)]
    plain = Watched().see(losses, until=acted)
    other = Watched().see((times * one + plus * times for one in losses), until=acted)
    assert plain.rewinds == [150]
    assert other.told() == plain.told()


@given(runs(), guards, st.data())
def test_snapshots_that_are_lost_on_the_way_are_never_asked_for(
    made: tuple[list[Piece], int], guard: Guard, data: st.DataObject
) -> None:
    run, (parts, seed) = Watched(guard), made
    for index, part in enumerate(parts):
        play(run, [part], seed + index, broken=True)
        if data.draw(st.booleans()):  # a resume, which finds some of them
            there = data.draw(st.sets(st.sampled_from(sorted(run.held) or [0])))
            run.held = {*there & run.held, run.update}
            saved = json.loads(json.dumps(run.state, allow_nan=False))
            run.state = guard.without(saved, run.held)
            wanted = set(guard.snapshots(run.state))
            assert wanted <= run.held
            run.held = wanted


@given(runs())
def test_without_a_fault_nothing_is_scaled_up_beyond_the_schedule(
    made: tuple[list[Piece], int],
) -> None:
    run = Watched()
    highest = 1.0
    for index, part in enumerate(made[0]):
        play(run, [part], made[1] + index, broken=True)
        highest = max(highest, run.factor)
    assert highest < 1 + 1e-9
