"""A dashboard of recorded runs, asked directly or served for a browser."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import msgspec
import uvicorn
from starlette.testclient import TestClient
from tests.ledger.recorded import run, scale, spec, steered, written

from stepsize.dashboard import Access, add_token, create_app
from stepsize.dashboard.index import identity_of
from stepsize.ledger.rates import Rates
from stepsize.ledger.records import AnyRecord, Changed, Metric

ROLES = ("viewer", "operator", "admin")
BASE = "http://127.0.0.1"


@dataclass
class Office:
    """A folder of runs with one token for each role."""

    folder: Path
    steer: bool = True
    tokens: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.runs = self.folder / "runs"
        self.runs.mkdir(exist_ok=True)
        self.file = self.folder / "tokens.json"
        for role in ROLES:
            self.tokens[role] = add_token(self.file, role[:3], role)  # type: ignore[arg-type]  # one of three

    def app(self, **options: Any) -> Any:
        given = {"access": Access(self.file), "steer": self.steer, **options}
        return create_app(self.runs, **given)

    def client(self, role: str | None = None, **options: Any) -> TestClient:
        headers = {} if role is None else self.bearer(role)
        return TestClient(self.app(**options), base_url=BASE, headers=headers)

    def bearer(self, role: str) -> dict[str, str]:
        return {"authorization": f"Bearer {self.tokens[role]}"}

    def add(self, name: str, *records: AnyRecord) -> str:
        """Record a run; gives its id."""
        written(self.runs / name, *(records or fresh(steered())))
        return self.id(name)

    def id(self, name: str) -> str:
        return identity_of(str(self.runs / name))


def fresh(records: list[AnyRecord]) -> list[AnyRecord]:
    """The same records, made now."""
    return [msgspec.structs.replace(one, time=time.time()) for one in records]


def long_run(name: str, count: int) -> list[AnyRecord]:
    """A run half done, with one change in the middle of what was made."""
    cut = scale(count // 2)
    begun = spec(total=2 * count)
    rates = Rates(begun, (cut,))
    metrics = [
        Metric.of(u, {"lr": rates.at(u)}, {"loss": 2 + 1 / (1 + u / 50) ** 0.5})
        for u in range(count)
    ]
    half = count // 2
    return fresh([run(name), begun, *metrics[:half], Changed.of(cut), *metrics[half:]])


@contextmanager
def served(app: Any) -> Iterator[str]:
    """Serve an app on a free port; gives its address."""
    with closing(socket.socket()) as listening:
        listening.bind(("127.0.0.1", 0))
        config = uvicorn.Config(
            app, log_level="warning", access_log=False, timeout_graceful_shutdown=1
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, args=([listening],), daemon=True)
        thread.start()
        address = f"http://127.0.0.1:{listening.getsockname()[1]}"
        try:
            for _ in range(200):
                try:
                    httpx.get(f"{address}/api/session")
                    break
                except httpx.TransportError:
                    time.sleep(0.05)
            yield address
        finally:
            app.close()
            server.should_exit = True
            thread.join(10)
            assert not thread.is_alive()
