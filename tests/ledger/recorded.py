"""Recorded runs, made without any framework."""

from pathlib import Path

import stepsize as ss
from stepsize.control import Event, Trajectory
from stepsize.ledger import JsonlStore
from stepsize.ledger.history import spec_from
from stepsize.ledger.records import AnyRecord, Changed, Metric, Run, Spec

GROUPS = ("encoder", "head")
SCHEDULE = 0.1 * ss.warmup(10) >> ss.cosine()


def spec(update: int = 0, total: int = 100) -> Spec:
    resolved = SCHEDULE.resolve(total_steps=total)
    rows = {"lr": [(resolved, 1.0, "float64"), (resolved, 2.0, "torch.float32")]}
    return spec_from(update, GROUPS, rows, f"Scheduler(lr={SCHEDULE}, update={update})")


def scale(update: int, factor: float = 0.5, sequence: int = 0, **more: str) -> Event:
    given = {"source": "operator:ada", "reason": "it is noisy"} | more
    return Event(
        update=update,
        kind="scale",
        values={"factor": factor},
        sequence=sequence,
        time=1.0,
        **given,  # type: ignore[arg-type]  # texts
    )


def metric(update: int, *events: Event, loss: float | None = None) -> Metric:
    """What an update under these events uses."""
    from stepsize.ledger.rates import rounded

    lr = Trajectory(SCHEDULE, ss.Horizon(steps=100), events)(update)
    rates = {"lr": [lr, rounded(lr * 2.0, "float32")]}
    values = {"loss": 1.0 / (1 + update) if loss is None else loss}
    return Metric.of(update, rates, values, when=float(update))


def run(name: str = "seven") -> Run:
    return Run.here(name, tags={"commit": "1a2b"})


def steered() -> list[AnyRecord]:
    """A run of 30 updates; from update 20 on at half the rate."""
    cut = scale(20)
    return [
        run(),
        spec(),
        *(metric(u) for u in range(20)),
        Changed.of(cut),
        *(metric(u, cut) for u in range(20, 30)),
    ]


def written(folder: Path, *records: AnyRecord) -> JsonlStore:
    store = JsonlStore(folder)
    store.append(*records)
    return store
