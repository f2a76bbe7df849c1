"""Routes that steer: a preview, a command, and what became of it.

The training decides, as it does for `stepsize steer`: a command is a record in its
ledger, and so is the answer. What is refused here is what is no command at all, or
comes from who may give none.
"""

from __future__ import annotations

import time
from typing import Annotated, cast

import msgspec
from fastapi import APIRouter, Depends, HTTPException, Request, Response
from fastapi import Path as InPath

from stepsize.dashboard import curves
from stepsize.dashboard.access import Person
from stepsize.dashboard.desk import LOG, Desk, problems
from stepsize.dashboard.models import (
    CommandAnswer,
    CommandGiven,
    Identity,
    PreviewAnswer,
)
from stepsize.dashboard.reading import answer_of
from stepsize.errors import StepsizeError
from stepsize.ledger.audit import described
from stepsize.ledger.commands import check_ahead, make_command
from stepsize.ledger.preview import Preview, preview
from stepsize.ledger.records import Answer, Command

CommandId = Annotated[str, InPath(pattern=r"^[A-Za-z0-9._-]{1,100}$")]


def routes(desk: Desk) -> APIRouter:
    """Return the routes."""
    router = APIRouter(responses=problems(401, 404, 409, 413, 422, 503))
    operator = [Depends(desk.operator)]
    viewer = [Depends(desk.viewer)]

    @router.post(
        "/api/runs/{identity}/preview",
        dependencies=operator,
        summary="What a command would do; nothing is asked",
        responses=problems(400, 403),
    )
    def post_preview(
        identity: Identity, given: CommandGiven, request: Request
    ) -> PreviewAnswer:
        run = desk.run(identity)
        command = _command(given, request.state.person)
        with run.guard:
            history = run.history()
            try:
                found = preview(history, run.store, command)
                return _preview(desk, identity, command, found)
            except StepsizeError as error:
                raise HTTPException(422, str(error)) from error

    @router.post(
        "/api/runs/{identity}/commands",
        dependencies=operator,
        status_code=202,
        summary="Give a command; the training answers",
        responses=problems(400, 403)
        | {200: {"model": CommandAnswer, "description": "It was given before."}},
    )
    def post_command(
        identity: Identity, given: CommandGiven, request: Request, response: Response
    ) -> CommandAnswer:
        run = desk.run(identity)
        person: Person = request.state.person
        if not given.reason.strip():
            raise HTTPException(422, "a command says why: reason must not be empty")
        with run.guard:  # one at a time: the same id is given once
            known = run.history().commands().get(given.id or "")
            # again is judged as it was then: a deadline may be over by now
            command = _command(given, person, None if known is None else known[0].time)
            if known is None:
                (entry,) = run.store.append(command)
                run.written()
                LOG.info(
                    "command: %s, %s, by %s, for %r",
                    command.id,
                    command.verb,
                    command.author,
                    run.place,
                )
                return _answer(cast("Command", entry.record), None)
        if _asked(known[0]) != _asked(command):
            raise HTTPException(409, f"the id {command.id} is that of another command")
        response.status_code = 200
        return _answer(*known)

    @router.get(
        "/api/runs/{identity}/commands/{command}",
        dependencies=viewer,
        summary="What became of a command",
    )
    def get_command(identity: Identity, command: CommandId) -> CommandAnswer:
        run = desk.run(identity)
        with run.guard:
            known = run.history().commands().get(command)
        if known is None:
            raise HTTPException(404, f"the run was given no command {command}")
        return _answer(*known)

    return router


def _preview(
    desk: Desk, identity: str, command: Command, found: Preview
) -> PreviewAnswer:
    path, made = command.hyperparameter, found.update
    now = then = loss_now = loss_then = None
    if found.now is not None:
        loss_now = desk.forecasts.end(identity, found.now, made)
    if found.now is not None and found.then is not None:
        both = (found.now, found.then)
        ends = [one for one in (r.ends(made, path) for r in both) if one]
        upto = max(ends, default=None)
        now, then = (
            answer_of(curves.planned(one, path, made, upto=upto)) for one in both
        )
        if path == "lr":
            loss_then = desk.forecasts.end(identity, found.then, made)
    return PreviewAnswer(
        what=described(command.verb, command.values),
        author=command.author,
        update=made,
        step=found.step,
        seen=found.seen,
        now=now,
        then=then,
        refused=found.refused,
        bounds=found.bounds,
        loss_now=loss_now,
        loss_then=loss_then,
    )


def _command(given: CommandGiven, person: Person, now: float | None = None) -> Command:
    try:
        made = make_command(
            given.verb.value,
            given.values,
            reason=given.reason,
            author=person.author,
            id=given.id,
            hyperparameter=given.hyperparameter,
            groups=given.groups,
            expected_step=given.expected_step,
            tolerance=given.tolerance,
            seen=given.seen,
            expires_seconds=given.expires_seconds,
            now=now,
        )
        check_ahead(made)
        return made
    except StepsizeError as error:
        raise HTTPException(422, str(error)) from error


def _asked(command: Command) -> Command:
    """Return a command without when and where it was given."""
    return msgspec.structs.replace(command, time=0.0, expires=None, host="")


def _answer(command: Command, answer: Answer | None) -> CommandAnswer:
    late = command.expires is not None and time.time() > command.expires
    return CommandAnswer(
        id=command.id,
        verb=command.verb,
        what=described(command.verb, command.values),
        author=command.author,
        reason=command.reason,
        time=command.time,
        expires=command.expires,
        status=("expired" if late else "open") if answer is None else answer.status,
        update=None if answer is None else answer.update,
        why="" if answer is None else answer.why,
    )
