"""Bad input: one clear error each, whatever constructors and parser are given."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import stepsize as ss
from stepsize.testing.strategies import schedules

raw: Any = ss
"""The same names without their types: wrong kinds are the point here."""
NUMBERS: list[Any] = [
    math.nan,
    math.inf,
    -math.inf,
    -1,
    -1e-9,
    "0.1",
    None,
    True,
    [],
    1j,
]


def message(form: str) -> str:
    """The error's form: owner.field must RULE; got VALUE."""
    return rf"^{form} must .*; got .*\."


@pytest.mark.parametrize(
    "k", [math.nan, math.inf, -math.inf, -0.1, 10**400, -(10**400)]
)
def test_scales(k: Any) -> None:
    with pytest.raises(ss.InvalidScheduleError, match=message("scale")):
        k * ss.hold()


@pytest.mark.parametrize("k", ["2", None, True, [1], 1j, np.ones(2)])
def test_what_is_no_number_does_not_scale(k: Any) -> None:
    with pytest.raises(TypeError):
        k * ss.hold()
    with pytest.raises(TypeError):
        ss.hold() >> k


@pytest.mark.parametrize(
    "steps",
    [
        0,
        -1,
        1.5,
        math.nan,
        "",
        "x",
        "5",
        "0%",
        "-5%",
        "1e999999999 tokens",
        "0 epochs",
        [],
        True,
        2**60,
        "1.5 steps",
        "nan%",
        "5 %%",
    ],
)
@pytest.mark.parametrize(
    "build", [ss.hold, ss.warmup, ss.decay, ss.cosine, ss.linear, ss.polynomial]
)
def test_durations(build: Any, steps: Any) -> None:
    with pytest.raises(ss.InvalidScheduleError, match=message(r"\w+\.steps")):
        build(steps)


def test_unknown_units() -> None:
    with pytest.raises(
        ss.UnitError, match=r"warmup.steps must have a unit of .*fortnights"
    ):
        ss.warmup("2 fortnights")


@pytest.mark.parametrize(
    ("unit", "name"),
    [
        ("epochs", "steps_per_epoch"),
        ("samples", "samples_per_step"),
        ("tokens", "tokens_per_step"),
    ],
)
def test_units_without_conversion_name_the_missing_number(unit: str, name: str) -> None:
    s = ss.warmup(f"3 {unit}") >> ss.linear()
    with pytest.raises(ss.UnitError, match=rf"Horizon.{name} must be given.*hint"):
        s.resolve(total_steps=100)


