"""Runs the command line as a user does."""

import sys
from pathlib import Path

import pytest

from stepsize.cli import main


class Terminal:
    """The command line in an empty folder, without colour."""

    def __init__(
        self,
        patch: pytest.MonkeyPatch,
        captured: pytest.CaptureFixture[str],
        folder: Path,
        columns: int = 100,
    ) -> None:
        self._patch, self._captured = patch, captured
        patch.chdir(folder)
        patch.setenv("NO_COLOR", "1")
        self.resize(columns)

    def resize(self, columns: int) -> None:
        self._patch.setenv("COLUMNS", str(columns))

    def __call__(self, *args: str) -> tuple[int, str, str]:
        """Give the exit status, stdout and stderr."""
        self._patch.setattr(sys, "argv", ["stepsize", *args])
        with pytest.raises(SystemExit) as stop:
            main()
        out, err = self._captured.readouterr()
        code = stop.value.code
        return (code if isinstance(code, int) else 0), out, err
