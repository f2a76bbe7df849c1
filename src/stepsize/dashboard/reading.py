"""Routes that read: runs, series, planned curves, records, forecasts, metrics."""

from __future__ import annotations

import math
from collections import Counter
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Depends, HTTPException, Query
from fastapi.responses import PlainTextResponse

from stepsize.dashboard import curves
from stepsize.dashboard.columns import Columns, Series, thin, within
from stepsize.dashboard.desk import Desk, problems
from stepsize.dashboard.models import (
    CurvesAnswer,
    EventLine,
    ForecastAnswer,
    Identity,
    PartLine,
    RecordLine,
    RecordList,
    RunDetail,
    RunLine,
    RunList,
    SeriesAnswer,
    SeriesPoints,
    SpecLine,
)
from stepsize.dashboard.watched import Watched
from stepsize.errors import StepsizeError
from stepsize.ledger.audit import described, rows
from stepsize.ledger.glance import Glance
from stepsize.ledger.history import History
from stepsize.ledger.prometheus import exposition
from stepsize.ledger.records import Spec

_MOST_NAMES = 20
_EVENTS_SHOWN = 500

Text = Annotated[str, Query(max_length=200)]
Names = Annotated[list[str] | None, Query(max_length=_MOST_NAMES)]
Points = Annotated[int, Query(ge=10, le=5000)]
Update = Annotated[int | None, Query(ge=0, le=2**53)]
Limit = Annotated[int, Query(ge=1, le=5000)]
Offset = Annotated[int, Query(ge=0, le=2**53)]


def routes(desk: Desk) -> APIRouter:
    """Return the routes."""
    router = APIRouter(
        dependencies=[Depends(desk.viewer)],
        responses=problems(401, 404, 409, 413, 422, 503),
    )

    @router.get("/api/runs", summary="All runs, the latest first")
    def get_runs(
        search: Text = "", state: Text = "", limit: Limit = 200, offset: Offset = 0
    ) -> RunList:
        lines = [_line(*one) for one in desk.index.glances()]
        states = Counter(one.state for one in lines)
        wanted = search.casefold()
        found = [
            one
            for one in lines
            if (not state or one.state == state)
            and (wanted in one.name.casefold() or wanted in one.place.casefold())
        ]
        shown = found[offset : offset + limit]
        desk.index.warm()
        return RunList(runs=shown, found=len(found), states=dict(states))

    _add_routes_of_a_run(router, desk)
    return router


def for_prometheus(desk: Desk) -> APIRouter:
    """Return the route of `/metrics`, the only one whose answer is no JSON."""
    problem = {"$ref": "#/components/schemas/Problem"}
    refused = {"content": {"application/json": {"schema": problem}}}
    router = APIRouter(
        dependencies=[Depends(desk.viewer)],
        responses={one: {**refused, "description": "See there."} for one in (401, 503)},
    )

    @router.get(
        "/metrics",
        response_class=PlainTextResponse,
        summary="Where runs stand, for Prometheus",
    )
    def get_metrics() -> PlainTextResponse:
        kind = "text/plain; version=0.0.4; charset=utf-8"
        return PlainTextResponse(exposition(desk.index.histories()), media_type=kind)

    return router


