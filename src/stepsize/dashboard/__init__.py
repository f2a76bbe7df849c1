"""Runs as pages: an ASGI app over their records, which reads unless told to steer."""

from stepsize.dashboard.access import Access, add_token, revoke_token
from stepsize.dashboard.app import create_app

__all__ = ["Access", "add_token", "create_app", "revoke_token"]
