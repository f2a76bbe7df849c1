"""The user's own training function: found, called, and what it returns checked.

    def train(schedule, *, total_steps, seed, policies=(), report):
        ...
        return {"val": 0.91, "test": 0.9, "direction": "max", "updates": total_steps}

Not here: the processes it runs in (engines/), what its results mean (summary.py).
"""

import hashlib
import importlib.util
import inspect
import io
import os
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Mapping
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, final

from stepsize.errors import ProofError, describe
from stepsize.proof.arms import Arm
from stepsize.proof.cells import Planned, Returned, usable
from stepsize.proof.curves import CurveRecorder
from stepsize.proof.printed import kept_off, tail
from stepsize.proof.results import Status, write_whole

KEYS = ("val", "test", "direction", "updates")
"""What a training function returns."""

SIGNATURE = "train(schedule, *, total_steps, seed, policies=(), report)"
_GIVEN = ("total_steps", "seed", "policies", "average", "report")
_OPTIONAL = ("policies", "average")
_HINT = f"write it as {SIGNATURE}"
_OUTPUT_LINES = 5


@final
@dataclass(frozen=True, slots=True)
class TrainFunction:
    """A training function by where it is, so that other processes can load it.

    Attributes:
        name: FILE:FUNCTION, or the name of the callable.
        path: The file it is in; None for a callable.
        call: The callable; None for a file.
        changed: When the file was last changed, so that an edit is seen by processes
            that have imported it before. Unit: ns since the epoch.
    """

    name: str
    path: Path | None = None
    call: Callable[..., Any] | None = None
    changed: int = 0

    @classmethod
    def find(cls, source: str | Callable[..., Any]) -> "TrainFunction":
        """Find a function by `my_script.py:train`, or take a callable.

        Raises:
            ProofError: There is no such file or function, it cannot be imported, or
                it does not take the arguments of a training function.
        """
        if not isinstance(source, str):
            found = cls(getattr(source, "__name__", type(source).__name__), call=source)
        else:
            file, colon, function = source.rpartition(":")
            if not colon or not function.isidentifier():
                raise ProofError(
                    describe(
                        "compare.subject",
                        "be a workload or FILE.py:FUNCTION",
                        source,
                        hint="for a function of yours write my_script.py:train",
                    )
                )
            path = Path(file)
            if not path.is_file():
                raise ProofError(
                    describe(
                        "compare.subject",
                        "name a Python file that exists",
                        file,
                        hint=f"looked in {Path.cwd()}",
                    )
                )
            found = cls(
                f"{path.name}:{function}",
                path=path.resolve(),
                changed=path.stat().st_mtime_ns,
            )
        _check_signature(found)
        return found

    def load(self) -> Callable[..., Any]:
        """Return the callable, importing its file if this process has not yet.

        Raises:
            ProofError: The file cannot be imported or lacks the function.
        """
        if self.call is not None:
            return self.call
        if self.path is None:
            raise ProofError("TrainFunction must have a path or a callable.")
        function = self.name.rpartition(":")[2]
        found = getattr(import_file(self.path, self.changed), function, None)
        if not callable(found):
            raise ProofError(
                describe(
                    f"{self.path.name}",
                    f"define the function {function}",
                    found,
                    hint=_HINT,
                )
            )
        return found  # type: ignore[no-any-return]  # the user's, checked when called

    def check_arm(self, arm: Arm) -> None:
        """Refuse an arm with something that the function does not take.

        Raises:
            ProofError: It has policies or an average, for which there is no keyword;
                or another optimizer.
        """
        if arm.optimizer is not None:
            hint = "make that optimizer in a function of its own, or leave the arm out"
            rule = f"be a workload where an arm ({arm.name!r}) replaces the optimizer"
            raise ProofError(describe("compare.subject", rule, self.name, hint=hint))
        call = self.load()
        for name in _OPTIONAL:
            if getattr(arm, name) and not _takes(call, name):
                hint = f"add {name} to its keywords and use them, or leave the arm out"
                rule = f"take the keyword {name}, which arm {arm.name!r} has"
                given = str(inspect.signature(call))
                raise ProofError(describe(self.name, rule, given, hint=hint))

    def identity(self) -> Mapping[str, str]:
        """Return a digest of its file, and of what that imports from its folder.

        Raises:
            ProofError: It is a callable, which has no file to be told apart by.
        """
        if self.path is None:
            hint = "name it as my_script.py:train, or leave the store out"
            rule = "be in a file of its own where runs are stored"
            raise ProofError(describe("compare.subject", rule, self.name, hint=hint))
        return {"function": self.name, "code": _digest(self.files())}

    def files(self) -> dict[str, bytes]:
        """Return its file, and what that has imported from its folder, by name."""
        if self.path is None:
            return {}
        self.load()
        paths = {self.path, *_imported_from(self.path.parent)}
        return {path.name: path.read_bytes() for path in sorted(paths)}

    def unpacked(self, files: Mapping[str, bytes]) -> "TrainFunction":
        """Return it on a machine that may lack its files: they are put beside Python's.

        Args:
            files: From `files`, made where they are.
        """
        if self.path is None or (
            self.path.is_file() and self.path.read_bytes() == files[self.path.name]
        ):
            return self
        folder = Path(tempfile.gettempdir()) / f"stepsize-{_digest(files)[:16]}"
        folder.mkdir(exist_ok=True)
        for name, content in files.items():
            write_whole(content, folder / name)
        return replace(self, path=folder / self.path.name)

    def train(self, planned: Planned) -> Returned:
        """Make one run; whatever it raises becomes its reason.

        What the function prints is kept off the terminal; its last lines are part of
        the reason if it fails. A KeyboardInterrupt is its own: the processes that make
        runs do not get that of the terminal.
        """
        curves, process = CurveRecorder(), os.getpid()
        given: dict[str, Any] = {
            "total_steps": planned.total_steps,
            "seed": planned.seed,
            "report": curves.report,
        }
        seconds: float | None = None
        with kept_off() as printed:
            try:
                self.load()  # once a process: what it imports is no part of an update
                started = time.perf_counter()
                returned = _call(self, planned, given)
                seconds = time.perf_counter() - started
            except BaseException as error:
                # SystemExit and the like too: a run that ends the process has failed.
                returned = Returned(
                    status="error",
                    reason=reason_of(error, self, tail(printed)),
                    traceback=_traceback(error),
                )
            if os.getpid() != process:
                os._exit(1)  # a copy that the function forked and let return
        return replace(returned, seconds=seconds, curves=curves.curves())


