"""Messages between the processes of torch.distributed; not what they say."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any, final
from weakref import WeakKeyDictionary

import torch
from torch import distributed

from stepsize.errors import AdapterError, describe

ROOM = 1024  # bytes of the first message: longer ones need a second
_HEAD = 4  # bytes that say how long a message is

# The groups made here, by the group whose processes they have and by their timeout.
_own: WeakKeyDictionary[Any, dict[float | None, Any]] = WeakKeyDictionary()


@final
class Messages:
    """What the processes of a group send each other, over a gloo group of their own.

    Args:
        group: The processes; None: all of torch.distributed. All must construct it.
        timeout_seconds: How long the others are waited for; None: torch's default.

    Raises:
        AdapterError: gloo cannot be used.
    """

    __slots__ = ("_group", "_size", "_timeout_seconds")

    def __init__(self, group: Any, timeout_seconds: float | None) -> None:
        self._timeout_seconds = timeout_seconds
        self._size = distributed.get_world_size(group)
        self._group = _own_group(group, timeout_seconds)

    def gather(self, message: bytes) -> list[bytes]:
        """Return every rank's message, in order of ranks; all must make this call.

        Raises:
            AdapterError: A rank was lost, or did not come in time.
        """
        frame = len(message).to_bytes(_HEAD, "big") + message
        frames = self._all_gather(frame[:ROOM], ROOM)
        lengths = [int.from_bytes(one[:_HEAD], "big") for one in frames]
        longest = _HEAD + max(lengths)
        if longest > ROOM:
            rests = self._all_gather(frame[ROOM:], longest - ROOM)
            frames = [a + b for a, b in zip(frames, rests, strict=True)]
        return [
            frame[_HEAD : _HEAD + length]
            for frame, length in zip(frames, lengths, strict=True)
        ]

    def _all_gather(self, mine: bytes, room: int) -> list[bytes]:
        """Return `room` bytes of each rank; all must give the same `room`."""
        own = torch.frombuffer(bytearray(mine.ljust(room, b"\0")), dtype=torch.uint8)
        memory = bytearray(room * self._size)
        everything = torch.frombuffer(memory, dtype=torch.uint8)
        starts = range(0, len(memory), room)
        parts = [everything[start : start + room] for start in starts]
        try:
            distributed.all_gather(parts, own, group=self._group)
        except (RuntimeError, ValueError) as error:
            rule = f"all be alive, and come within {self._patience()}"
            hint = (
                "see the logs of the others; step, observe and load_state_dict are "
                "calls for all of them. Restart from a checkpoint"
            )
            raise AdapterError(
                describe("Ranks", rule, _short(error), hint=hint)
            ) from error
        return [bytes(memory[start : start + room]) for start in starts]

    def _patience(self) -> str:
        seconds = self._timeout_seconds
        return "30 minutes" if seconds is None else f"{seconds:g} s"


def _own_group(group: Any, seconds: float | None) -> Any:
    """Return the gloo group of these processes, made once for each timeout."""
    of = distributed.group.WORLD if group is None else group
    made = _own.setdefault(of, {})
    if seconds not in made:
        members = distributed.get_process_group_ranks(of)
        timeout = None if seconds is None else timedelta(seconds=seconds)
        try:
            made[seconds] = distributed.new_group(
                members,
                timeout=timeout,
                backend="gloo",
                use_local_synchronization=True,  # others need not take part
            )
        except (RuntimeError, ValueError) as error:
            rule = "reach each other over gloo"
            hint = "GLOO_SOCKET_IFNAME names the network interface to use"
            raise AdapterError(
                describe("Ranks", rule, _short(error), hint=hint)
            ) from error
    return made[seconds]


def _short(error: Exception) -> str:
    """Return the message of gloo without the places in its source."""
    return re.sub(r"\[\S+:\d+\] ", "", str(error)).partition("\n")[0]
