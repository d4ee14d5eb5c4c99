"""Connections that send no whole request head are closed; those that do are not hurried."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress

import pytest

from benchmarks.program import Program
from tests.running_server import home_with_world
from tests.slow_bodies import JSON, RATING

TIMEOUT_S = 1.0
FEW = 4


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    home = home_with_world(tmp_path_factory.mktemp("impatient"))
    with home.program(header_read_timeout_s=str(TIMEOUT_S),
                      backpressure_requests=str(FEW)).start() as program:
        yield program


def connect(program: Program) -> socket.socket:
    return socket.create_connection(("127.0.0.1", program.port), 10)


def closed_after_s(connection: socket.socket, began: float) -> float:
    """Seconds until the server closes it; fails when it does not."""
    with suppress(ConnectionResetError):
        while connection.recv(4096):
            pass
    return time.monotonic() - began


@pytest.mark.parametrize("sent", [
    b"", b"G", b"GET /health HTTP/1.1\r\nHost: x\r\nX-Never", b"PRI * HTTP/2.0\r\n"],
    ids=["nothing", "one byte", "half a head", "half the preface of HTTP/2"])
def test_a_connection_without_a_whole_head_is_closed(program: Program, sent: bytes) -> None:
    began = time.monotonic()
    with connect(program) as connection:
        connection.sendall(sent)
        assert closed_after_s(connection, began) < TIMEOUT_S + 4


def test_a_head_that_trickles_is_closed_too(program: Program) -> None:
    began = time.monotonic()
    with connect(program) as connection:
        connection.sendall(b"GET /health HTTP/1.1\r\n")
        with suppress(ConnectionError):
            while time.monotonic() - began < TIMEOUT_S + 4:
                connection.sendall(b"X-A: b\r\n")
                time.sleep(0.1)
        assert time.monotonic() - began < TIMEOUT_S + 4


def test_an_idle_connection_is_closed_after_its_answer(program: Program) -> None:
    with connect(program) as connection:
        connection.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
        assert connection.recv(4096).startswith(b"HTTP/1.1 200")
        began = time.monotonic()
        assert TIMEOUT_S / 2 < closed_after_s(connection, began) < TIMEOUT_S + 4


def test_a_body_may_take_longer_than_a_head(program: Program) -> None:
    with connect(program) as connection:
        connection.sendall((f"POST /rate HTTP/1.1\r\nHost: x\r\nContent-Type: {JSON}\r\n"
                            f"Content-Length: {len(RATING)}\r\n\r\n").encode() + RATING[:5])
        time.sleep(TIMEOUT_S * 2)
        connection.sendall(RATING[5:])
        assert connection.recv(4096).startswith(b"HTTP/1.1 200")


def test_silent_connections_keep_others_out_no_longer_than_the_time_out(program: Program) -> None:
    with ExitStack() as stack:
        for _ in range(FEW):
            stack.enter_context(connect(program))
        began = time.monotonic()
        assert program.ask("GET", "/health").status == 200
        assert time.monotonic() - began < TIMEOUT_S + 4
