"""A search for a rate with its cost stated first and its progress shown."""

import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from stepsize.cli.find_inputs import failing, set_up
from stepsize.errors import FrameworkMissingError, StepsizeError

if TYPE_CHECKING:
    from stepsize.finder import Found, Progress


def search(
    script: str,
    *,
    steps: int,
    fast: bool,
    seed: int,
    horizon: int | None,
    cache: Path | None,
) -> "Found":
    """Find the rate of the training that a script sets up.

    Raises:
        FinderError: The script fails, or returns something else.
        FrameworkMissingError: torch is not installed.
    """
    try:
        from stepsize.adapters.driving.finding import FinderWarning
        from stepsize.adapters.torch.finder import find_lr
    except ImportError as error:
        message = "stepsize find needs torch. hint: pip install 'stepsize[torch]'"
        raise FrameworkMissingError(message) from error
    from stepsize.cli.running import Screen
    from stepsize.finder import planned

    screen = Screen()
    plan = planned(steps=steps, fast=fast)
    given = set_up(script)
    if horizon is not None:
        given["horizon"] = horizon
    screen.say(
        f"{script}: at most {plan.steps} updates, {plan.ramp} of them a ramp; then all "
        "is put back"
    )

    def tell(progress: "Progress") -> None:
        screen.progress(progress.steps, progress.planned)

    with screen.running("finding the rate"), warnings.catch_warnings():
        warnings.simplefilter("ignore", FinderWarning)  # the reasons say it too
        try:
            return find_lr(
                **given, steps=steps, fast=fast, seed=seed, cache=cache, tell=tell
            )
        except StepsizeError:
            raise
        except Exception as error:
            raise failing(script)(error) from error
