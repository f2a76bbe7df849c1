import os
import re
import textwrap
from pathlib import Path

import pytest

import stepsize as ss
from stepsize.errors import ProofError
from stepsize.proof.arms import Arm
from stepsize.proof.cells import Planned, Returned
from stepsize.proof.functions import TrainFunction, import_file

PLANNED = Planned(Arm("flat", ss.hold()), 0.1, seed=3, total_steps=5)
GOOD = "{'val': 1.0, 'test': 2.0, 'direction': 'min', 'updates': total_steps}"


def write(folder: Path, body: str, name: str = "script.py") -> str:
    """Write a script whose `train` has this body and return FILE:train."""
    head = "def train(schedule, *, total_steps, seed, policies=(), report):\n"
    path = folder / name
    path.write_text(head + textwrap.indent(textwrap.dedent(body), "    "))
    return f"{path}:train"


@pytest.mark.parametrize("val", ["1e308", "-1e101", "float('inf')", "float('nan')"])
def test_a_run_that_exploded_has_diverged(tmp_path: Path, val: str) -> None:
    returned = once(tmp_path, f"return {GOOD.replace('1.0', val)}")
    assert (returned.status, returned.val) == ("diverged", None)
    assert returned.reason.startswith("val is ")


def test_an_array_of_one_element_is_a_number(tmp_path: Path) -> None:
    body = f"""
        import numpy as np
        return {GOOD.replace("2.0", "np.array([2.0])")}
        """
    assert once(tmp_path, body).test == 2.0


def test_what_a_script_imports_is_no_part_of_an_update(tmp_path: Path) -> None:
    train = write(tmp_path, f"return {GOOD}")
    path = tmp_path / "script.py"
    path.write_text("import time\ntime.sleep(1.0)\n" + path.read_text())
    function = TrainFunction.find(train)
    import_file.cache_clear()  # as in a process that has not imported it yet
    first, second = function.train(PLANNED), function.train(PLANNED)
    assert first.seconds is not None
    assert second.seconds is not None
    assert first.seconds < 0.5


def once(folder: Path, body: str) -> Returned:
    return TrainFunction.find(write(folder, body)).train(PLANNED)


def test_a_run_gets_what_it_was_promised(tmp_path: Path) -> None:
    returned = once(
        tmp_path,
        """
        assert str(schedule.schedule) == "0.1 * hold()", schedule
        assert schedule.total_steps == total_steps
        assert schedule(0) == schedule.resolve(total_steps=total_steps)(4) == 0.1
        assert (total_steps, seed, policies) == (5, 3, ())
        report(1, loss=0.5)
        return {'val': 1, 'test': 2.5, 'direction': 'max', 'updates': 5}
        """,
    )
    assert returned.status == "finished", returned.reason
    assert (returned.val, returned.test, returned.direction) == (1.0, 2.5, "max")
    assert [curve.metric for curve in returned.curves] == ["loss"]


@pytest.mark.parametrize(
    ("body", "status", "reason"),
    [
        ("raise ValueError('no data')", "error", r"ValueError: no data\n.*script.py:2"),
        ("raise SystemExit(3)", "error", "SystemExit: 3"),
        ("raise KeyboardInterrupt", "error", "KeyboardInterrupt"),
        ("print('hello'); 1 / 0", "error", r"ZeroDivisionError[\s\S]*\| hello"),
        ("return None", "error", "be a dict with val, test, direction, updates"),
        ("return {'val': 1.0}", "error", "be a dict with val, test"),
        (f"return {GOOD} | {{'val': 'low'}}", "error", "returned val must be a number"),
        (f"return {GOOD} | {{'direction': 'up'}}", "error", "must be 'min' or 'max'"),
        (f"return {GOOD} | {{'updates': 2.5}}", "error", "returned updates must be an"),
        (f"return {GOOD} | {{'val': float('nan')}}", "diverged", "val is nan"),
        (f"return {GOOD} | {{'val': float('inf')}}", "diverged", "val is inf"),
        (f"return {GOOD} | {{'updates': 4}}", "unequal_budget", "4 updates instead of"),
        ("report('x', loss=1)", "error", r"report\.update must be an int"),
    ],
)
def test_what_goes_wrong_is_a_run_with_a_reason(
    tmp_path: Path, body: str, status: str, reason: str
) -> None:
    returned = once(tmp_path, body)
    assert returned.status == status
    assert re.search(reason, returned.reason), returned.reason


