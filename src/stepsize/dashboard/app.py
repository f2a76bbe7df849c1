"""`create_app`: the ASGI app; what serves it is for `stepsize serve`, or any server."""

from __future__ import annotations

import gzip
import importlib.util
import os
from functools import cache
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path

from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.middleware.gzip import GZipMiddleware

from stepsize.dashboard import entering, reading, steering, streaming
from stepsize.dashboard.access import Access
from stepsize.dashboard.desk import LOG, Desk
from stepsize.dashboard.index import Index
from stepsize.dashboard.shield import Shield
from stepsize.errors import (
    FrameworkMissingError,
    LedgerError,
    StepsizeError,
    UnavailableError,
    describe,
)

LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
"""Names of this machine that lead to nobody else's."""

_KINDS = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


def create_app(
    place: str | os.PathLike[str],
    *,
    access: Access | None = None,
    steer: bool = False,
    hosts: tuple[str, ...] = LOOPBACK,
) -> Shield:
    """Return the dashboard of the runs below a place.

    Args:
        place: A folder, or the address of a database.
        access: Who may see and steer. None: whoever reaches it sees all runs.
        steer: Whether commands are taken; only with `access`.
        hosts: Names that the server answers to; () is any.

    Returns:
        An ASGI app; its `close` ends the streams, for when the server stops.

    Raises:
        LedgerError: There are no runs to be had there, or `steer` without `access`.
        FrameworkMissingError: plotly is not installed.
    """
    if steer and access is None:
        hint = "stepsize serve token NAME --tokens FILE makes one"
        rule = "come with tokens: nobody steers without a name"
        raise LedgerError(describe("steer", rule, steer, hint=hint))
    desk = Desk(Index(os.fspath(place)), access, steer)
    app = FastAPI(
        title="stepsize",
        version=version("stepsize"),
        summary="Runs: what their learning rates are, why, and how to change them.",
        openapi_url="/api/openapi.json",
        docs_url=None,  # their pages load scripts from elsewhere
        redoc_url=None,
    )
    for part in (entering, reading, steering, streaming):
        app.include_router(part.routes(desk))
    app.include_router(reading.for_prometheus(desk))
    _add_pages(app)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(StepsizeError, _failed)
    app.add_middleware(GZipMiddleware, minimum_size=2000, compresslevel=5)
    return Shield(app, tuple(one.lower() for one in hosts), desk.ending.set)


def _add_pages(app: FastAPI) -> None:
    """Add the page and what it loads: files of this package, and plotly's script."""
    folder = files("stepsize.dashboard").joinpath("static")
    known = {
        one.name: one.read_bytes()
        for one in folder.iterdir()
        if Path(one.name).suffix in _KINDS
    }
    script = _plotly()

    @app.get("/", include_in_schema=False)
    def get_page() -> Response:
        return Response(known["index.html"], media_type=_KINDS[".html"])

    @app.get("/static/plotly.min.js", include_in_schema=False)
    def get_plotly(request: Request) -> Response:
        headers = {"cache-control": "max-age=86400", "vary": "accept-encoding"}
        kind = _KINDS[".js"]
        if "gzip" not in request.headers.get("accept-encoding", ""):
            return Response(gzip.decompress(script), 200, headers, kind)
        return Response(script, 200, headers | {"content-encoding": "gzip"}, kind)

    @app.get("/static/{name}", include_in_schema=False)
    def get_static(name: str) -> Response:
        if name not in known or name == "index.html":
            raise HTTPException(404, "there is no such file")
        headers = {"cache-control": "no-cache"}
        return Response(known[name], 200, headers, _KINDS[Path(name).suffix])


@cache
def _plotly() -> bytes:
    """Return plotly's script, compressed."""
    found = importlib.util.find_spec("plotly")
    if found is None or found.origin is None:
        raise FrameworkMissingError(
            "the dashboard needs plotly. hint: pip install 'stepsize[serve]'"
        )
    path = Path(found.origin).parent / "package_data" / "plotly.min.js"
    return gzip.compress(path.read_bytes(), 6)


async def _invalid(_: Request, error: Exception) -> JSONResponse:
    """Say what is wrong with a request in one line, without repeating its values."""
    listed = error.errors() if isinstance(error, RequestValidationError) else []
    said = [
        f"{'.'.join(str(part)[:60] for part in one['loc'])}: {one['msg'][:200]}"
        for one in listed[:5]
    ]
    return JSONResponse({"detail": "; ".join(said)}, 422)


async def _failed(request: Request, error: Exception) -> JSONResponse:
    """Say that records are damaged, or cannot be read."""
    LOG.error("%s %s: %s", request.method, request.url.path, error)
    status = 503 if isinstance(error, UnavailableError) else 409
    return JSONResponse({"detail": str(error)}, status)