def _add_routes_of_a_run(router: APIRouter, desk: Desk) -> None:
    @router.get("/api/runs/{identity}", summary="One run: its state and its events")
    def get_run(identity: Identity) -> RunDetail:
        run = desk.run(identity)
        with run.guard:
            history, columns = run.opened()
            return _detail(run, history, columns, steerable=desk.steer)

    @router.get("/api/runs/{identity}/series", summary="Recorded values, few of many")
    def get_series(
        identity: Identity,
        name: Names = None,
        points: Points = 1000,
        first: Update = None,
        last: Update = None,
    ) -> SeriesAnswer:
        run = desk.run(identity)
        with run.guard:
            history, columns = run.opened()
            known = columns.names()
            wanted = list(known)[:_MOST_NAMES] if name is None else name
            missing = [one for one in wanted if one not in known]
            if missing:
                raise HTTPException(404, f"the run has no series {missing[0][:100]!r}")
            found = {one: columns.series(known[one]) for one in wanted}
            n = history.n
        made = {k: _points(v, points, first, last) for k, v in found.items()}
        return SeriesAnswer(series=made, n=n)

    @router.get("/api/runs/{identity}/curve", summary="Values planned, to the end")
    def get_curve(
        identity: Identity, name: Text = "lr", points: Points = 400
    ) -> CurvesAnswer:
        run = desk.run(identity)
        with run.guard:
            history = run.history()
            try:
                rates = history.rates()
            except StepsizeError as error:
                raise HTTPException(404, str(error)) from error
        if name not in rates.paths:
            raise HTTPException(404, f"the run has no hyperparameter {name[:100]!r}")
        return answer_of(curves.planned(rates, name, history.update, points))

    @router.get("/api/runs/{identity}/records", summary="What happened, latest first")
    def get_records(
        identity: Identity, limit: Limit = 200, offset: Offset = 0
    ) -> RecordList:
        run = desk.run(identity)
        with run.guard:
            found = rows(run.history())
        shown = found[::-1][offset : offset + limit]
        lines = [RecordLine(**msgspec.to_builtins(one)) for one in shown]
        return RecordList(records=lines, found=len(found))

    @router.get("/api/runs/{identity}/forecast", summary="The loss it is heading for")
    def get_forecast(identity: Identity) -> ForecastAnswer:
        run = desk.run(identity)
        with run.guard:
            history, columns = run.opened()
            known = columns.names()
            losses = columns.series(known["loss"]) if "loss" in known else None
        try:
            found = desk.forecasts.of(identity, history, losses)
        except StepsizeError as error:
            return ForecastAnswer(available=False, why=str(error))
        return ForecastAnswer(available=True, **msgspec.to_builtins(found))


def answer_of(found: curves.Curves) -> CurvesAnswer:
    """Return curves as the API gives them."""
    return CurvesAnswer(updates=found.updates, groups=found.groups, ends=found.ends)


def _line(run: Watched, seen: Glance) -> RunLine:
    return RunLine(
        id=run.identity,
        name=seen.name,
        place=run.place,
        state=seen.state,
        update=seen.update,
        total=seen.total,
        rate=_finite(seen.rate),
        loss=_finite(seen.loss),
        changes=seen.changes,
        time=seen.time,
        host=seen.host,
        damaged=seen.damaged,
    )


def _detail(
    run: Watched, history: History, columns: Columns, *, steerable: bool
) -> RunDetail:
    line = _line(run, run.glance())
    held, step, unplanned, spec = False, None, "", None
    events = history.events
    try:
        rates = history.rates()
        leading = rates.leading()
        held = leading.held_at(history.update)
        step = leading.step_at(history.update)
        spec = _spec(rates.spec)
    except StepsizeError as error:
        unplanned = str(error)
    last = history.run
    return RunDetail(
        **line.model_dump(),
        n=history.n,
        records=history.n,
        metrics=history.metrics,
        lives=len(history.lives),
        held=held,
        step=step,
        seen=max((one.sequence for one in events), default=-1),
        steerable=steerable and not unplanned,
        tags={} if last is None else last.tags,
        series=list(columns.names()),
        left_out=columns.left_out,
        spec=spec,
        unplanned=unplanned,
        events=[
            EventLine(
                sequence=one.sequence,
                update=one.update,
                kind=one.kind,
                values=dict(one.values),
                what=described(one.kind, dict(one.values)),
                source=one.source,
                reason=one.reason,
                time=one.time,
                hyperparameter=one.target.hyperparameter,
                groups=one.target.groups,
            )
            for one in events[-_EVENTS_SHOWN:]
        ],
    )


def _spec(spec: Spec) -> SpecLine:
    from stepsize.schedules.plain import from_dict

    return SpecLine(
        groups=list(spec.groups),
        hyperparameters=list(spec.sources),
        parts=[
            PartLine(schedule=str(from_dict(one["schedule"])), horizon=one["horizon"])
            for one in spec.parts
        ],
        source=spec.source,
    )


def _points(
    series: Series, points: int, first: int | None, last: int | None
) -> SeriesPoints:
    found = within(series, first, last)
    few = thin(found, points)
    return SeriesPoints(
        updates=few.updates.tolist(),
        values=[_finite(one) for one in few.values.tolist()],
        recorded=len(found.updates),
    )


def _finite(value: Any) -> float | None:
    return value if value is not None and math.isfinite(value) else None