@pytest.mark.parametrize("value", NUMBERS)
def test_numbers(value: Any) -> None:
    builds: dict[str, Any] = {
        "decay.to": lambda: ss.decay(5, to=value),
        "hold.weight": lambda: ss.hold(weight=value),
        "step.factor": lambda: ss.step(5, value),
        "geometric.factor": lambda: ss.geometric(value),
        "repeat.stretch": lambda: ss.repeat(ss.cosine(5), 2, stretch=value),
        "repeat.shrink_peak": lambda: ss.repeat(ss.cosine(5), 2, shrink_peak=value),
        "table.values": lambda: ss.table([1.0, value]),
        "knots.points": lambda: ss.knots([(0, 1.0), (5, value)]),
        "constant.lr": lambda: ss.constant(value),
        "noise.amplitude": lambda: ss.noise(0, value),
        "polynomial": lambda: ss.polynomial(5, power=-1.0),
    }
    for field, build in builds.items():
        owner = field.replace("polynomial", "decay.power").replace(".", r"\.")
        with pytest.raises(ss.InvalidScheduleError, match=message(owner)):
            build()


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (lambda: raw.hold(weight=0), "hold.weight must be a finite number > 0"),
        (lambda: raw.hold(fixed=1), "hold.fixed must be True or False"),
        (lambda: raw.warmup(5, 1.5), "warmup.start must .*<= 1"),
        (lambda: raw.warmup(5, shape="sqrt"), 'warmup.shape must be one of "linear"'),
        (lambda: raw.warmup(5, 0.0, "exponential"), "warmup.start must be > 0"),
        (lambda: raw.decay(5, shape="cubic"), "decay.shape must be one of"),
        (lambda: raw.decay(5, 0.1, to_lr=0.1), "decay.to must be left out"),
        (lambda: raw.exponential(5), "decay.to must be > 0"),
        (lambda: raw.decay(5, power=2), "decay.power must be left out"),
        (lambda: raw.multistep([]), "multistep.milestones must have at least one"),
        (lambda: raw.multistep("5%"), "multistep.milestones must be a list"),
        (lambda: raw.multistep([5, 3])(1), "multistep.milestones must be in order"),
        (lambda: raw.knots([]), "knots.points must not be empty"),
        (lambda: raw.knots([(0, 1), (0, 2)]), "knots.points must have positions that"),
        (
            lambda: raw.knots([(0, 1), ("10 steps", 1), (4, 1)]),
            "knots.points must have",
        ),
        (lambda: raw.knots([1, 2]), "knots.points must be .position, value. pairs"),
        (lambda: raw.knots("ab"), "knots.points must be a list"),
        (lambda: raw.table([]), "table.values must not be empty"),
        (lambda: raw.table(3), "table.values must be a list"),
        (raw.jump, "jump.to must be given, or to_lr"),
        (lambda: raw.jump(0.1, to_lr=0.1), "jump.to must be given, or to_lr"),
        (lambda: raw.clip(raw.hold()), "clip must have a bound"),
        (lambda: raw.clip(raw.hold(), 0.5, 0.1), "clip.low must be <= high"),
        (lambda: raw.clip(raw.hold(), 0.5, low_lr=0.1), "clip.low must be left out"),
        (lambda: raw.clip(3, 0.5), "clip.schedule must be a schedule"),
        (lambda: raw.minimum(raw.hold()), "minimum.schedules must be at least two"),
        (lambda: raw.minimum(raw.hold(), 3), "minimum.schedules must be schedules"),
        (
            lambda: raw.average(raw.hold(), raw.hold(), weights=[1]),
            "average.weights must",
        ),
        (lambda: raw.repeat(raw.cosine(5), 0), "repeat.n must be an int >= 1"),
        (lambda: raw.repeat(raw.cosine()), "repeat.n must be given"),
        (lambda: raw.repeat(raw.jump(1.0), 3), "repeat.schedule must have a length"),
        (lambda: raw.repeat(0.1, 3), "repeat.schedule must be a schedule"),
        (
            lambda: raw.repeat(raw.cosine(8), stretch=0.5).resolve(total_steps=50),
            "repeat.n must be given: its cycles shrink",
        ),
        (
            lambda: raw.repeat(raw.hold(5) >> raw.hold("100%"), 3)(0),
            "repeat.schedule must leave room",
        ),
        (
            lambda: raw.repeat(
                raw.hold(90, fixed=True) >> raw.linear(9), 2, stretch=0.5
            )(0),
            "repeat.schedule must fit into a cycle",
        ),
        (
            lambda: raw.repeat(raw.cosine(1), 300_000, stretch=1.1)(0),
            "repeat must unroll into at most",
        ),
        (lambda: raw.skip(raw.hold(), 1.5), "skip.steps must be an int"),
        (lambda: raw.noise(-1), "noise.seed must be an int"),
        (lambda: raw.opaque("", abs), "opaque.name must be a text"),
        (lambda: raw.opaque("x", 3), "opaque.function must be callable"),
        (lambda: raw.one_cycle(1), "one_cycle.warmup_steps must leave"),
        (lambda: raw.one_cycle("5%"), "one_cycle.steps must be an int"),
        (lambda: raw.hold().resolve(0), "Horizon.steps must be a finite number > 0"),
        (lambda: raw.hold().resolve(2.5), "Horizon.steps must be an int >= 1"),
        (
            lambda: raw.hold().resolve(horizon=3),
            "resolve.horizon must be a Horizon; got 3",
        ),
        (
            lambda: raw.hold().resolve(5, horizon=raw.Horizon()),
            "resolve.total_steps must be left out",
        ),
        (
            lambda: raw.hold().resolve(5, overflow="cut"),
            'resolve.overflow must be "error"',
        ),
        (lambda: raw.hold().resolve().rates(), "resolve.total_steps must be given"),
        (lambda: (1e300 * raw.hold(1)) * (1e300 * raw.hold(1))(0), None),
        (lambda: 1e300 * (1e300 * raw.hold()), "scale must stay finite"),
        (
            lambda: (1e300 * raw.hold(1) >> 1e300 * raw.hold(1))(0),
            "must reach only finite",
        ),
    ],
)
def test_one_clear_error_each(build: Any, words: str | None) -> None:
    with pytest.raises((ss.StepsizeError, TypeError), match=words):
        build()


