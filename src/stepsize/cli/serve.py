"""`stepsize serve`: the runs below a folder as pages, and who may steer them there."""

import os
import socket
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any, final

import typer
from typer.core import TyperGroup

from stepsize.cli.runs import Folder
from stepsize.cli.steer import seconds_of
from stepsize.errors import FrameworkMissingError, LedgerError, describe

_LOOPBACK = ("127.0.0.1", "localhost", "::1")

Tokens = Annotated[
    Path,
    typer.Option("--tokens", metavar="FILE", help="The file of tokens."),
]


@final
class _Serve(TyperGroup):
    """Takes a folder where the name of a command could stand."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put the command in that is meant where none is named."""
        if not args or args[0] not in (*self.commands, "--help"):
            args = ["runs", *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=_Serve,
    help="Show runs in a browser: stepsize serve [FOLDER]; tokens for those who steer.",
    no_args_is_help=False,
    pretty_exceptions_enable=False,
)


@app.command("runs")
def serve(  # noqa: PLR0917 - typer calls it by name
    folder: Folder = ".",
    host: Annotated[str, typer.Option(help="Address to listen at.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65_535, help="Port; 0: any.")] = 8787,
    tokens: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Only those with a token of this file get in."
        ),
    ] = None,
    steer: Annotated[
        bool, typer.Option("--steer", help="Take commands of operators; with --tokens.")
    ] = False,
    name: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Name the server is called by; repeatable."),
    ] = None,
) -> None:
    """Serve the runs below FOLDER, or in a database, as pages; `runs` may be left out.

    It only reads, and only this machine reaches it, unless it is told otherwise.

    stepsize serve experiments
    """
    if steer and tokens is None:
        hint = "stepsize serve token NAME --role operator --tokens FILE makes one"
        rule = "come with --tokens: nobody steers without a name"
        raise LedgerError(describe("--steer", rule, steer, hint=hint))
    near = host in _LOOPBACK
    if not near and tokens is None:
        rule = f"be one of {', '.join(_LOOPBACK)} without --tokens"
        hint = "others would see all runs; an ssh tunnel needs no other host"
        raise LedgerError(describe("--host", rule, host, hint=hint))
    _check_installed()
    import uvicorn

    from stepsize.cli import screens
    from stepsize.dashboard import Access, create_app
    from stepsize.dashboard.app import LOOPBACK

    access = None if tokens is None else Access(tokens)
    # a name leads here that the owner of another page chose: see `Shield`
    hosts = (*LOOPBACK, *(name or ())) if near else tuple(name or ())
    made = create_app(folder, access=access, steer=steer, hosts=hosts)
    config = uvicorn.Config(
        made,
        host=host,
        port=port,
        log_config=_logging(),
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=1,
        limit_concurrency=2000,
    )

    class Server(uvicorn.Server):
        def handle_exit(self, sig: int, frame: Any) -> None:
            made.close()
            super().handle_exit(sig, frame)

    with _listening(host, port) as listening:
        shown = f"[{host}]" if ":" in host else host
        screens.say(f"http://{shown}:{listening.getsockname()[1]}  (Ctrl-C ends it)")
        if folder == "." and Path("runs").is_dir():
            screens.say(
                "note: all below '.' is shown; `stepsize serve runs runs` shows the "
                "folder 'runs' alone"
            )
        if not near:
            screens.say(
                "without TLS, whoever is between sees tokens: put a proxy before"
            )
        sys.stderr.flush()
        Server(config).run([listening])


def _listening(host: str, port: int) -> socket.socket:
    """Return a socket that is bound.

    Raises:
        LedgerError: The address is none of this machine, or the port is not free.
    """
    made = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind((host, port))
    except OSError as error:
        made.close()
        message = f"{host} port {port} cannot be listened at: {error.strerror}"
        raise LedgerError(f"{message}. hint: --port 0 takes any free port") from error
    return made


@app.command("token")
def token(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="Whose: ada, or ada@node3.")
    ],
    tokens: Tokens,
    role: Annotated[str, typer.Option(help="viewer, operator or admin.")] = "viewer",
    expires: Annotated[
        str | None, typer.Option(help="How long it is good: 12h, 90d; else for ever.")
    ] = None,
) -> None:
    """Make a token, print it once, and keep its digest in a file.

    stepsize serve token ada --role operator --tokens tokens.json
    """
    _check_installed()
    from stepsize.cli import screens
    from stepsize.dashboard.access import add_token

    seconds = None if expires is None else seconds_of(expires, "--expires")
    made = add_token(tokens, name, role, seconds)  # type: ignore[arg-type]  # checked
    screens.say(f"{name} is {role}; shown once, only its digest is in {tokens}:")
    screens.write_data(f"{made}\n", None)


@app.command("revoke")
def revoke(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Whose.")],
    tokens: Tokens,
) -> None:
    """Take a token back; who is logged in with it is logged out.

    stepsize serve revoke ada --tokens tokens.json
    """
    _check_installed()
    from stepsize.cli import screens
    from stepsize.dashboard.access import revoke_token

    revoke_token(tokens, name)
    screens.say(f"{name} has no token any more")


def _check_installed() -> None:
    for name in ("fastapi", "uvicorn", "plotly"):
        if find_spec(name) is None:
            raise FrameworkMissingError(
                f"{name} is not installed. hint: pip install 'stepsize[serve]'"
            )


def _logging() -> dict[str, Any]:
    """Say on stderr who logged in and who asked for what; no token is ever said."""
    level = os.environ.get("STEPSIZE_LOG", "INFO")
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(message)s"}},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
        "loggers": {
            "stepsize.dashboard": {"handlers": ["stderr"], "level": level},
            "uvicorn": {"handlers": ["stderr"], "level": "WARNING"},
        },
    }
