"""Every call of `Ranks` in real processes; prints what each of them got, as JSON.

    python -m tests.adapters.torch.rank_calls FOLDER SIZE calls|stopped|killed

In the last two, the last rank comes no more.
"""

import copy
import functools
import json
import math
import os
import pickle
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from tests.adapters.torch.rank_group import together, tried
from torch import distributed

from stepsize.adapters.torch.ranks import Ranks

LONG = "word " * 1000  # more than one message holds
TIMEOUT = 2.0  # seconds


def calls(rank: int) -> dict[str, Any]:
    ranks = Ranks.here(timeout_seconds=30.0)
    assert ranks is not None
    last = ranks.size - 1
    found: dict[str, Any] = {"is": [ranks.rank, ranks.size]}

    # reduce
    usual = {"loss": 1.0 + rank, "norm": 0.1}
    found["order"] = ranks.reduce(usual if rank else dict(reversed(usual.items())))
    found["partial"] = ranks.reduce({"val_loss": 2.0} if rank == last else usual)
    found["nothing"] = ranks.reduce({})
    found["nan"] = ranks.reduce({"loss": math.nan if rank == last else 1.0})
    found["inf"] = ranks.reduce({"loss": math.inf if rank == last else 1.0})
    found["nan max"] = ranks.reduce({"loss": math.nan if rank == 0 else 1.0}, "max")
    ways = {"a": "sum", "b": "max", "c": "min", "d": "first"}
    found["ways"] = ranks.reduce(dict.fromkeys("abcde", 1.0 + rank), ways)
    found["many"] = len(
        ranks.reduce({f"{LONG[:40]}{i}": 1.0 for i in range(99 * rank)})
    )
    found["unknown"] = tried(lambda: ranks.reduce({}, "median"))

    # share
    own = {"rank": rank, "list": [1, 0.1, None, True, math.inf], "text": LONG}
    found["share"] = ranks.share(own)
    found["none"] = ranks.share(None if rank == 0 else "mine")
    found["object"] = tried(lambda: ranks.share(object() if rank == 0 else None))
    found["once"] = ranks.once(lambda: f"made on {rank}")
    found["failed"] = tried(lambda: ranks.once(lambda: 1 / 0))

    # agree
    parts = {"rates": [0.1, math.nan], "events": [1, 2, 3], "policies": {"bad": 0}}
    found["agree"] = tried(lambda: ranks.agree(7, parts))
    planted = parts | {"events": [1, 2, 3, 4]} if rank == last else parts
    found["planted"] = tried(lambda: ranks.agree(7, planted))
    late = LONG + ("x" if rank == last else "y") + LONG
    found["late"] = tried(lambda: ranks.agree(7, {"events": late}))
    without = parts if rank else {"rates": parts["rates"]}
    found["missing"] = tried(lambda: ranks.agree(7, without))
    found["types"] = tried(lambda: ranks.agree(7, {"lr": 1 if rank else 1.0}))

    # what one of them does alone
    if rank == last:
        ranks.disagree(8, "decision", [], ["a cut"])
    found["pending"] = tried(lambda: ranks.reduce({"loss": 1.0}))
    alone = ranks.barrier if rank == last else lambda: ranks.reduce({})
    found["call"] = tried(alone)
    at = 8 if rank == last else 7
    found["update"] = tried(lambda: ranks.reduce({}, update=at))
    how = "sum" if rank == last else "mean"
    found["how"] = tried(lambda: ranks.reduce({}, how))

    # and all goes on
    ranks.barrier()
    found["after"] = ranks.reduce({"loss": 1.0})
    for name, again in (("copy", copy.deepcopy), ("pickle", _pickled)):
        found[name] = repr(again(ranks))
        found[f"{name} works"] = again(ranks).reduce({"loss": 1.0 + rank})
    found["cost"] = cost(ranks)
    found["subset"] = subset(rank, ranks.size)
    ranks.barrier()
    return found


def _pickled(ranks: Ranks) -> Ranks:
    loaded: Ranks = pickle.loads(pickle.dumps(ranks))
    return loaded


def cost(ranks: Ranks, times: int = 300) -> dict[str, float]:
    """Return microseconds of a call, the median of many."""
    metrics = {"loss": 0.1, "grad_norm": 0.2}
    seen = {"update": 5, "rate": 0.1, "peak": 0.1, "metrics": metrics}
    parts = {"events": "x" * 10_000, "rates": [0.1], "policies": "y" * 1000}
    numbers = torch.zeros(4, dtype=torch.float64)
    exchanges: dict[str, Callable[[], Any]] = {
        "reduce": lambda: ranks.reduce(metrics, update=5),
        "share": lambda: ranks.share([{"seen": seen, "changes": []}]),
        "agree": lambda: ranks.agree(5, parts),
        "barrier": ranks.barrier,
        "all_reduce": functools.partial(distributed.all_reduce, numbers),  # torch's
    }
    found = {}
    for name, call in exchanges.items():
        took = []
        for _ in range(times):
            start = time.perf_counter()
            call()
            took.append(time.perf_counter() - start)
        found[name] = sorted(took)[times // 2] * 1e6
    return found


def subset(rank: int, size: int) -> Any:
    """Return what the last two ranks, or the only two, say to each other."""
    members = [size - 2, size - 1]
    group = distributed.new_group(members)
    if rank not in members:
        return tried(lambda: Ranks(group))
    ranks = Ranks(group)
    return [ranks.rank, ranks.size, ranks.share(rank), ranks.reduce({"loss": rank})]


def stopped(rank: int) -> Any:
    """The last rank does not come any more."""
    return _lost(rank, lambda: time.sleep(3 * TIMEOUT))


def killed(rank: int) -> Any:
    """The last rank is killed."""
    return _lost(rank, lambda: os.kill(os.getpid(), signal.SIGKILL))


def _lost(rank: int, end: Any) -> Any:
    ranks = Ranks(timeout_seconds=TIMEOUT)
    ranks.barrier()
    if rank == ranks.size - 1:
        return end()
    start = time.monotonic()
    found = tried(lambda: ranks.reduce({"loss": 1.0}))
    return found | {"seconds": time.monotonic() - start}


if __name__ == "__main__":
    work = {"calls": calls, "stopped": stopped, "killed": killed}[sys.argv[3]]
    print(json.dumps(together(int(sys.argv[2]), work, Path(sys.argv[1]) / "group")))