# --- text -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "be one expression"),
        ("warmup(", "be one expression"),
        ("warmup(5) >>", "be one expression"),
        ("3e-4", "describe a schedule"),
        ('"hold"', "describe a schedule"),
        ("hold", "not Name"),
        ("hold()()", "not Call"),
        ("2 >> hold()", "combine schedules"),
        ("2 + 2", "combine schedules"),
        ("hold() - hold()", "not BinOp"),
        ("hold() * None", "combine schedules with"),
        ("-hold()", "signs before numbers"),
        ("hold(*[5])", "not Starred|must"),
        ("hold(**hold)", "must"),
        ("__import__('os')", "use the names"),
        ("open('x')", "use the names"),
        ("warmupp(10)", r"got 'warmupp'\. hint: perhaps 'warmup' is meant"),
        ("hold.__class__()", "contain '.'"),
        ("hold(5) if 1 else hold(6)", "must"),
        ("[hold(5)]", "describe a schedule"),
        ("lambda: hold()", "contain ':'"),
        ("hold(5); hold(6)", "contain ';'"),
        ("hold(5)\x00", "contain"),
        ("höld(5)", "must"),
        ("hold(nope=5)", "take arguments of hold"),
        ("hold(1, 2, 3, 4)", "take arguments of hold"),
        ("hold(steps=1, steps=2)", "must"),
        ("clip(5, low=1)", "clip.schedule must be a schedule"),
        ("repeat(hold)", "not Name"),
        ("hold(1e400)", r"hold\.steps must"),
        ("hold(" + "9" * 5000 + ")", "must"),
        ("(" * 5000 + "hold()" + ")" * 5000, "nested at most 100"),
        ("repeat(" * 150 + "hold(5)" + ", 2)" * 150, "nested at most 100"),
        ("-" * 100_000 + "1", "at most 65536 characters"),
        ("-" * 60_000 + "1", "at most 1000 phases"),
        ("hold(1) >> " * 3000 + "hold(1)", "at most 1000 phases"),
        ("hold(1) >> " * 1200 + "hold(1)", "at most 1000 phases"),
        ("hold(5) " * 140_000, "at most 65536 characters"),
        (3, "be a text"),
    ],
)
def test_texts_that_are_no_schedules(text: Any, words: str) -> None:
    with pytest.raises(ss.InvalidScheduleError, match=words):
        ss.parse(text)


TOKENS = st.sampled_from(
    [
        "hold",
        "warmup",
        "decay",
        "repeat",
        "knots",
        "clip",
        "(",
        ")",
        "[",
        "]",
        ",",
        "=",
        "*",
        "+",
        ">>",
        "-",
        "5",
        "0.1",
        "1e-3",
        "nan",
        "inf",
        '"5%"',
        '"3',
        'epochs"',
        "steps",
        "to",
        "shape",
        "None",
        "True",
        ".",
        ":",
        "@",
        ";",
        "lambda",
        "__class__",
        "**",
    ]
)


@given(st.lists(TOKENS, max_size=30).map(" ".join) | st.text(max_size=80))
def test_fuzzed_texts_are_schedules_or_one_clear_error(text: str) -> None:
    try:
        s = ss.parse(text)
    except ss.StepsizeError as error:
        assert "must" in str(error)  # noqa: PT017 - either outcome is right
        return
    assert ss.parse(str(s)) == s


@given(schedules(depth=2), st.data())
def test_damaged_texts_are_schedules_or_one_clear_error(
    s: ss.Schedule, data: st.DataObject
) -> None:
    text = str(s)
    at = data.draw(st.integers(0, len(text)))
    damaged = text[:at] + data.draw(st.sampled_from(["", "(", ")", "0", "-", ",", "*"]))
    damaged += text[at + data.draw(st.integers(0, 2)) :]
    try:
        again = ss.parse(damaged)
    except ss.StepsizeError as error:
        assert "must" in str(error)  # noqa: PT017 - either outcome is right
        return
    assert ss.parse(str(again)) == again


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["kind", "version", "of", "parts", "factor", "steps", "n", "to"]
            ),
            inner
            | st.sampled_from(["chain", "scale", "hold", "warmup", "repeat", "sum", 1]),
            max_size=5,
        )
    ),
    max_leaves=12,
)


@given(PLAIN)
def test_fuzzed_mappings_are_schedules_or_one_clear_error(content: Any) -> None:
    if isinstance(content, dict):
        content = {**content, "version": 1}
    try:
        s = ss.from_dict(content)
    except ss.StepsizeError as error:
        assert "must" in str(error)  # noqa: PT017 - either outcome is right
        return
    assert ss.from_dict(s.to_dict()) == s


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ([], "be a mapping made by to_dict"),
        ({}, "have version 1"),
        ({"version": 2, "kind": "hold"}, "have version 1"),
        ({"version": 1}, 'a mapping with a "kind"'),
        ({"version": 1, "kind": "holt"}, "Phase.kind must be one of"),
        ({"version": 1, "kind": "chain", "parts": []}, 'have a list "parts"'),
        ({"version": 1, "kind": "scale", "factor": "2", "of": {}}, 'number "factor"'),
        (
            {"version": 1, "kind": "hold", "stepz": 3},
            "take arguments of hold|must be left out",
        ),
        ({"version": 1, "kind": "sum", "of": [{"kind": "hold"}]}, "take arguments"),
    ],
)
def test_mappings_that_are_no_schedules(content: Any, words: str) -> None:
    with pytest.raises(ss.InvalidScheduleError, match=words):
        ss.from_dict(content)
