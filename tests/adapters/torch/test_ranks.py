"""Several real processes decide together; what one of them does alone is found.

The processes are those of rank_calls.py and rank_training.py.
"""

import json
import math
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stepsize.adapters.torch.ranks import Ranks
from stepsize.adapters.torch.together import differing, reduced
from stepsize.errors import AdapterError

ROOT = Path(__file__).parents[3]
SIZES = [2, pytest.param(4, marks=pytest.mark.slow)]


def outcomes(script: str, folder: Path, *args: object) -> Any:
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            f"tests.adapters.torch.{script}",
            folder,
            *map(str, args),
        ],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def disagreement(found: list[Any], *said: str) -> bool:
    """Whether all ranks raised the same error, which says so."""
    assert {one["error"] for one in found} == {"RanksDisagreeError"}, found
    assert len({one["text"] for one in found}) == 1, found
    text = found[0]["text"]
    assert all(part in text for part in said), text
    return True


# --- the calls --------------------------------------------------------------------


@pytest.mark.parametrize("size", SIZES)
def test_calls_reach_all_ranks(tmp_path: Path, size: int) -> None:
    ranks = outcomes("rank_calls", tmp_path, size, "calls")
    assert [one["is"] for one in ranks] == [[rank, size] for rank in range(size)]
    last = size - 1
    others = "rank 0" if size == 2 else "ranks 0, 1 and 2"

    def each(name: str) -> list[Any]:
        return [one[name] for one in ranks]

    def same(name: str) -> Any:
        first, *rest = each(name)
        assert all(json.dumps(one) == json.dumps(first) for one in rest), name
        return first

    mean = sum(range(1, size + 1)) / size
    assert same("order") == {"loss": mean, "norm": 0.1}
    without_last = sum(range(1, size)) / (size - 1)
    assert same("partial") == {"loss": without_last, "norm": 0.1, "val_loss": 2.0}
    assert same("nothing") == {}
    assert math.isnan(same("nan")["loss"])
    assert same("inf") == {"loss": math.inf}
    assert math.isnan(same("nan max")["loss"])
    ways = {"a": mean * size, "b": size, "c": 1.0, "d": 1.0, "e": mean}
    assert same("ways") == ways
    assert same("many") == 99 * last
    assert same("unknown")["error"] == "AdapterError"

    shared = same("share")
    assert shared["list"] == [1, 0.1, None, True, math.inf]
    assert (shared["rank"], len(shared["text"])) == (0, 5000)
    assert same("none") is None
    assert same("once") == "made on 0"
    for name, error in (("object", "TypeError"), ("failed", "ZeroDivisionError")):
        first, *rest = each(name)
        assert first["error"] == error
        for one in rest:
            assert one["error"] == "AdapterError"
            assert f"have a value of rank 0; got '{error}: " in one["text"]

    assert same("agree") is None
    said = f"'events': [1, 2, 3, 4] on rank {last}, [1, 2, 3] on {others}."
    assert disagreement(each("planted"), "at update 7; got " + said)
    assert disagreement(each("late"), "word xword word", others)
    assert disagreement(
        each("missing"), "'events': ", "nothing on rank 0", "'policies'"
    )
    assert disagreement(each("types"), "'lr': ", "1.0 on rank 0")
    decided = f"'decision': ['a cut'] on rank {last}, [] on rank 0 at update 8."
    assert disagreement(each("pending"), decided)
    call = f"'call': barrier on rank {last}, reduce(mean) on {others}."
    assert disagreement(each("call"), call)
    assert disagreement(
        each("update"),
        f"reduce(mean) of update 8 on rank {last}",
        f"reduce(mean) of update 7 on {others}",
    )
    assert disagreement(each("how"), f"reduce(sum) on rank {last}, reduce(mean)")

    assert same("after") == {"loss": 1.0}
    for name in ("copy", "pickle"):
        text = f"size={size}, check_every=100, timeout_seconds=30.0)"
        assert all(text in one for one in each(name))
        assert same(f"{name} works") == {"loss": mean}
    if size == 2:
        assert each("subset") == [[0, 2, 0, {"loss": 0.5}], [1, 2, 0, {"loss": 0.5}]]
    else:
        *outside, third, fourth = each("subset")
        assert [third, fourth] == [[0, 2, 2, {"loss": 2.5}], [1, 2, 2, {"loss": 2.5}]]
        rule = "Ranks.group must be a group that this process is in"
        assert all(rule in one["text"] for one in outside)


