"""Short requests take turns instead of fighting for the interpreter.

Several threads that want the interpreter lock at once take it from each other in the middle of
their work: with 8 threads, /recommend answered half as many requests as with one (measured by
`make bench-serve`), at ten times the p99. So the short, frequent calls run one at a time, each to
its end; a call that waits for the disk gives its turn up meanwhile, which is what lets several
events share an fsync. All other routes run beside them as usual. A body is read before the turn
begins: a client that sends it slowly holds its own thread, not everybody's turn.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from io import BytesIO
from threading import Lock, local
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, cast

from werkzeug.wsgi import get_content_length

from recommender.ports import AuditLog, Outbox
from recommender.review import AuditFilter, NumberedEntry, Page
from recommender.types import Acceptance, AuditEntry, Event
from web.errors import ProblemError

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

P = ParamSpec("P")
R = TypeVar("R")
Part = TypeVar("Part")
SHORT_CALLS = frozenset({"/recommend", "/rate", "/watch", "/undo"})
_SHORT_PREFIX = "/recommend/"


class Turns:
    """One turn, taken by one thread at a time.

    `body_max_bytes` is the application's own limit; of a larger body no more is read ahead than
    it takes for the application to see that it is too large.
    """

    def __init__(self, body_max_bytes: int = 1 << 20) -> None:
        self._body_max_bytes = body_max_bytes
        self._turn = Lock()
        self._mine = local()

    def wrap(self, app: WSGIApplication) -> WSGIApplication:
        """The application with its short calls taking turns."""

        def wrapped(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
            path: Any = environ["PATH_INFO"]
            if path not in SHORT_CALLS and not path.startswith(_SHORT_PREFIX):
                return app(environ, start_response)
            if environ.get("REQUEST_METHOD") == "POST":
                _read_ahead(environ, self._body_max_bytes)
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
        self._mine.held = False
        self._turn.release()
        try:
            yield
        finally:
            self._turn.acquire()
            self._mine.held = True

    def patient(self, call: Callable[P, R]) -> Callable[P, R]:
        """`call`, whose callers give up their turn while it runs."""

        def patient_call(*args: P.args, **kwargs: P.kwargs) -> R:
            with self.given_up():
                return call(*args, **kwargs)

        return patient_call


def _read_ahead(environ: WSGIEnvironment, limit: int) -> None:
    """Put the body into memory; one that tells a length over the limit stays unread."""
    length = get_content_length(environ)
    if length is None:
        # One byte more than the limit tells the application that a chunked body exceeds it.
        length = limit + 1 if "wsgi.input_terminated" in environ else 0
    elif length > limit:
        return
    stream = environ["wsgi.input"]
    parts: list[bytes] = []
    try:
        while length > 0 and (part := stream.read(length)):
            parts.append(part)
            length -= len(part)
    except (OSError, ValueError, ProblemError):
        return  # gone, or not let in: the application reads the same error and answers it
    environ["wsgi.input"] = BytesIO(b"".join(parts))


def patiently(part: Part, turns: Turns, *names: str) -> Part:
    """`part`, with methods whose callers give up their turn while these run.

    For what lies behind a network: there a query may wait, and with it all short calls.
    """
    return cast(Part, _Patient(part, turns, names))


class _Patient:
    def __init__(self, part: object, turns: Turns, names: Sequence[str]) -> None:
        self._part = part
        for name in names:
            setattr(self, name, turns.patient(getattr(part, name)))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._part, name)


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


class PatientAuditLog:
    """An audit log whose writers give up their turn while they wait for the store."""

    def __init__(self, audit_log: AuditLog, turns: Turns) -> None:
        self._audit_log = audit_log
        self._turns = turns

    def append(self, entry: AuditEntry) -> None:
        """As `ports.AuditLog.append`."""
        with self._turns.given_up():
            self._audit_log.append(entry)

    def entries(self, limit: int = 100) -> list[AuditEntry]:
        """As `ports.AuditLog.entries`."""
        return self._audit_log.entries(limit)

    def search(
        self, wanted: AuditFilter, before: int | None = None, limit: int = 50
    ) -> Page[NumberedEntry]:
        """As `ports.AuditLog.search`."""
        return self._audit_log.search(wanted, before, limit)
