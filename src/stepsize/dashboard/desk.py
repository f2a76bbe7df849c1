"""`Desk`: what all routes share, and who is let in."""

from __future__ import annotations

import hmac
import logging
import threading
from dataclasses import dataclass, field
from typing import Any, final

from fastapi import HTTPException, Request

from stepsize.dashboard.access import Access, Person, Role, Session
from stepsize.dashboard.forecast import Forecasts
from stepsize.dashboard.index import Index
from stepsize.dashboard.models import Problem
from stepsize.dashboard.shield import SAFE
from stepsize.dashboard.watched import Watched
from stepsize.errors import LedgerError

SESSION, CSRF = "stepsize_session", "stepsize_csrf"
CSRF_HEADER = "x-csrf-token"

LOG = logging.getLogger("stepsize.dashboard")

_WHAT = {
    400: "The body is no JSON.",
    401: "A token is needed.",
    403: "The role does not allow it, or it did not come from a page of this server.",
    404: "There is no such run.",
    409: "The id is that of another command, or the run's records are damaged.",
    413: "The body is too long.",
    422: "A value is outside its range, or the command makes no sense there.",
    429: "Too many of them are open.",
    503: "The records cannot be read now.",
}


def cookie(name: str, request: Request) -> str:
    """Return what a cookie is called: ports of one host share their cookies."""
    return f"{name}_{request.url.port or ''}"


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return how answers of these statuses look, for the API's description."""
    return {s: {"model": Problem, "description": _WHAT[s]} for s in statuses}


@final
@dataclass(frozen=True, slots=True)
class Desk:
    """What all routes share.

    Attributes:
        index: The runs.
        access: Who may do what; None: everybody sees, nobody steers.
        steer: Whether commands are taken; needs `access`.
        forecasts: Laws of runs.
        ending: Set when the server stops: streams end then.
    """

    index: Index
    access: Access | None
    steer: bool
    forecasts: Forecasts = field(default_factory=Forecasts)
    ending: threading.Event = field(default_factory=threading.Event)

    def session(self, request: Request) -> Session | None:
        """Return the session that a request is of."""
        key = request.cookies.get(cookie(SESSION, request))
        if self.access is None or key is None:
            return None
        return self.access.session(key)

    def person(self, request: Request) -> Person | None:
        """Return who asks; None: nobody that is known.

        Raises:
            HTTPException: A change does not say again what the session was told.
        """
        if self.access is None:
            return None
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            return self.access.person(token.strip())
        found = self.session(request)
        if found is None:
            return None
        if request.method not in SAFE:
            said = request.headers.get(CSRF_HEADER, "").encode()
            known = found.csrf.encode()
            kept = request.cookies.get(cookie(CSRF, request), "").encode()
            same = hmac.compare_digest(said, known)
            if not (same and hmac.compare_digest(kept, known)):
                raise HTTPException(403, f"the header {CSRF_HEADER} is missing or old")
        return found.person

    def viewer(self, request: Request) -> None:
        """Let in who may see.

        Raises:
            HTTPException: A token is needed.
        """
        if self.access is not None:
            self._let_in(request, "viewer")

    def operator(self, request: Request) -> None:
        """Let in who may steer.

        Raises:
            HTTPException: A token is needed, the role does not allow it, or this server
                takes no commands.
        """
        if not self.steer:
            raise HTTPException(403, "this server only reads: it was started so")
        self._let_in(request, "operator")

    def admin(self, request: Request) -> None:
        """Let in who may see who is logged in.

        Raises:
            HTTPException: A token is needed, or the role does not allow it.
        """
        self._let_in(request, "admin")

    def _let_in(self, request: Request, role: Role) -> None:
        person = self.person(request)
        where = f"{request.method} {request.url.path}"
        if person is None:
            LOG.info("refused: %s, without a token that is known", where)
            headers = {"WWW-Authenticate": "Bearer"}
            raise HTTPException(401, "a token is needed", headers)
        if not person.may(role):
            LOG.warning("refused: %s by %s, who is %s", where, person.name, person.role)
            raise HTTPException(
                403, f"this needs the role {role}; yours: {person.role}"
            )
        request.state.person = person

    def run(self, identity: str) -> Watched:
        """Return a run.

        Raises:
            HTTPException: There is none.
        """
        try:
            return self.index.open(identity)
        except LedgerError as error:
            raise HTTPException(404, str(error)) from error
