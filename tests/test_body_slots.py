"""Clients that send their bodies slowly hold some of the threads and never all of them."""

from __future__ import annotations

import io
import json
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from benchmarks import wrk
from benchmarks.program import Program
from settings import Settings
from tests.running_server import home_with_world, soon
from tests.slow_bodies import JSON, RATING, SlowBody, beside
from tests.web_world import World, options
from web.body_slots import BodySlots

REFUSED = "reco_request_bodies_refused_total"
SENDERS = 40


class Site(World):
    """The application as it is served, with few slots for bodies."""

    def __init__(self, slots: int) -> None:
        super().__init__(options())
        self.slots = BodySlots(slots, self.telemetry.body_refused)
        self.app.wsgi_app = self.slots.wrap(self.app.wsgi_app)  # type: ignore[method-assign,assignment]

    def post(self, path: str, stream: Any) -> Any:
        return self.app.test_client().post(
            path, content_type=JSON if path == "/rate" else "application/x-ndjson",
            environ_overrides={"wsgi.input": stream, "wsgi.input_terminated": True,
                               "CONTENT_LENGTH": str(len(RATING))})

    def refused(self) -> int:
        return self.telemetry.counted["body_refused",]


@pytest.mark.parametrize("path", ["/rate", "/events"])
def test_a_body_beyond_the_slots_is_503_with_retry_after_and_others_are_answered(
    path: str
) -> None:
    site, slow = Site(1), SlowBody(RATING)
    with beside(lambda: site.post("/rate", slow)) as first:
        assert slow.waited_for.wait(10)
        answer = site.post(path, io.BytesIO(RATING))
        assert (answer.status_code, answer.mimetype) == (503, "application/problem+json")
        assert answer.headers["Retry-After"] == "1" and "on their way" in answer.json["detail"]
        assert site.client.get("/movies").status_code == 200
        assert site.refused() == 1 and not first
        slow.let_go.set()
    assert first[0].status_code == 200
    assert site.post(path, io.BytesIO(RATING)).status_code == 200
    assert site.refused() == 1 and len(site.outbox.events) >= 1


def test_only_the_first_refused_one_has_waited_for_a_slot() -> None:
    site, slow = Site(1), SlowBody(RATING)
    with beside(lambda: site.post("/rate", slow)):
        assert slow.waited_for.wait(10)
        site.post("/rate", io.BytesIO(RATING))
        began = time.monotonic()
        for _ in range(20):
            assert site.post("/rate", io.BytesIO(RATING)).status_code == 503
        assert time.monotonic() - began < 20 * 0.05
        slow.let_go.set()


def test_who_waits_for_a_slot_gets_the_one_given_back() -> None:
    slots = BodySlots(1, pytest.fail)
    slots.take()
    with beside(lambda: slots.take()) as taken:
        time.sleep(0.03)
        assert not taken
        slots.give_back()
    assert taken == [None]


def test_a_failing_read_gives_its_slot_back() -> None:
    class Gone(io.RawIOBase):
        def readable(self) -> bool:
            return True

        def readinto(self, buffer: Any) -> int:
            raise ConnectionResetError

    site = Site(1)
    for _ in range(3):
        assert site.post("/rate", io.BufferedReader(Gone())).status_code == 400
    assert site.post("/rate", io.BytesIO(RATING)).status_code == 200


@pytest.mark.parametrize("came", [0, 1, len(RATING) - 1])
@pytest.mark.parametrize("path", ["/rate", "/events"])
def test_a_body_that_ends_before_its_length_is_400_and_nothing_of_it_is_stored(
    path: str, came: int
) -> None:
    site = Site(1)
    answer = site.post(path, io.BytesIO(RATING[:came]))
    assert (answer.status_code, answer.mimetype) == (400, "application/problem+json")
    assert not site.outbox.events
    assert site.post(path, io.BytesIO(RATING)).status_code == 200


@pytest.mark.parametrize(("threads", "for_bodies"), [(1, 1), (2, 1), (4, 3), (16, 12)])
def test_a_quarter_of_the_threads_is_kept_from_bodies(threads: int, for_bodies: int) -> None:
    assert Settings(blocking_threads=threads).body_threads() == for_bodies


@contextmanager
def slow_senders(program: Program) -> Iterator[list[socket.socket]]:
    """Connections that have sent a head and one byte of their body."""
    head = (f"POST /rate HTTP/1.1\r\nHost: x\r\nContent-Type: {JSON}\r\n"
            f"Content-Length: {len(RATING)}\r\n\r\n").encode()
    with ExitStack() as stack:
        senders = [stack.enter_context(socket.create_connection(("127.0.0.1", program.port), 10))
                   for _ in range(SENDERS)]
        for sender in senders:
            sender.sendall(head + RATING[:1])
        yield senders


def test_the_real_server_answers_beside_forty_slow_senders(tmp_path: Path) -> None:
    rating = json.loads(RATING)
    with home_with_world(tmp_path).program().start() as program:
        with slow_senders(program) as senders:
            for path in ("/recommend?user_id=u1", "/health", "/recommend/u2", "/movies") * 5:
                began = time.monotonic()
                assert program.ask("GET", path).status == 200
                assert time.monotonic() - began < 2  # seconds, on a busy machine; else hours
            for path in ("/rate", "/watch", "/rate"):
                answer = program.ask("POST", path, rating)
                assert answer.status == 503 and answer.headers["retry-after"] == "1"
                assert answer.headers["content-type"] == "application/problem+json"
            slots = Settings().body_threads()
            soon(lambda: program.metric(REFUSED) == SENDERS - slots + 3)
            told = [sender for sender in senders if _first_line(sender) is not None]
            assert len(told) == SENDERS - slots
            assert {_first_line(sender) for sender in told} == {"HTTP/1.1 503 Service Unavailable"}
            held = next(sender for sender in senders if sender not in told)
            held.sendall(RATING[1:])  # one has sent everything: its slot is free for another
            assert held.recv(4096).startswith(b"HTTP/1.1 200")
            assert program.ask("POST", "/rate", rating).status == 200
        soon(lambda: program.ask("POST", "/rate", rating).status == 200)
        assert program.metric("reco_events_accepted_total") == 3


def _first_line(connection: socket.socket) -> str | None:
    """Of the answer, left unread; None when there is none yet."""
    connection.setblocking(False)
    try:
        return connection.recv(4096, socket.MSG_PEEK).decode().partition("\r\n")[0]
    except BlockingIOError:
        return None
    finally:
        connection.settimeout(10)


@pytest.mark.needs_tool("wrk")
def test_thirty_two_busy_connections_are_never_refused(tmp_path: Path) -> None:
    """More than the threads there are: the slots are all taken all the time, for microseconds."""
    files = [tmp_path / "users", tmp_path / "films"]
    for file, letter in zip(files, "um", strict=True):
        file.write_text("".join(f"{letter}{n}\n" for n in range(100)))
    script = Path(wrk.__file__).with_name("rate.lua")
    with home_with_world(tmp_path).program().start() as program:
        load = wrk.run(program.address, connections=32, seconds=2, script=script,
                       arguments=tuple(map(str, files)))
        assert (load.bad_answers, load.socket_errors) == (0, 0)
        assert program.metric("reco_events_accepted_total") > 32
        assert program.metric(REFUSED) == 0
