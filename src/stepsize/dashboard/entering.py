"""Routes of who is there: log in, log out, who is logged in."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, HTTPException, Request, Response
from fastapi import Path as InPath

from stepsize.dashboard.access import SESSION_SECONDS
from stepsize.dashboard.desk import CSRF, LOG, SESSION, Desk, cookie, problems
from stepsize.dashboard.models import (
    Ended,
    LoginGiven,
    SessionAnswer,
    SessionLine,
    SessionList,
)

Name = Annotated[str, InPath(max_length=200)]


def routes(desk: Desk) -> APIRouter:
    """Return the routes."""
    router = APIRouter(responses=problems(401, 403, 413, 422))
    admin = [Depends(desk.admin)]

    @router.get("/api/session", summary="Who asks, and what may be done here")
    def get_session(request: Request) -> SessionAnswer:
        person = desk.person(request)
        return SessionAnswer(
            needs_token=desk.access is not None,
            steering=desk.steer,
            name=None if person is None else person.name,
            role=None if person is None else person.role,
        )

    @router.post(
        "/api/login", summary="Begin a session with a token", responses=problems(400)
    )
    def log_in(
        given: LoginGiven, request: Request, response: Response
    ) -> SessionAnswer:
        made = None if desk.access is None else desk.access.log_in(given.token)
        if made is None:
            LOG.warning("refused: log in from %s", _client(request))
            headers = {"WWW-Authenticate": "Bearer"}
            raise HTTPException(401, "the token is not known here", headers)
        key, session = made
        person = session.person
        LOG.info("logged in: %s, %s, %s", person.name, person.role, _client(request))
        secure = request.url.scheme == "https"
        for name, value in ((SESSION, key), (CSRF, session.csrf)):
            response.set_cookie(
                cookie(name, request),
                value,
                max_age=int(SESSION_SECONDS),
                httponly=name == SESSION,
                samesite="strict",
                secure=secure,
            )
        return SessionAnswer(
            needs_token=True, steering=desk.steer, name=person.name, role=person.role
        )

    @router.post("/api/logout", summary="End this session", status_code=204)
    def log_out(request: Request, response: Response) -> None:
        person = desk.person(request)  # which checks that it is meant
        key = request.cookies.get(cookie(SESSION, request))
        if desk.access is not None and person is not None and key is not None:
            desk.access.log_out(key)
        for name in (SESSION, CSRF):
            response.delete_cookie(cookie(name, request), samesite="strict")

    @router.get("/api/sessions", dependencies=admin, summary="Who is logged in")
    def get_sessions() -> SessionList:
        found = [] if desk.access is None else desk.access.sessions()
        return SessionList(
            sessions=[
                SessionLine(name=one.person.name, role=one.person.role, began=one.began)
                for one in found
            ]
        )

    @router.delete(
        "/api/sessions/{name}", dependencies=admin, summary="End a name's sessions"
    )
    def end_sessions(name: Name, request: Request) -> Ended:
        ended = 0 if desk.access is None else desk.access.end(name)
        LOG.warning("ended: %d sessions of %r", ended, name)
        return Ended(ended=ended)

    return router


def _client(request: Request) -> str:
    return "unknown" if request.client is None else request.client.host
