"""Simulated users ask at a set pace, and tell what they met."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from commands.probe import Probe, ProbePlan
from fairreel import main
from recommender.simulate.viewers import Viewers


class Recommender(BaseHTTPRequestHandler):
    """Answers as the program does; every user whose number is even gets variant B."""

    protocol_version = "HTTP/1.1"
    broken = False

    def do_GET(self) -> None:
        user = self.path.split("user_id=")[1].split("&")[0]
        if self.broken:
            return self._say(500, {})
        variant = "B" if int(user.removeprefix("u")) % 2 == 0 else "A"
        films = [{"item_id": f"m{n}"} for n in range(10)]
        return self._say(200, {
            "variant": variant, "recommendations": films, "is_personalized": variant == "A",
            "provenance": {"model_version": f"v{variant}"}})

    def do_POST(self) -> None:
        length = int(self.headers["Content-Length"])
        body = json.loads(self.rfile.read(length))
        self._say(200 if body["item_id"].startswith("m") else 422, {})

    def _say(self, status: int, body: object) -> None:
        raw = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def log_message(self, *_arguments: object) -> None:
        """Quiet."""


@pytest.fixture
def url() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Recommender)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()
    Recommender.broken = False


def viewers(**success: float) -> Viewers:
    return Viewers([f"u{n}" for n in range(1, 21)], success, seed=1)


def test_success_follows_the_variant(url: str) -> None:
    found = Probe(ProbePlan(url, 300, 60, 5_000, 4), viewers(A=1.0, B=0.0)).run().summary()
    assert found["lists"] == 300 and found["failed"] == 0
    a, b = found["variants"]["A"], found["variants"]["B"]
    assert (a["watched_share"], b["watched_share"]) == (1.0, 0.0)
    assert (a["personalized_share"], b["personalized_share"]) == (1.0, 0.0)
    assert found["statuses"]["POST /watch 200"] == a["lists"] == found["models"]["vA"]


def test_it_keeps_its_pace_and_ends_by_time(url: str) -> None:
    found = Probe(ProbePlan(url, 10_000, 1.0, 20, 4), viewers()).run().summary()
    assert 5 <= found["lists"] <= 21


def test_failures_are_counted_and_are_its_exit_code(
        url: str, capsys: pytest.CaptureFixture[str]) -> None:
    Recommender.broken = True
    assert main(["probe", "--url", url, "--requests", "5", "--rate", "1000", "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["failed"] == 5


def test_nobody_there_is_a_failure(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["probe", "--url", "http://127.0.0.1:9", "--requests", "3", "--rate", "100"]) == 1
    assert "0 lists" in capsys.readouterr().out


def test_a_share_that_is_none_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["probe", "--success", "A=2"]) == 2
    assert "share from 0 to 1" in capsys.readouterr().err


def test_films_at_the_top_are_watched_more_often() -> None:
    population = viewers(A=1.0)
    watched = [population.visit("A", ["first", "second", "third"]).watched for _ in range(600)]
    assert watched.count("first") > watched.count("second") > watched.count("third") > 0
    assert population.visit("A", []).watched is None
