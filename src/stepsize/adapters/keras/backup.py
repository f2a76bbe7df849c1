"""A file of a Scheduler's last states, to go with the checkpoints of Keras."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, final

from stepsize.errors import AdapterError, describe

KEPT = 8  # states: Keras keeps one checkpoint, or two


@final
class Backup:
    """States by the optimizer's count of updates, as JSON.

    Args:
        path: The file; its folder is made where it is missing.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)

    def save(self, count: int, state: dict[str, Any]) -> None:
        """Keep a state; later ones are of a future that is no more."""
        states = {known: one for known, one in self._read().items() if known < count}
        states[count] = state
        kept = {str(known): states[known] for known in sorted(states)[-KEPT:]}
        self.path.parent.mkdir(parents=True, exist_ok=True)
        new = self.path.with_name(self.path.name + ".new")
        new.write_text(json.dumps({"version": 1, "states": kept}))
        os.replace(new, self.path)

    def load(self, count: int) -> dict[str, Any]:
        """Return the state at a count.

        Raises:
            AdapterError: There is none.
        """
        states = self._read()
        if count not in states:
            rule = f"have the state at {count} updates, to which the model went back"
            hint = "save both at the same moments: save_freq"
            raise AdapterError(
                describe("Scheduler.backup", rule, sorted(states), hint=hint)
            )
        return states[count]

    def _read(self) -> dict[int, dict[str, Any]]:
        if not self.path.exists():
            return {}
        try:
            plain = json.loads(self.path.read_text())["states"]
            return {int(count): state for count, state in plain.items()}
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            rule = "be the file that a Scheduler wrote"
            raise AdapterError(
                describe("Scheduler.backup", rule, str(self.path), hint=str(error))
            ) from error
