"""A client that sends its body slowly, or a store that is slow to audit, stops nobody else."""

from __future__ import annotations

import dataclasses
import io
import socket
import threading
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from recommender.errors import StoreUnavailable
from recommender.types import AuditEntry, Role
from tests.fake_administration import InMemoryAuditLog
from tests.running_server import home_with_world
from tests.slow_bodies import JSON, RATING, SlowBody, beside
from tests.web_world import World, options
from web.application import create_app

LIMIT = 4096


class Site(World):
    """The application with a small limit for bodies."""

    def __init__(self) -> None:
        super().__init__(options(request_body_max_bytes=LIMIT))

    def rate(self, stream: Any, length: int | None = None) -> Any:
        """Post as the server hands a body over: unread, and ending by itself."""
        told = {} if length is None else {"CONTENT_LENGTH": str(length)}
        chunked = {"HTTP_TRANSFER_ENCODING": "chunked"} if length is None else {}
        return self.app.test_client().post(
            "/rate", content_type=JSON,
            environ_overrides={"wsgi.input": stream, "wsgi.input_terminated": True,
                               **told, **chunked})


@pytest.mark.parametrize("told", [True, False], ids=["length told", "chunked"])
def test_others_are_answered_while_a_client_sends_its_body(told: bool) -> None:
    site, body = Site(), SlowBody(RATING)
    with beside(lambda: site.rate(body, len(RATING) if told else None)) as slow:
        assert body.waited_for.wait(10)
        with beside(lambda: site.rate(io.BytesIO(RATING), len(RATING))) as quick:
            pass
        assert quick[0].status_code == 200 and not slow
        body.let_go.set()
    assert slow[0].status_code == 200 and len(site.outbox.events) == 2


def test_a_body_over_the_limit_is_413_and_a_full_one_is_taken() -> None:
    site = Site()
    full = RATING.ljust(LIMIT)
    for length in (LIMIT, None):
        assert site.rate(io.BytesIO(full), length).status_code == 200
    for length in (LIMIT + 1, None):
        assert site.rate(io.BytesIO(full + b" "), length).status_code == 413


def test_of_a_body_that_tells_too_great_a_length_nothing_is_read() -> None:
    body = io.BytesIO(b" " * (LIMIT + 1))
    assert Site().rate(body, LIMIT + 1).status_code == 413
    assert body.tell() == 0


def test_a_client_that_goes_away_is_400() -> None:
    class Gone(io.RawIOBase):
        def readable(self) -> bool:
            return True

        def readinto(self, buffer: Any) -> int:
            raise ConnectionResetError

    assert Site().rate(io.BufferedReader(Gone()), 50).status_code == 400
    assert Site().rate(io.BytesIO(b"{"), 50).status_code == 400


def test_the_real_server_answers_beside_slow_clients(tmp_path: Path) -> None:
    with home_with_world(tmp_path).program().start() as program:
        head = (f"POST /rate HTTP/1.1\r\nHost: x\r\nContent-Type: {JSON}\r\n"
                f"Content-Length: {len(RATING)}\r\n\r\n").encode()
        with ExitStack() as stack:
            slow = [stack.enter_context(socket.create_connection(("127.0.0.1", program.port), 10))
                    for _ in range(4)]
            for connection in slow:
                connection.sendall(head + RATING[:1])
            for path in ("/recommend?user_id=u1", "/recommend/u2"):
                assert program.ask("GET", path).status == 200
            for connection in slow:
                connection.sendall(RATING[1:])
                assert connection.recv(4096).startswith(b"HTTP/1.1 200")


class SlowAudit(InMemoryAuditLog):
    """Waits, as for the write lock of the store."""

    def __init__(self) -> None:
        super().__init__()
        self.waited_for = threading.Event()
        self.let_go = threading.Event()

    def append(self, entry: AuditEntry) -> None:
        self.waited_for.set()
        assert self.let_go.wait(10)
        super().append(entry)


def test_others_are_answered_while_a_refusal_is_audited() -> None:
    world, audit = World(), SlowAudit()
    app = create_app(dataclasses.replace(world.services, audit_log=audit), options())
    headers = world.key(Role.CLIENT, "u2")

    def rate(**headers: str) -> Any:
        return app.test_client().post("/rate", data=RATING, content_type=JSON, headers=headers)

    with beside(lambda: rate(**headers)) as refused:
        assert audit.waited_for.wait(10)
        with beside(rate) as taken:
            pass
        assert taken[0].status_code == 200 and not refused
        audit.let_go.set()
    assert refused[0].status_code == 403
    assert len(audit.entries()) == 1


def test_a_refusal_holds_and_is_logged_when_it_cannot_be_audited() -> None:
    class Broken(InMemoryAuditLog):
        def append(self, entry: AuditEntry) -> None:
            raise StoreUnavailable("locked", 5)

    world = World()
    app = create_app(dataclasses.replace(world.services, audit_log=Broken()), options())
    client: Any = app.test_client()
    bound = world.key(Role.CLIENT, "u2")
    with capture_logs() as lines:
        assert client.post("/rate", data=RATING, content_type=JSON,
                           headers=bound).status_code == 403
        assert client.get("/models").status_code == 401
        assert client.get("/models", headers=bound).status_code == 403
    failures = [line for line in lines if line["event"] == "audit_failed"]
    assert [line["log_level"] for line in failures] == ["error"] * 3
    assert [line["outcome"] for line in failures] == [
        "403 bound to another user", "401 no live key", "403 not an administrator"]
    assert not world.outbox.events
