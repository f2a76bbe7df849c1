"""The error of an adapter whose framework is not installed."""

from __future__ import annotations

from stepsize.errors import FrameworkMissingError


def missing(framework: str, extra: str) -> FrameworkMissingError:
    """Return the error to raise where a framework cannot be imported.

    Args:
        framework: Its name, as its users write it.
        extra: The extra of stepsize that installs it.

    Examples:
        >>> print(missing("Lightning", "lightning"))
        Lightning cannot be imported. hint: pip install 'stepsize[lightning]'.
    """
    return FrameworkMissingError(
        f"{framework} cannot be imported. hint: pip install 'stepsize[{extra}]'."
    )