@pytest.mark.slow
@pytest.mark.parametrize(("how", "most"), [("stopped", 5.0), ("killed", 2.0)])
def test_a_lost_rank_is_an_error_within_the_timeout(
    tmp_path: Path, how: str, most: float
) -> None:
    *found, lost = outcomes("rank_calls", tmp_path, 3, how)
    assert lost == ("SIGKILL" if how == "killed" else None)
    for one in found:
        assert one["error"] == "AdapterError"
        assert "Ranks must all be alive, and come within 2 s; got" in one["text"]
        assert one["seconds"] < most


def test_a_process_alone_is_no_group() -> None:
    assert Ranks.here() is None
    with pytest.raises(AdapterError, match=r"after torch\.distributed.init_process_gr"):
        Ranks()


@pytest.mark.parametrize("value", [0, True, 1.5])
def test_the_interval_is_checked(value: Any) -> None:
    with pytest.raises(AdapterError, match=r"Ranks\.check_every must be an int >= 1"):
        Ranks(check_every=value)


@pytest.mark.parametrize("value", [0, -1.0, math.nan])
def test_the_timeout_is_checked(value: float) -> None:
    with pytest.raises(AdapterError, match=r"Ranks\.timeout_seconds must be > 0"):
        Ranks(timeout_seconds=value)


# --- values -----------------------------------------------------------------------


FLOATS = st.lists(st.floats(allow_nan=False), min_size=1, max_size=9)
WAYS = st.sampled_from(["mean", "sum", "max", "min"])


@given(FLOATS, WAYS, st.randoms())
def test_the_order_of_ranks_does_not_matter(
    values: list[float], how: str, draw: Any
) -> None:
    before = reduced(values, how)
    draw.shuffle(values)
    after = reduced(values, how)
    assert after == before or (math.isnan(after) and math.isnan(before))


@given(FLOATS, WAYS, st.integers(0, 9))
def test_one_nan_is_seen(values: list[float], how: str, at: int) -> None:
    values.insert(at, math.nan)
    assert math.isnan(reduced(values, how))


@given(st.floats(allow_nan=False), st.integers(1, 9))
def test_the_mean_of_equal_values_is_that_value(value: float, size: int) -> None:
    assert reduced([value] * size, "mean") == value


def test_infinities_and_overflow() -> None:
    inf, big = math.inf, 1.7e308
    assert reduced([1.0, inf], "mean") == inf
    assert reduced([1.0, -inf], "sum") == -inf
    assert math.isnan(reduced([inf, -inf], "mean"))
    assert reduced([big, big, 1.0], "mean") == pytest.approx(big / 3 * 2)
    assert reduced([big, big], "sum") == inf
    assert reduced([big, big, -big], "sum") == pytest.approx(big)
    assert reduced([1.0, math.nan], "first") == 1.0


def test_what_differs_is_shown_from_there_on() -> None:
    text = "a" * 500
    said = differing("events", [text + "b" + text, text + "c" + text, None, None])
    shown = "..." + "a" * 20 + "{}" + "a" * 59 + "... on rank {}"
    assert shown.format("b", 0) not in said  # "nothing" differs before
    said = differing("events", [text + "b" + text, text + "c" + text])
    expected = f"'events': {shown.format('c', 1)}, {shown.format('b', 0)}"
    assert said == expected


# --- trainings --------------------------------------------------------------------


def together(found: list[Any], updates: int) -> Any:
    """Check that all ranks came to the end alike, to the bit; return the first."""
    first, *rest = found
    assert list(first["rates"]) == [str(update) for update in range(updates)], first
    for one in rest:
        for update, rates in one["rates"].items():
            assert rates == first["rates"][update], update
        assert one == first
    return first


