"""At most so many threads wait for request bodies; the others stay free for everybody else.

The server reads no body before it calls us, and a read cannot be given a time-out: each client that
sends its body slowly holds a thread until it is done. So only some threads may wait for bodies.

A read takes one of their slots. A body that is here already gives it back after microseconds, so
whoever finds all taken waits a moment for one; only when none came free in that time is the request
answered 503. From then on it is clear that the clients are what is slow, and further requests are
refused at once, until one of the bodies has come.
"""

from __future__ import annotations

import io
import threading
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from web.errors import ProblemError

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_BODILESS = frozenset({"GET", "HEAD", "OPTIONS"})
_WAITS, _WAIT_S = 10, 0.01
"""Several short waits rather than one: when the whole process stands still for a while, each
thread has only one of them expired when it goes on."""
_RETRY_S = 1


class BodySlots:
    """`most` slots; `on_refused` is called for each request that got none."""

    def __init__(self, most: int, on_refused: Callable[[], None]) -> None:
        self._most = most
        self._on_refused = on_refused
        self._taken = 0
        self._stuck = False
        self._given_back = threading.Condition(threading.Lock())

    def wrap(self, app: WSGIApplication) -> WSGIApplication:
        """The application, its bodies read under slots."""

        def wrapped(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
            if environ["REQUEST_METHOD"] not in _BODILESS:
                environ["wsgi.input"] = _Body(environ["wsgi.input"], self)
            return app(environ, start_response)

        return wrapped

    def take(self) -> None:
        """Take a slot.

        Raises:
            ProblemError: 503, all are taken by bodies that do not come.
        """
        with self._given_back:
            if self._taken < self._most or self._one_comes_free():
                self._taken += 1
                return
        self._on_refused()
        raise ProblemError(503, "too many requests whose bodies are still on their way",
                           headers={"Retry-After": str(_RETRY_S)})

    def give_back(self) -> None:
        """Give a slot back."""
        with self._given_back:
            self._taken -= 1
            self._stuck = False
            self._given_back.notify()

    def _one_comes_free(self) -> bool:
        expired = 0
        while expired < _WAITS and not self._stuck:
            expired += not self._given_back.wait(_WAIT_S)
            if self._taken < self._most:
                return True
        self._stuck = True
        return False


class _Body(io.RawIOBase):
    """A request body read under a slot; once refused, always refused."""

    def __init__(self, stream: Any, slots: BodySlots) -> None:
        self._stream = stream
        self._slots = slots
        self._refusal: ProblemError | None = None

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1, /) -> bytes:
        if self._refusal is not None:
            raise self._refusal
        try:
            self._slots.take()
        except ProblemError as refusal:
            self._refusal = refusal
            raise
        try:
            data: bytes = self._stream.read(size)
        finally:
            self._slots.give_back()
        return data

    def readinto(self, buffer: Any) -> int:
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)
