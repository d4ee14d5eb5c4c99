"""Short calls run one at a time, and give their turn up while they wait."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import Any

import pytest

from web.turns import Turns, patiently


class Rooms:
    """An application that counts who is inside and can be made to wait there."""

    def __init__(self, turns: Turns | None = None) -> None:
        self.turns = turns
        self.inside = 0
        self.most = 0
        self.lock = threading.Lock()
        self.all_waiting = threading.Barrier(4, timeout=10)

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        with self.lock:
            self.inside += 1
            self.most = max(self.most, self.inside)
        if self.turns is not None:
            with self.turns.given_up():
                self.all_waiting.wait()  # only passes when all four wait here at once
        else:
            threading.Event().wait(0.005)
        with self.lock:
            self.inside -= 1
        return [b"ok"]


def call_at_once(app: Any, path: str, callers: int = 4) -> None:
    failures: list[BaseException] = []

    def call() -> None:
        try:
            app({"PATH_INFO": path}, None)
        except BaseException as error:  # noqa: BLE001 (told to the test below)
            failures.append(error)

    threads = [threading.Thread(target=call) for _ in range(callers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert not failures


@pytest.mark.parametrize("path", ["/recommend", "/recommend/42", "/rate", "/watch", "/undo"])
def test_short_calls_run_one_at_a_time(path: str) -> None:
    rooms = Rooms()
    call_at_once(Turns().wrap(rooms), path)
    assert rooms.most == 1


def test_other_calls_run_beside_each_other() -> None:
    rooms = Rooms()
    call_at_once(Turns().wrap(rooms), "/movies")
    assert rooms.most > 1


def test_a_call_that_waits_lets_the_others_in() -> None:
    turns = Turns()
    call_at_once(turns.wrap(Rooms(turns)), "/rate")


def test_a_failing_call_gives_its_turn_back() -> None:
    def failing(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        raise ZeroDivisionError

    wrapped = Turns().wrap(failing)
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            wrapped({"PATH_INFO": "/rate"}, None)  # type: ignore[arg-type]


def test_giving_up_a_turn_that_one_does_not_have_does_nothing() -> None:
    turns = Turns()
    with turns.given_up():
        pass
    rooms = Rooms()
    call_at_once(turns.wrap(rooms), "/rate")
    assert rooms.most == 1


def test_methods_made_patient_run_beside_each_other_and_the_rest_is_as_it_was() -> None:
    class Part:
        value = 7

        def __init__(self) -> None:
            self.all_waiting = threading.Barrier(4, timeout=10)

        def slow(self, by: int) -> int:
            self.all_waiting.wait()  # only passes when all four wait here at once
            return self.value + by

        def quick(self) -> int:
            return self.value

    turns = Turns()
    part = patiently(Part(), turns, "slow")
    answers: list[int] = []

    def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        answers.append(part.slow(by=1))
        return []

    call_at_once(turns.wrap(app), "/recommend")
    assert answers == [8] * 4
    assert (part.quick(), part.value) == (7, 7)
