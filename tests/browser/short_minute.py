"""The whole program, with one thing changed: an address's minute lasts ten seconds.

What a page does when it asked too much is then seen without waiting for a real minute. The pages
know of no minute: they read how long to wait from the answer.
"""

from __future__ import annotations

import sys

from flask import Flask
from limits import RateLimitItemPerMinute

import app
import web.limits

MINUTE_S = 10
SERVE = (sys.executable, "-c", f"import app; app.serve('{__name__}:create_app')")


class ShortMinute(RateLimitItemPerMinute):
    """So many in `MINUTE_S`."""

    def get_expiry(self) -> int:
        return MINUTE_S


def create_app() -> Flask:
    """As `app.create_app`; called once, inside the server's worker process."""
    web.limits.RateLimitItemPerMinute = ShortMinute  # type: ignore[misc]
    return app.create_app()