def test_two_ranks_decide_alike(tmp_path: Path) -> None:
    found = together(outcomes("rank_training", tmp_path, "short", 2), 120)
    assert {"operator", "policy:on loss"} <= {one["source"] for one in found["events"]}


@pytest.mark.slow
def test_four_ranks_never_disagree_in_1000_randomised_steps(tmp_path: Path) -> None:
    found = together(outcomes("rank_training", tmp_path, "randomised", 4), 1000)
    sources = {one["source"] for one in found["events"]}
    assert {"operator", "policy:on loss", "policy:plateau", "policy:greedy"} <= sources
    changes = sum(a != b for a, b in pairwise(found["rates"].values()))
    assert changes > 500


@pytest.mark.slow
@pytest.mark.parametrize("size", [2, 4])
def test_an_event_on_one_rank_is_found_and_named(tmp_path: Path, size: int) -> None:
    hidden = outcomes("rank_training", tmp_path / "hidden", "hidden", size)
    others = "rank 0" if size == 2 else "ranks 0, 2 and 3"
    assert disagreement(
        hidden, "at update 150; got 'events': ", " on rank 1, ", f"[] on {others}"
    )
    assert [one["update"] for one in hidden] == [150] * size
    # or earlier, if a policy on that rank decides otherwise because of it
    planted = outcomes("rank_training", tmp_path / "planted", "planted", size)
    assert disagreement(
        planted, "'decision': ", " on rank 1, ", " on rank 0 at update 1"
    )
    assert all(120 < one["update"] < 150 for one in planted)


@pytest.mark.slow
@pytest.mark.parametrize("size", [2, 4])
def test_a_loss_that_breaks_on_one_rank_rewinds_all(tmp_path: Path, size: int) -> None:
    found = together(outcomes("rank_training", tmp_path, "rewinding", size), 60)
    # losses of several updates are exchanged at once: at the next look, here at 40
    assert found["rewound"] == [[40, 30]]
    assert [one["kind"] for one in found["events"]] == ["rewind", "scale"]
    weights = [one for row in found["weights"][0] for one in row]
    assert all(map(math.isfinite, weights + found["weights"][1]))


@pytest.mark.slow
def test_an_observation_on_one_rank_alone_does_not_hang(tmp_path: Path) -> None:
    first, second = outcomes("rank_training", tmp_path, "alone", 2)
    assert first["error"] == "AdapterError"
    assert (
        "step, observe and load_state_dict are calls for all of them" in first["text"]
    )
    assert "error" in second
    assert max(first["seconds"], second["seconds"]) < 20


@pytest.mark.slow
def test_an_observation_on_one_rank_alone_is_named(tmp_path: Path) -> None:
    found = outcomes("rank_training", tmp_path, "apart", 2)
    assert disagreement(
        found,
        "reduce(mean) of update 10 on rank 0",
        "reduce(mean) of update 17 on rank 1",
    )


@pytest.mark.slow
def test_a_policy_that_raises_raises_on_all_ranks(tmp_path: Path) -> None:
    first, second = outcomes("rank_training", tmp_path, "failing", 2)
    assert first["error"] == "StepsizeError"
    assert second["error"] == "AdapterError"
    assert "got 'StepsizeError: " in second["text"]
    assert max(first["seconds"], second["seconds"]) < 8


@pytest.mark.slow
@pytest.mark.parametrize(("size", "after"), [(4, 2), (2, 4), (2, 1)])
def test_a_killed_group_goes_on_at_another_size(
    tmp_path: Path, size: int, after: int
) -> None:
    found = outcomes("rank_training", tmp_path, "killed", size, after)
    seconds = [one.pop("seconds") for one in found[f"whole {size}"]]
    assert len(seconds) == size
    whole = together(found[f"whole {size}"], 80)
    *broken, killed = found[f"run {size}"]
    assert killed == "SIGKILL"
    for one in broken:
        assert one["error"] in ("AdapterError", "RuntimeError")
        assert one["seconds"] < 10
    for one in found[f"run {after}"]:
        assert one["rates"] == {
            update: rates
            for update, rates in whole["rates"].items()
            if int(update) >= 30
        }
        assert one["events"] == whole["events"]
        assert one["weights"] == whole["weights"]