def test_texts_of_numpy_are_texts(tmp_path: Path) -> None:
    body = f"""
        import numpy as np
        report(1, **{{np.str_("loss"): np.float32(0.5)}})
        return {GOOD.replace("'min'", "np.str_('min')")}
        """
    returned = once(tmp_path, body)
    assert returned.status == "finished", returned.reason
    assert type(returned.direction) is str
    assert [type(curve.metric) for curve in returned.curves] == [str]


def test_what_a_run_prints_stays_off_the_terminal(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    print("before")
    returned = once(
        tmp_path,
        """
        import os, subprocess, sys
        print("one", seed)
        os.write(1, b"two\\n")
        subprocess.run(["echo", "three"])
        sys.stderr.write("four\\n")
        sys.stdout.buffer.write(b"five\\n")
        raise ValueError("no data")
        """,
    )
    print("after")
    assert returned.reason.splitlines()[-5:] == [
        "  | one 3",
        "  | two",
        "  | three",
        "  | four",
        "  | five",
    ]
    assert capfd.readouterr() == ("before\nafter\n", "")


def test_a_run_may_close_what_it_prints_to(tmp_path: Path) -> None:
    returned = once(tmp_path, f"import sys; sys.stdout.close(); return {GOOD}")
    assert returned.status == "finished", returned.reason
    print("the stream is whole again")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_copy_that_a_run_forked_and_let_return_is_ended(tmp_path: Path) -> None:
    body = f"""
        import os
        child = os.fork()
        if child:
            _, status = os.waitpid(child, 0)
        return {GOOD} | {{'val': float(os.waitstatus_to_exitcode(status))}}
        """
    assert once(tmp_path, body).val == 1.0


def test_policies_may_be_left_out(tmp_path: Path) -> None:
    path = tmp_path / "short.py"
    path.write_text(
        f"def go(schedule, *, total_steps, seed, report):\n    return {GOOD}\n"
    )
    returned = TrainFunction.find(f"{path}:go").train(PLANNED)
    assert returned.status == "finished"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = 1", r"script\.py must define the function train"),
        ("train = 3", r"script\.py must define the function train"),
        ("def train(schedule): ...", "total_steps, seed, report"),
        ("def train(s, *, total_steps, seed, report, model): ...", "must take"),
        ("def train(", r"could not be imported: .*SyntaxError|SyntaxError"),
        ("import nowhere_at_all", "could not be imported: ModuleNotFoundError"),
        ("raise SystemExit", "could not be imported: SystemExit"),
    ],
)
def test_a_script_that_cannot_be_used_says_why(
    tmp_path: Path, text: str, message: str
) -> None:
    path = tmp_path / "script.py"
    path.write_text(text)
    with pytest.raises(ProofError, match=message):
        TrainFunction.find(f"{path}:train")


@pytest.mark.parametrize("source", ["script.py", "script.py:", "a:b c", ":", "x:y:"])
def test_a_name_that_is_no_function(source: str) -> None:
    with pytest.raises(ProofError, match=r"must be a workload or FILE\.py:FUNCTION"):
        TrainFunction.find(source)


def test_a_missing_file_says_where_it_looked(tmp_path: Path) -> None:
    with pytest.raises(ProofError, match=r"Python file that exists.*hint: looked in"):
        TrainFunction.find(f"{tmp_path}/nothing.py:train")
