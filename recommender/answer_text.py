"""The text of an answer without what changes from request to request.

A kept list is answered again and again; its text is made once and kept once, in memory and in the
response log, under the hash of its content.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache
from hashlib import blake2b

DIGEST_BYTES = 16


class AnswerText:
    """JSON text; `before` ends where the request id goes, `between` where the time goes.

    Immutable. Its digest is made when it is first asked for, which is behind the requests.
    """

    __slots__ = ("_digest", "before", "between")

    def __init__(self, before: bytes, between: bytes) -> None:
        self.before = before
        self.between = between
        self._digest: bytes | None = None

    @property
    def digest(self) -> bytes:
        """BLAKE2b-128 of the content."""
        if self._digest is None:
            content = b"\0".join((self.before, self.between))
            self._digest = blake2b(content, digest_size=DIGEST_BYTES).digest()
        return self._digest

    def complete(self, request_id: str, at_ms: int) -> bytes:
        """The whole body, as answered and as traced; `at_ms` in UTC milliseconds."""
        seconds, ms = divmod(at_ms, 1000)
        return b'%s%s%s%s.%03dZ"}}' % (
            self.before, request_id.encode(), self.between, _iso_second(seconds), ms)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, AnswerText):
            return NotImplemented
        return (self.before, self.between) == (other.before, other.between)

    def __hash__(self) -> int:
        return hash((self.before, self.between))


@lru_cache(maxsize=8)
def _iso_second(seconds: int) -> bytes:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S").encode()
