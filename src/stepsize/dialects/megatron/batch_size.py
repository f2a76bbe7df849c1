"""Megatron-LM's batch-size schedules as schedules, and the rate that replaces a ramp.

The value at update t is the global batch size of that update. Unit: samples.
"""
# ruff: noqa: N802 - the names are the peer's

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import NamedTuple

from stepsize.errors import InvalidScheduleError, describe
from stepsize.schedules.arguments import flag, number
from stepsize.schedules.durations import whole
from stepsize.schedules.knots import knots
from stepsize.schedules.phases import hold
from stepsize.schedules.schedule import Schedule, scaled

SUFFIXES = {"K": 10**3, "M": 10**6, "B": 10**9, "T": 10**12}


class Stage(NamedTuple):
    """Updates with one batch size.

    Attributes:
        update: The first of them.
        batch_size: Samples in each.
        consumed: Samples consumed before the first.
    """

    update: int
    batch_size: int
    consumed: int


def ConstantNumMicroBatchesCalculator(
    global_batch_size: int,
    micro_batch_size: int,
    data_parallel_size: int,
    decrease_batch_size_if_needed: bool = False,
    rank: int = 0,
) -> Schedule:
    """Keep one global batch size.

        value(t) = global_batch_size

    Args:
        global_batch_size: Samples in an update, over all ranks; int >= 1.
        micro_batch_size: Samples in one micro-batch of one rank; int >= 1.
        data_parallel_size: Ranks that each take their share; int >= 1.
        decrease_batch_size_if_needed: Whether to round down to a multiple of
            micro_batch_size * data_parallel_size instead of refusing.
        rank: Accepted; the peer only logs with it.

    Returns:
        The batch size. Unit: samples.

    Raises:
        InvalidScheduleError: A value is outside its range, or the batch is no multiple.

    Source:
        Megatron-LM d98e8a64, core/num_microbatches_calculator.py.

    Examples:
        >>> from stepsize.dialects import megatron
        >>> megatron.ConstantNumMicroBatchesCalculator(100, 8, 4, True)(0)
        96.0
    """
    owner = "ConstantNumMicroBatchesCalculator"
    size = _count(global_batch_size, f"{owner}.global_batch_size")
    running = _rounding(
        owner, micro_batch_size, data_parallel_size, decrease_batch_size_if_needed
    )
    return scaled(running(size), hold())


