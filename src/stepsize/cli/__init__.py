"""The command line: one file per command; errors are handled here and nowhere else.

A command imports what it needs when it runs, so that `stepsize --help` is quick. Data
goes to stdout, messages to stderr; exit codes: 0 done, 1 failed, 2 wrong usage, 130
interrupted. With STEPSIZE_TRACEBACK=1 in the environment, errors keep their traceback.
"""

import os
import sys

__all__ = ["main"]


def main() -> None:
    """Run the command line; whatever goes wrong becomes one clear message."""
    try:
        from stepsize.cli.app import app

        app()
    except KeyboardInterrupt:
        _fail("interrupted", code=130)
    except Exception as error:
        if os.environ.get("STEPSIZE_TRACEBACK"):
            raise
        from stepsize.errors import StepsizeError

        if isinstance(error, StepsizeError):
            message, _, hint = str(error).partition(" hint: ")
            _fail(f"error: {message}", hint=hint)
        # Not foreseen, so a fault of stepsize's: still no traceback unless asked for.
        _fail(
            f"error: unexpected {type(error).__name__}: {error}",
            hint="STEPSIZE_TRACEBACK=1 shows where; please report it",
        )


def _fail(message: str, *, hint: str = "", code: int = 1) -> None:
    """Print to stderr and exit."""
    sys.stderr.write(f"{message}\n")
    if hint:
        sys.stderr.write(f"hint:  {hint}\n")
    sys.exit(code)
