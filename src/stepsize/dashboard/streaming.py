"""The stream: records as they come, as server-sent events; none is lost.

A message holds records of one run. Its id says for each run of the stream where to go
on, so that a browser that was cut off, and says the last id it saw, gets all that came
meanwhile: each record at least once, and (run, n) tells one that came twice.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Depends, HTTPException, Query, Request
from fastapi.responses import StreamingResponse

from stepsize.dashboard.desk import Desk
from stepsize.dashboard.watched import Watched
from stepsize.errors import StepsizeError

MOST_RUNS = 100
"""Runs of one stream."""

MOST_STREAMS = 500

_TICK_SECONDS = 0.25
_QUIET_TICKS = 40  # after which a line is sent that says nothing
_CURSOR = re.compile(r"[0-9a-f]{16}:\d{1,15}(,[0-9a-f]{16}:\d{1,15})*")

Runs = Annotated[list[str] | None, Query(max_length=MOST_RUNS)]
Since = Annotated[str, Query(max_length=40 * MOST_RUNS)]


def routes(desk: Desk) -> APIRouter:
    """Return the route; it never ends, and so is not in the API's description."""
    router = APIRouter(dependencies=[Depends(desk.viewer)])
    streams: set[int] = set()

    @router.get("/api/stream", include_in_schema=False)
    async def get_stream(
        request: Request, run: Runs = None, since: Since = ""
    ) -> StreamingResponse:
        said = request.headers.get("last-event-id") or since
        places = _places(said)
        for identity in run or ():
            places.setdefault(identity, None)
        if not 0 < len(places) <= MOST_RUNS:
            detail = f"name 1 to {MOST_RUNS} runs: ?run=ID, or ?since=ID:N"
            raise HTTPException(422, detail)
        if len(streams) >= MOST_STREAMS:
            raise HTTPException(429, f"{MOST_STREAMS} streams are open")
        runs = {one: desk.run(one) for one in places}
        content = _messages(desk, request, runs, places, streams)
        headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
        return StreamingResponse(content, 200, headers, "text/event-stream")

    return router


def _places(text: str) -> dict[str, int | None]:
    if not text:
        return {}
    if _CURSOR.fullmatch(text) is None:
        raise HTTPException(422, "since, and Last-Event-ID, are ID:N,ID:N,...")
    pairs = (one.split(":") for one in text.split(","))
    return {identity: int(n) for identity, n in pairs}


async def _messages(
    desk: Desk,
    request: Request,
    runs: dict[str, Watched],
    places: dict[str, int | None],
    streams: set[int],
) -> AsyncIterator[str]:
    key = id(request)
    streams.add(key)
    cursor: dict[str, int] = {}
    quiet = 0
    try:
        yield "retry: 1000\n\n"
        while _still(desk, request):
            found = await asyncio.to_thread(_look, runs, places)
            for identity, (n, entries, problem) in found.items():
                if problem:
                    said = json.dumps({"run": identity, "problem": problem})
                    yield f"event: problem\ndata: {said}\n\n"
                    runs.pop(identity)
                    continue
                places[identity] = cursor[identity] = n
                if not entries:
                    continue
                quiet = 0
                at = ",".join(f"{k}:{v}" for k, v in cursor.items())
                data = b",".join(entries).decode()
                yield f'id: {at}\ndata: {{"run":"{identity}","entries":[{data}]}}\n\n'
            quiet += 1
            if quiet >= _QUIET_TICKS:
                quiet = 0
                yield ": nothing new\n\n"
            if not any(one[1] for one in found.values()):
                await asyncio.sleep(_TICK_SECONDS)
    finally:
        streams.discard(key)


def _still(desk: Desk, request: Request) -> bool:
    """Whether it goes on: the server may stop, and a token can be taken back."""
    if desk.ending.is_set():
        return False
    return desk.access is None or desk.person(request) is not None


def _look(
    runs: dict[str, Watched], places: dict[str, int | None]
) -> dict[str, tuple[int, list[bytes], str]]:
    found: dict[str, tuple[int, list[bytes], str]] = {}
    for identity, run in runs.items():
        place = places[identity]
        try:
            found[identity] = (*run.since(1 << 62 if place is None else place), "")
        except StepsizeError as error:
            found[identity] = (0, [], str(error))
    return found
