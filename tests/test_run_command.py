"""What `run` says once the server answers."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from commands.announce import address_of, announce, banner


class Answers(BaseHTTPRequestHandler):
    """Healthy; /movies answers `status`."""

    status = 200
    films: list[dict[str, str]] = []  # noqa: RUF012 (set by each test)
    asked: list[str] = []  # noqa: RUF012

    def do_GET(self) -> None:
        self.asked.append(self.path)
        self.send_response(200 if self.path == "/health" else self.status)
        self.end_headers()
        self.wfile.write(json.dumps({"movies": self.films}).encode())

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing."""


@pytest.fixture
def address() -> Iterator[str]:
    Answers.asked = []
    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield address_of("127.0.0.1", server.server_port)
        server.shutdown()
        thread.join(5)


@pytest.mark.parametrize("status", [401, 403, 429, 500, 503])
def test_the_banner_comes_though_the_films_are_refused_and_asks_for_them_once(
    address: str, status: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Answers, "status", status)
    announce(address, keys_required=True)
    said = capsys.readouterr().out
    assert address in said and '"item_id": "movie_456"' in said
    assert said.count("-H 'X-API-Key: <key>'") == 2
    assert Answers.asked == ["/health", "/movies?limit=1"]


def test_the_banner_names_a_film_of_the_catalogue(
    address: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Answers, "films", [{"item_id": "tt0133093"}])
    announce(address, keys_required=False)
    said = capsys.readouterr().out
    assert '"item_id": "tt0133093"' in said and "X-API-Key" not in said


@pytest.mark.parametrize(("host", "expected"), [
    ("127.0.0.1", "http://127.0.0.1:80"), ("::1", "http://[::1]:80"),
    ("2001:db8::7", "http://[2001:db8::7]:80"), ("fairreel.example", "http://fairreel.example:80"),
    ("0.0.0.0", "http://127.0.0.1:80"), ("::", "http://[::1]:80"),
])
def test_an_address_is_one_that_a_client_can_use(host: str, expected: str) -> None:
    assert address_of(host, 80) == expected
    assert f"{expected}/docs" in banner(expected, "m1")
    assert f"{expected}/admin" in banner(expected, "m1")
