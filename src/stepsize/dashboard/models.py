"""What the API takes and gives; each answer is one of these."""

from __future__ import annotations

from enum import Enum
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from stepsize.ledger.commands import VERBS

Identity = Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]
Verb = Enum("Verb", {one: one for one in VERBS}, type=str)  # type: ignore[misc]  # known at run time
Scalar = Annotated[str, Field(max_length=10_000)] | int | float | bool | None


class Given(BaseModel):
    """What comes from outside: no field but those named."""

    model_config = ConfigDict(extra="forbid", str_max_length=10_000)


class Problem(BaseModel):
    """Why something was not done."""

    detail: str


class RunLine(BaseModel):
    """A run in the list."""

    id: str
    name: str
    place: str
    state: str
    update: int
    total: int | None
    rate: float | None
    loss: float | None
    changes: int | None
    time: float | None
    host: str
    damaged: str


class RunList(BaseModel):
    """Runs, the latest first, and how many there are of each state."""

    runs: list[RunLine]
    found: int
    states: dict[str, int]


class EventLine(BaseModel):
    """A change that holds."""

    sequence: int
    update: int
    kind: str
    values: dict[str, Any]
    what: str
    source: str
    reason: str
    time: float | None
    hyperparameter: str
    groups: str


class PartLine(BaseModel):
    """A schedule with its horizon, as texts."""

    schedule: str
    horizon: dict[str, Any]


class SpecLine(BaseModel):
    """What the rates follow from."""

    groups: list[str]
    hyperparameters: list[str]
    parts: list[PartLine]
    source: str


class RunDetail(RunLine):
    """A run."""

    n: int
    records: int
    metrics: int
    lives: int
    held: bool
    step: int | None
    seen: int
    steerable: bool
    tags: dict[str, str]
    series: list[str]
    left_out: int
    spec: SpecLine | None
    unplanned: str
    events: list[EventLine]


class SeriesPoints(BaseModel):
    """Few points that stand for all of them; a value that is not finite is null."""

    updates: list[int]
    values: list[float | None]
    recorded: int


class SeriesAnswer(BaseModel):
    """Series by name."""

    series: dict[str, SeriesPoints]
    n: int


class CurvesAnswer(BaseModel):
    """Planned values by param group."""

    updates: list[int]
    groups: dict[str, list[float]]
    ends: int | None


class RecordLine(BaseModel):
    """Something that happened."""

    line: int
    time: str
    update: int | None
    who: str
    what: str
    why: str
    before: float | None
    after: float | None
    late: bool


class RecordList(BaseModel):
    """What happened, the latest first."""

    records: list[RecordLine]
    found: int


class ForecastAnswer(BaseModel):
    """The loss that a run is heading for, or why that cannot be said."""

    available: bool
    why: str = ""
    updates: list[int] = []
    mean: list[float] = []
    low: list[float] = []
    high: list[float] = []
    fitted: int = 0
    notes: list[str] = []


class CommandGiven(Given):
    """A command; as in `stepsize.ledger.commands.make_command`."""

    verb: Verb
    values: dict[Annotated[str, Field(max_length=40)], Scalar] = Field(
        default={}, max_length=20
    )
    reason: str = Field(default="", max_length=2000)
    id: str | None = Field(default=None, pattern=r"^[A-Za-z0-9._-]{1,100}$")
    hyperparameter: str = Field(default="lr", min_length=1, max_length=200)
    groups: str = Field(default="*", min_length=1, max_length=1000)
    expected_step: int | None = Field(default=None, ge=0, le=2**53)
    tolerance: int = Field(default=0, ge=0, le=2**53)
    seen: int | None = Field(default=None, ge=-1, le=2**53)
    expires_seconds: float | None = Field(
        default=3600.0, gt=0, le=30 * 86_400, allow_inf_nan=False
    )


class PreviewAnswer(BaseModel):
    """What a command would do."""

    what: str
    author: str
    update: int
    step: int | None
    seen: int
    now: CurvesAnswer | None
    then: CurvesAnswer | None
    refused: str
    bounds: bool
    loss_now: list[float] | None
    loss_then: list[float] | None


class CommandAnswer(BaseModel):
    """A command, and what became of it: "open" until the training answers."""

    id: str
    verb: str
    what: str
    author: str
    reason: str
    time: float
    expires: float | None
    status: Literal["open", "expired", "applied", "refused"]
    update: int | None
    why: str


class LoginGiven(Given):
    """A token."""

    token: str = Field(min_length=1, max_length=200)


class SessionAnswer(BaseModel):
    """Who asks, and what may be done here."""

    needs_token: bool
    steering: bool
    name: str | None
    role: str | None


class SessionLine(BaseModel):
    """Somebody who is logged in."""

    name: str
    role: str
    began: float


class SessionList(BaseModel):
    """Who is logged in."""

    sessions: list[SessionLine]


class Ended(BaseModel):
    """How many sessions were ended."""

    ended: int