def _call(function: TrainFunction, planned: Planned, given: dict[str, Any]) -> Returned:
    """Call the function and check what it returns."""
    call = function.load()
    for name, value in (
        ("policies", planned.arm.policies),
        ("average", planned.arm.average),
    ):
        if _takes(call, name):
            given[name] = value
    rates = planned.schedule.resolve(total_steps=planned.total_steps)
    return _read(call(rates, **given), planned.total_steps)


def _read(result: object, total_steps: int) -> Returned:
    """Check what a training function returned.

    Raises:
        ProofError: It is not the mapping asked for.
    """
    missing = (
        list(KEYS)
        if not isinstance(result, Mapping)
        else [key for key in KEYS if key not in result]
    )
    if not isinstance(result, Mapping) or missing:
        raise ProofError(
            describe("returned value", f"be a dict with {', '.join(KEYS)}", result)
        )
    direction = result["direction"]
    if direction not in ("min", "max"):
        raise ProofError(describe("returned direction", "be 'min' or 'max'", direction))
    val, test = _number(result, "val"), _number(result, "test")
    updates = _number(result, "updates")
    if not updates.is_integer() or updates < 0:
        raise ProofError(
            describe(
                "returned updates", "be an int >= 0 (unit: updates)", result["updates"]
            )
        )
    status: Status = "finished"
    reason = ""
    if not usable(val):
        status, reason = "diverged", f"val is {val:g}"
    elif updates != total_steps:
        status = "unequal_budget"
        reason = f"made {int(updates)} updates instead of {total_steps}"
    return Returned(
        status=status,
        reason=reason,
        val=val if usable(val) else None,
        test=test if usable(test) else None,
        direction=str(direction),
        updates=int(updates),
    )