def RampupBatchsizeNumMicroBatchesCalculator(  # noqa: PLR0917 - the peer's order
    global_batch_size: int,
    micro_batch_size: int,
    data_parallel_size: int,
    decrease_batch_size_if_needed: bool,
    rank: int,
    start_global_batch_size: int,
    batch_size_increment: int,
    ramup_samples: int,
) -> Schedule:
    """Raise the global batch size in equal steps over a number of samples.

    With n the samples consumed before update t and
    k = (global_batch_size - start_global_batch_size) / batch_size_increment:

        value(t) = start + increment * int(n / (ramup_samples / k))   n <= ramup_samples
        value(t) = global_batch_size                                  n > ramup_samples

    Args:
        global_batch_size: Samples in an update after the ramp; int >= 1.
        micro_batch_size: Samples in one micro-batch of one rank; int >= 1.
        data_parallel_size: Ranks that each take their share; int >= 1.
        decrease_batch_size_if_needed: Whether to round each size down to a multiple of
            micro_batch_size * data_parallel_size instead of refusing.
        rank: Accepted; the peer only logs with it.
        start_global_batch_size: Samples in the first update; int >= 1.
        batch_size_increment: Samples added at each step; int >= 1; divides the rise.
        ramup_samples: Length of the ramp (the peer's spelling). Samples; int >= 1.

    Returns:
        The batch size of each update. Unit: samples.

    Raises:
        InvalidScheduleError: A value is outside its range, or there is no rise (the
            peer divides by zero then).

    Source:
        Megatron-LM d98e8a64, core/num_microbatches_calculator.py.

    Examples:
        >>> from stepsize.dialects import megatron
        >>> ramp = megatron.RampupBatchsizeNumMicroBatchesCalculator
        >>> ramp(12, 1, 4, False, 0, 4, 4, 20)
        knots([(0, 4.0), (3, 8.0), (4, 12.0)], "step")
    """
    owner = "RampupBatchsizeNumMicroBatchesCalculator"
    final = _count(global_batch_size, f"{owner}.global_batch_size")
    start = _count(start_global_batch_size, f"{owner}.start_global_batch_size")
    increment = _count(batch_size_increment, f"{owner}.batch_size_increment")
    samples = _count(ramup_samples, f"{owner}.ramup_samples")
    if start >= final or (final - start) % increment:
        rule = f"be a whole number of increments ({increment}) above start ({start})"
        hint = "for no ramp use ConstantNumMicroBatchesCalculator"
        message = describe(f"{owner}.global_batch_size", rule, final, hint=hint)
        raise InvalidScheduleError(message)
    running = _rounding(
        owner, micro_batch_size, data_parallel_size, decrease_batch_size_if_needed
    )
    per_increment = samples / ((final - start) // increment)

    sizes = [running(size) for size in range(start, final + 1, increment)]

    def index(consumed: int) -> int:
        if consumed > samples:
            return len(sizes) - 1
        return int(consumed / per_increment)

    return _staircase(index, sizes, samples + 1)


def StepBatchsizeNumMicroBatchesCalculator(  # noqa: PLR0917 - the peer's order
    micro_batch_size: int,
    data_parallel_size: int,
    decrease_batch_size_if_needed: bool,
    rank: int,
    schedule: str,
    seq_length: int | None = None,
) -> Schedule:
    """Change the global batch size by data seen, as --step-batch-size-schedule says.

        value(t) = size of the last entry whose threshold is <= the samples consumed

    Args:
        micro_batch_size: Samples in one micro-batch of one rank; int >= 1.
        data_parallel_size: Ranks that each take their share; int >= 1.
        decrease_batch_size_if_needed: Must be False, as in the peer.
        rank: Accepted; the peer only logs with it.
        schedule: "THRESHOLD:SIZE ..." with suffixes K, M, B, T, in any order, parted
            by blanks or commas; one threshold is 0. Unit: tokens where seq_length is
            given, samples otherwise.
        seq_length: Tokens in a sample; int >= 1. Thresholds become
            threshold // seq_length samples.

    Returns:
        The batch size of each update. Unit: samples.

    Raises:
        InvalidScheduleError: A value is outside its range, the text is malformed, or a
            size is no multiple of micro_batch_size * data_parallel_size (the peer
            fails when it reaches that size).

    Source:
        Megatron-LM d98e8a64, core/num_microbatches_calculator.py.

    Examples:
        >>> from stepsize.dialects import megatron
        >>> step = megatron.StepBatchsizeNumMicroBatchesCalculator
        >>> step(1, 4, False, 0, "0:768 250B:1536", seq_length=4096)
        knots([(0, 768.0), (79473, 1536.0)], "step")
    """
    owner = "StepBatchsizeNumMicroBatchesCalculator"
    if flag(decrease_batch_size_if_needed, f"{owner}.decrease_batch_size_if_needed"):
        rule = "be False"
        field = f"{owner}.decrease_batch_size_if_needed"
        raise InvalidScheduleError(describe(field, rule, decrease_batch_size_if_needed))
    running = _rounding(owner, micro_batch_size, data_parallel_size, decrease=False)
    entries = _entries(owner, schedule, seq_length)
    sizes = [running(size) for _, size in entries]

    def index(consumed: int) -> int:
        return sum(threshold <= consumed for threshold, _ in entries) - 1

    return _staircase(index, sizes, entries[-1][0])


def init_num_microbatches_calculator(  # noqa: PLR0917 - the peer's order
    rank: int,
    rampup_batch_size: Sequence[int | str] | None,
    global_batch_size: int | None,
    micro_batch_size: int,
    data_parallel_size: int,
    decrease_batch_size_if_needed: bool = False,
    step_batch_size_schedule: str | None = None,
    seq_length: int | None = None,
) -> Schedule:
    """Return the batch-size schedule that Megatron's command-line arguments mean.

    Args:
        rank: Accepted; the peer only logs with it.
        rampup_batch_size: --rampup-batch-size: start, increment, samples; or None.
        global_batch_size: Samples in an update (after the ramp); not used with
            step_batch_size_schedule.
        micro_batch_size: Samples in one micro-batch of one rank; int >= 1.
        data_parallel_size: Ranks that each take their share; int >= 1.
        decrease_batch_size_if_needed: Whether to round sizes down to multiples of
            micro_batch_size * data_parallel_size.
        step_batch_size_schedule: --step-batch-size-schedule, or None.
        seq_length: Tokens in a sample, for thresholds in tokens.

    Returns:
        What the calculator of that name would return.

    Raises:
        InvalidScheduleError: Both schedules are given, or a value is outside its range.

    Source:
        Megatron-LM d98e8a64, core/num_microbatches_calculator.py.

    Examples:
        >>> from stepsize.dialects import megatron
        >>> megatron.init_num_microbatches_calculator(0, ["4", "4", "20"], 12, 1, 4)
        knots([(0, 4.0), (3, 8.0), (4, 12.0)], "step")
    """
    owner = "init_num_microbatches_calculator"
    size, ranks = micro_batch_size, data_parallel_size
    decrease = decrease_batch_size_if_needed
    if step_batch_size_schedule is not None:
        if rampup_batch_size is not None:
            rule = "be left out when step_batch_size_schedule is given"
            field = f"{owner}.rampup_batch_size"
            raise InvalidScheduleError(describe(field, rule, rampup_batch_size))
        return StepBatchsizeNumMicroBatchesCalculator(
            size, ranks, decrease, rank, step_batch_size_schedule, seq_length
        )
    total = _count(global_batch_size, f"{owner}.global_batch_size")
    if rampup_batch_size is None:
        return ConstantNumMicroBatchesCalculator(total, size, ranks, decrease, rank)
    if len(rampup_batch_size) != 3:  # noqa: PLR2004 - the peer's three numbers
        rule = "be three numbers: start, increment, samples"
        message = describe(f"{owner}.rampup_batch_size", rule, rampup_batch_size)
        raise InvalidScheduleError(message)
    start, increment, samples = (
        _integer(part, f"{owner}.rampup_batch_size") for part in rampup_batch_size
    )
    return RampupBatchsizeNumMicroBatchesCalculator(
        total, size, ranks, decrease, rank, start, increment, samples
    )


def rate_equivalent(
    batch_size: Schedule, global_batch_size: int, power: float = 1.0
) -> Schedule:
    """Return the factor on the rate that replaces a batch-size schedule.

    The noise of an update grows with lr / batch^power. With b(n) the batch size that
    the ramp has after n samples, a run at the constant batch B = global_batch_size has
    the noise of the ramp at the same sample if its rate is multiplied by

        value(u) = (B / b(u * B))^power     at its own update u

    so a growing batch is a falling rate.

    Args:
        batch_size: Global batch size of each update, as the functions above return it.
            Unit: samples.
        global_batch_size: The constant batch to train with instead; int >= 1.
        power: 1 for SGD, 0.5 for Adam; in [0, 1].

    Returns:
        The factor, for updates of `global_batch_size` samples; multiply a rate by it.

    Raises:
        InvalidScheduleError: A value is outside its range, or `batch_size` is not
            piecewise constant with whole sizes.

    Source:
        Smith et al. 2018, arXiv:1711.00489 (SGD); Malladi et al. 2022,
        arXiv:2205.10287 (Adam). Not part of Megatron-LM.

    Examples:
        >>> from stepsize.dialects import megatron
        >>> ramp = megatron.init_num_microbatches_calculator(0, [4, 4, 20], 12, 1, 1)
        >>> megatron.rate_equivalent(ramp, 12)
        knots([(0, 3.0), (1, 1.5), (2, 1.0)], "step")
    """
    owner = "rate_equivalent"
    size = _count(global_batch_size, f"{owner}.global_batch_size")
    exponent = number(power, f"{owner}.power", high=1.0)
    points: dict[int, float] = {}
    for stage in stages(batch_size, f"{owner}.batch_size"):
        first = -(-stage.consumed // size)
        points[first] = float(Fraction(size, stage.batch_size)) ** exponent
    return knots(list(points.items()), "step")


def stages(batch_size: object, field: str) -> list[Stage]:
    """Return the stages of a batch size: a whole number, or a schedule of such.

    Raises:
        InvalidScheduleError: It is neither.
    """
    rule = "be an int >= 1 (unit: samples) or a schedule whose values are such"
    if not isinstance(batch_size, Schedule):
        size = whole(batch_size)
        if size is None or size < 1:
            raise InvalidScheduleError(describe(field, rule, batch_size))
        return [Stage(0, size, 0)]
    resolved = batch_size.resolve()
    starts = sorted({-int(-start // 1) for start in resolved.boundaries()})
    found: list[Stage] = []
    for index, start in enumerate(starts):
        value = resolved(start)
        end = starts[index + 1] if index + 1 < len(starts) else start + 2
        flat = value == resolved(end - 1) == resolved((start + end) // 2)
        if not flat or value < 1 or value != int(value):
            raise InvalidScheduleError(describe(field, rule, batch_size))
        consumed = 0
        if found:
            last = found[-1]
            consumed = last.consumed + (start - last.update) * last.batch_size
        if not found or value != found[-1].batch_size:
            found.append(Stage(start, int(value), consumed))
    return found


def _staircase(
    index: Callable[[int], int], sizes: Sequence[int], until: int
) -> Schedule:
    """Return the batch size of each update.

    Args:
        index: Which size holds after n samples; it never goes back.
        sizes: The sizes, in order.
        until: Samples after which the last one holds.
    """
    points: list[tuple[int, int]] = []
    update = consumed = 0
    while True:
        now = index(consumed)
        size = sizes[now]
        if not points or points[-1][1] != size:
            points.append((update, size))
        if now == len(sizes) - 1:
            break
        # the first update with another index, by bisection: ramps can be long
        low, high = 1, -(-(until - consumed) // size)
        while low < high:
            middle = (low + high) // 2
            if index(consumed + middle * size) != now:
                high = middle
            else:
                low = middle + 1
        update, consumed = update + low, consumed + low * size
    return knots(points, "step") if points[1:] else scaled(points[0][1], hold())


def _rounding(
    owner: str, micro_batch_size: object, data_parallel_size: object, decrease: object
) -> Callable[[int], int]:
    """Return what makes a batch of whole micro-batches, or refuses."""
    micro = _count(micro_batch_size, f"{owner}.micro_batch_size")
    ranks = _count(data_parallel_size, f"{owner}.data_parallel_size")
    lenient = flag(decrease, f"{owner}.decrease_batch_size_if_needed")

    def running(size: int) -> int:
        rounded = size // (micro * ranks) * (micro * ranks)
        if rounded == 0 or (rounded != size and not lenient):
            rule = f"be multiples of {micro} * {ranks} samples, at least once"
            raise InvalidScheduleError(describe(f"{owner}: batch sizes", rule, size))
        return rounded

    return running


def _entries(owner: str, schedule: object, seq_length: object) -> list[tuple[int, int]]:
    field = f"{owner}.schedule"
    rule = 'be a text "THRESHOLD:SIZE ...", as in "0:768 250B:1536"'
    if not isinstance(schedule, str):
        raise InvalidScheduleError(describe(field, rule, schedule))
    length = None if seq_length is None else _count(seq_length, f"{owner}.seq_length")
    entries = []
    for entry in schedule.replace(",", " ").split():
        threshold, colon, size = entry.partition(":")
        if not colon:
            raise InvalidScheduleError(describe(field, rule, schedule))
        start = _amount(threshold, field, schedule)
        entries.append(
            (start // (length or 1), _amount(size, field, schedule, least=1))
        )
    entries.sort(key=lambda pair: pair[0])
    starts = [start for start, _ in entries]
    if not starts or starts[0] != 0 or len(set(starts)) != len(starts):
        rule = "have thresholds that differ (in samples), one of them 0"
        raise InvalidScheduleError(describe(field, rule, schedule))
    return entries


def _amount(text: str, field: str, schedule: str, *, least: int = 0) -> int:
    digits = text.strip().upper()
    factor = SUFFIXES.get(digits[-1:], 1)
    try:
        value = int(float(digits.rstrip("KMBT") if factor > 1 else digits) * factor)
    except (ValueError, OverflowError):
        value = -1
    if value < least:
        rule = f"have numbers >= {least} with one of the suffixes K, M, B, T or none"
        raise InvalidScheduleError(describe(field, rule, schedule))
    return value


def _integer(value: object, field: str) -> int:
    try:
        return int(value)  # type: ignore[call-overload, no-any-return]  # the except is the check
    except (TypeError, ValueError):
        raise InvalidScheduleError(describe(field, "be ints", value)) from None


def _count(value: object, field: str) -> int:
    count = whole(value)
    if count is None or count < 1:
        raise InvalidScheduleError(describe(field, "be an int >= 1", value))
    return count
