"""Short requests take turns instead of fighting for the interpreter.

Several threads that want the interpreter lock at once take it from each other in the middle of
their work: with 8 threads, /recommend answered half as many requests as with one (measured by
`make bench-serve`), at ten times the p99. So the short, frequent calls run one at a time, each to
its end; a call that waits for the disk gives its turn up meanwhile, which is what lets several
events share an fsync. All other routes run beside them as usual.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from threading import Lock, local
from typing import TYPE_CHECKING, Any

from recommender.ports import Outbox
from recommender.types import Acceptance, Event

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

SHORT_CALLS = frozenset({"/recommend", "/rate", "/watch"})
_SHORT_PREFIX = "/recommend/"


class Turns:
    """One turn, taken by one thread at a time."""

    def __init__(self) -> None:
        self._turn = Lock()
        self._mine = local()

    def wrap(self, app: WSGIApplication) -> WSGIApplication:
        """The application with its short calls taking turns."""

        def wrapped(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
            path: Any = environ["PATH_INFO"]
            if path not in SHORT_CALLS and not path.startswith(_SHORT_PREFIX):
                return app(environ, start_response)
            with self._turn:
                self._mine.held = True
                try:
                    return app(environ, start_response)
                finally:
                    self._mine.held = False

        return wrapped

    @contextmanager
    def given_up(self) -> Iterator[None]:
        """Lets others run during the block; nothing happens for a thread without a turn."""
        if not getattr(self._mine, "held", False):
            yield
            return
        self._turn.release()
        try:
            yield
        finally:
            self._turn.acquire()


class PatientOutbox:
    """An outbox whose callers give up their turn while they wait for the disk."""

    def __init__(self, outbox: Outbox, turns: Turns) -> None:
        self._outbox = outbox
        self._turns = turns

    def accept(self, events: Sequence[Event]) -> list[Acceptance]:
        """As `ports.Outbox.accept`."""
        with self._turns.given_up():
            return self._outbox.accept(events)

    def depth(self) -> int:
        """As `ports.Outbox.depth`."""
        return self._outbox.depth()

    def close(self) -> None:
        """As `ports.Outbox.close`."""
        self._outbox.close()
