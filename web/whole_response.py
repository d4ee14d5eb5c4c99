"""Answers handed to the server in one piece.

The server sends a list of bytes at once. Over any other iterable it goes chunk by chunk and gives
the interpreter lock away at each, in the middle of the request: a quarter of all requests a
second with 16 threads (`make bench-serve`).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from flask import Response

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment


class WholeResponse(Response):
    """A response whose body, when it lies in memory, is one list; streams stay streams."""

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer as a WSGI application."""
        body, status, headers = self.get_wsgi_response(environ)
        start_response(status, headers)
        if not self.is_sequence or self.direct_passthrough:
            return body
        chunks = list(body)
        self.close()
        return chunks
