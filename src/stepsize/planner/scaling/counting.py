"""What an update is made of: accumulation and ranks, counted once."""

from __future__ import annotations

from stepsize.errors import InvalidScheduleError, describe
from stepsize.schedules.durations import whole


def effective_batch(
    *,
    batch: int | None = None,
    micro_batch: int | None = None,
    accumulation: int | None = None,
    world_size: int | None = None,
) -> int:
    """Return the samples in one update: micro-batch * accumulation * ranks.

    Args:
        batch: The effective batch itself; None: it follows from the others.
        micro_batch: Samples in one forward pass of one rank; int >= 1.
        accumulation: Micro-batches in an update; int >= 1; None is 1.
        world_size: Ranks that each take their share; int >= 1; None is 1.

    Returns:
        Samples in an update.

    Raises:
        InvalidScheduleError: A value is no int >= 1, neither `batch` nor
            `micro_batch` is given, or they contradict each other.

    Examples:
        >>> effective_batch(micro_batch=16, accumulation=8, world_size=2)
        256
        >>> effective_batch(batch=256, accumulation=8, world_size=2)
        256
    """
    given = {
        "batch": batch,
        "micro_batch": micro_batch,
        "accumulation": accumulation,
        "world_size": world_size,
    }
    counts: dict[str, int] = {}
    for name, value in given.items():
        if value is not None:
            number = whole(value)
            if number is None or number < 1:
                rule = "be an int >= 1"
                raise InvalidScheduleError(
                    describe(f"effective_batch.{name}", rule, value)
                )
            counts[name] = number
    copies = counts.get("accumulation", 1) * counts.get("world_size", 1)
    if "batch" not in counts and "micro_batch" not in counts:
        rule = "be given, or micro_batch"
        raise InvalidScheduleError(describe("effective_batch.batch", rule, None))
    if "micro_batch" not in counts:
        if counts["batch"] % copies:
            rule = f"be divisible by accumulation * world_size = {copies}"
            raise InvalidScheduleError(
                describe("effective_batch.batch", rule, counts["batch"])
            )
        return counts["batch"]
    product = counts["micro_batch"] * copies
    if counts.get("batch", product) != product:
        rule = f"equal micro_batch * accumulation * world_size = {product}"
        hint = "give the batch or the micro-batch: an update's batch is counted once"
        raise InvalidScheduleError(
            describe("effective_batch.batch", rule, counts["batch"], hint=hint)
        )
    return product
