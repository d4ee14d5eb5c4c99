"""The text of an answer without what changes from request to request.

A kept list is answered again and again; its text is made once and kept once, in memory and in the
response log, under the hash of its content.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache
from hashlib import blake2b
from typing import NamedTuple

DIGEST_BYTES = 16
# For longer ones the interpreter lock is given away, and has to be waited for again.
_PIECE_BYTES = 2047


class AnswerText(NamedTuple):
    """JSON text; `before` ends where the request id goes, `between` where the time goes.

    digest: BLAKE2b-128 of the content; `answer_text` computes it.
    """

    before: bytes
    between: bytes
    digest: bytes

    def complete(self, request_id: str, at_ms: int) -> bytes:
        """The whole body, as answered and as traced; `at_ms` in UTC milliseconds."""
        seconds, ms = divmod(at_ms, 1000)
        return b'%s%s%s%s.%03dZ"}}' % (
            self.before, request_id.encode(), self.between, _iso_second(seconds), ms)


def answer_text(before: bytes, between: bytes) -> AnswerText:
    """A text with its digest."""
    digest = blake2b(digest_size=DIGEST_BYTES)
    for part in (before, b"\0", between):
        for start in range(0, len(part), _PIECE_BYTES):
            digest.update(part[start : start + _PIECE_BYTES])
    return AnswerText(before, between, digest.digest())


@lru_cache(maxsize=8)
def _iso_second(seconds: int) -> bytes:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S").encode()