def _number(result: Mapping[str, Any], key: str) -> float:
    """Read a number: Python's, or an array or a tensor of one element."""
    value = result[key]
    try:
        if isinstance(value, str | bytes):
            raise TypeError
        return float(value.item() if hasattr(value, "item") else value)
    except (TypeError, ValueError, RuntimeError) as error:
        raise ProofError(describe(f"returned {key}", "be a number", value)) from error


def reason_of(error: BaseException, function: TrainFunction, output: str) -> str:
    """Word a failure: the error, where in the user's files, the last output."""
    what = "".join(traceback.format_exception_only(error)).strip()
    trace = traceback.extract_tb(error.__traceback__)
    frames = [frame for frame in trace if frame.filename != __file__]
    where = [f"  {Path(f.filename).name}:{f.lineno} in {f.name}" for f in frames[-3:]]
    said = [f"  | {line}" for line in output.splitlines()[-_OUTPUT_LINES:]]
    return "\n".join([what, *where, *said])


def _digest(files: Mapping[str, bytes]) -> str:
    digest = hashlib.sha256()
    for name in sorted(files):
        digest.update(f"{name} {len(files[name])}\n".encode() + files[name])
    return digest.hexdigest()


def _traceback(error: BaseException) -> str:
    """Write a traceback in which files are named without their folders."""
    found = traceback.TracebackException.from_exception(error)
    links: list[traceback.TracebackException | None] = [found]
    while links:
        link = links.pop()
        if link is not None:
            for frame in link.stack:
                frame.filename = Path(frame.filename).name
            links += [link.__cause__, link.__context__]
    return "".join(found.format()).rstrip()


def _imported_from(folder: Path) -> set[Path]:
    """Return the files in a folder that this process has imported modules from."""
    files = [getattr(module, "__file__", None) for module in list(sys.modules.values())]
    paths = {Path(file).resolve() for file in files if file}
    return {path for path in paths if path.parent == folder and path.is_file()}


@lru_cache(maxsize=8)
def import_file(path: Path, changed: int) -> Any:
    """Import a file by its path, its folder on `sys.path` as for `python FILE`.

    Args:
        path: The file.
        changed: Part of the key under which the module is remembered.

    Raises:
        ProofError: Its import raises.
    """
    del changed
    folder = str(path.parent)
    if folder not in sys.path:
        sys.path.insert(0, folder)
    name = f"_stepsize_script_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ProofError(describe("compare.subject", "name a .py file", path.name))
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses and pickle look there
    output = io.StringIO()
    try:
        with redirect_stdout(output), redirect_stderr(output):
            spec.loader.exec_module(module)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        del sys.modules[name]
        reason = reason_of(error, TrainFunction(path.name, path), output.getvalue())
        raise ProofError(f"{path.name} could not be imported: {reason}") from error
    return module


def _check_signature(function: TrainFunction) -> None:
    """Refuse a function that cannot be called as a training function.

    Raises:
        ProofError: It lacks an argument, or needs one that it would not get.
    """
    call = function.load()
    try:
        parameters = list(inspect.signature(call).parameters.values())
    except (TypeError, ValueError):  # written in C: it shows when it is called
        return
    given = [name for name in _GIVEN if _takes(call, name)]
    missing = [n for n in _GIVEN if n not in given and n not in _OPTIONAL]
    unknown = [
        p.name
        for p in parameters[1:]
        if p.default is p.empty
        and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)
        and p.name not in given
    ]
    if not parameters or missing or unknown:
        rule = "take a schedule and the keywords total_steps, seed, report"
        raise ProofError(
            describe(function.name, rule, str(inspect.signature(call)), hint=_HINT)
        )


def _takes(call: Callable[..., Any], name: str) -> bool:
    """Whether a callable takes the keyword `name`."""
    try:
        parameters = inspect.signature(call).parameters
    except (TypeError, ValueError):
        return True
    if any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
        return True
    found = parameters.get(name)
    return found is not None and found.kind in (
        found.POSITIONAL_OR_KEYWORD,
        found.KEYWORD_ONLY,
    )
