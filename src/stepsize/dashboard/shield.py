"""`Shield`: what holds for every request and answer, whatever it is about."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, final

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

SAFE = ("GET", "HEAD", "OPTIONS")
"""Methods that change nothing."""

MOST_BYTES = 64 * 1024
"""Bytes that the body of a request may have."""

# plotly adds an empty style element, which it then fills rule by rule: this is the
# digest of no text at all, so that no style that somebody wrote is let in
_EMPTY = "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="

HEADERS = {
    "content-security-policy": (
        "default-src 'self'; img-src 'self' data:; object-src 'none'; "
        f"style-src 'self' '{_EMPTY}'; "
        "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}


@final
class Shield:
    """An ASGI app around another one.

    It refuses bodies that are too long, as they come; changes that a page elsewhere
    asks for; and names of hosts that are not this server's: a page elsewhere could have
    its own name lead here (DNS rebinding).

    Args:
        app: The app inside.
        hosts: Names by which the server is called; () is any.
        close: Ends the streams: a server that stops would wait for them.
    """

    def __init__(
        self, app: Any, hosts: tuple[str, ...], close: Callable[[], None]
    ) -> None:
        self._app = app
        self._hosts = hosts
        self.close = close

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = {name.lower(): value for name, value in scope["headers"]}
        host = headers.get(b"host", b"").decode("latin-1").lower()
        if self._hosts and _without_port(host) not in self._hosts:
            await _refuse(send, 421, f"this server is not called {host[:100]}")
            return
        if scope["method"] not in SAFE and not _own(headers, host):
            await _refuse(send, 403, "it does not come from a page of this server")
            return
        length = headers.get(b"content-length", b"0")
        if not length.isdigit() or int(length) > MOST_BYTES:
            await _refuse(send, 413, f"a body has at most {MOST_BYTES} bytes")
            return
        body = await _body(receive)
        if body is None:
            await _refuse(send, 413, f"a body has at most {MOST_BYTES} bytes")
            return

        async def sent(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": _with(message["headers"])}
            await send(message)

        await self._app(scope, _again(body, receive), sent)


async def _body(receive: Receive) -> bytes | None:
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return b"".join(parts)
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > MOST_BYTES:
            return None
        if not message.get("more_body", False):
            return b"".join(parts)


def _again(body: bytes, receive: Receive) -> Receive:
    """Return a `receive` that gives a body that was read before."""
    given = False

    async def read() -> MutableMapping[str, Any]:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return read


def _with(headers: Any) -> list[tuple[bytes, bytes]]:
    found = list(headers)
    names = {name.lower() for name, _ in found}
    found += [(k.encode(), v.encode()) for k, v in HEADERS.items()]
    if b"cache-control" not in names:
        found.append((b"cache-control", b"no-store"))
    return found


def _own(headers: dict[bytes, bytes], host: str) -> bool:
    """Whether a request is of a page of this server, or of no page at all."""
    origin = headers.get(b"origin")
    site = headers.get(b"sec-fetch-site", b"none")
    own = origin is None or origin.decode("latin-1").partition("://")[2] == host
    return own and site in (b"same-origin", b"none")


def _without_port(host: str) -> str:
    if host.startswith("["):
        return host.partition("]")[0] + "]"
    return host.partition(":")[0]


async def _refuse(send: Send, status: int, text: str) -> None:
    body = json.dumps({"detail": text}).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
    ]
    start = {"type": "http.response.start", "status": status, "headers": _with(headers)}
    await send(start)
    await send({"type": "http.response.body", "body": body})
