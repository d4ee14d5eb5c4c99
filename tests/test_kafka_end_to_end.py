"""The real program on a real broker: events in, on the topic, applied, in the next list."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest
from kafka import KafkaProducer
from kafka.admin import ResourceType

from benchmarks.program import Program
from recommender.topics import EVENT_TOPICS, RATINGS, dead_letter_topic
from tests.kafka.broker import PASSWORD, Broker
from tests.kafka.cluster import Namespace, namespace
from tests.kafka.program import applied, bus_check, letters, posted, program_on_kafka
from tests.running_server import Home, prepared_home, soon
from tests.test_kafka_security import allow, allow_all

OUTAGE_S = 8.0
TOLD_S = 10.0


@pytest.fixture
def space(broker: Broker) -> Iterator[Namespace]:
    with namespace(broker) as made:
        yield made


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return prepared_home(tmp_path)


def films(program: Program, user: str = "u1") -> list[str]:
    answer = program.ask("GET", f"/recommend?user_id={user}&k=5")
    assert answer.status == 200
    return [film["item_id"] for film in answer.json()["recommendations"]]


def rate(program: Program, event_id: str, user: str = "u1", film: str = "m1") -> int:
    body = {"event_id": event_id, "user_id": user, "item_id": film, "rating": 5}
    return program.ask("POST", "/rate", body).status


def on_topics(space: Namespace, *topics: str) -> int:
    return sum(space.bus().end_offsets(topics).values())


def lag(program: Program) -> float:
    return program.metric("reco_consumer_lag")


def test_a_rating_goes_over_the_topic_into_the_next_list_and_the_metrics(
    home: Home, space: Namespace
) -> None:
    with program_on_kafka(home, space).start() as program:
        soon(lambda: bus_check(program) == ("ready", "ok"))
        before = films(program)
        began = time.monotonic()
        assert rate(program, "mine", film=before[0]) == 200
        soon(lambda: before[0] not in films(program))
        assert time.monotonic() - began < 5
        assert on_topics(space, *EVENT_TOPICS) == on_topics(space, RATINGS) == 1
        soon(lambda: program.metric("reco_events_applied_total") == 1)
        soon(lambda: program.metric("reco_relay_backlog") == 0 and lag(program) == 0)
        assert program.terminate() == 0
        assert "Traceback" not in program.said()


def test_events_of_other_programs_are_taken_in_and_bad_ones_set_aside_once(
    home: Home, space: Namespace, broker: Broker
) -> None:
    known = applied(home)
    simulator = KafkaProducer(bootstrap_servers=broker.address)
    topic = space.names.on_kafka(RATINGS)
    for n in range(20):
        event = {"ts": f"2025-10-{n + 1:02d}T10:00:00", "user_id": 54 + n, "movie_id": 3273,
                 "rating": 4}
        simulator.send(topic, orjson.dumps(event), key=str(54 + n).encode() if n % 2 else None)
    for bad in (b"not json", b"\xff\x00", b'{"user_id": 1, "movie_id": 2, "rating": 9}', None):
        simulator.send(topic, bad, key=b"\xfe\x00bad")
    simulator.flush(timeout=20)
    simulator.close(timeout=5)
    with program_on_kafka(home, space).start() as program:
        soon(lambda: applied(home) == known + 20, 30)
        soon(lambda: len(letters(home)) == 4)
        history = program.ask("GET", "/users/54/history").json()
        assert "3273" in str(history)
        soon(lambda: on_topics(space, dead_letter_topic(RATINGS)) == 4)
        soon(lambda: program.metric("reco_events_dead_lettered_total") == 4)
        soon(lambda: posted(home) == 4)
        program.kill()
    assert {d.cluster_id for d in letters(home)} == {"5L6g3nShT-eMCtK--X86sw"}
    with program_on_kafka(home, space).start() as program:
        rate(program, "mine")
        soon(lambda: applied(home) == known + 21, 30)
        assert len(letters(home)) == 4
        assert on_topics(space, dead_letter_topic(RATINGS)) == 4


class Posting:
    """Threads that rate, each event once, until told to stop."""

    def __init__(self, program: Program, threads: int = 3) -> None:
        self.accepted: list[str] = []
        self.refused: list[int] = []
        self._program = program
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._post, args=(n,)) for n in range(threads)]
        for thread in self._threads:
            thread.start()

    def _post(self, number: int) -> None:
        turn = 0
        while not self._stop.is_set():
            turn += 1
            event_id = f"{number}-{turn}"
            status = rate(self._program, event_id, f"u{turn % 40 + 1}", f"m{turn % 90 + 1}")
            (self.accepted.append(event_id) if status == 200 else self.refused.append(status))
            time.sleep(0.005)

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()


def test_kill_9_of_the_broker_under_load_loses_nothing_and_doubles_nothing(
    home: Home, space: Namespace, broker: Broker
) -> None:
    known = applied(home)
    with program_on_kafka(home, space).start() as program:
        soon(lambda: bus_check(program)[1] == "ok")
        posting = Posting(program)
        try:
            soon(lambda: applied(home) > known + 50)
            broker.kill()
            soon(lambda: bus_check(program)[0] == "degraded", TOLD_S)
            time.sleep(OUTAGE_S)
            assert films(program)
            broker.start()
            time.sleep(1)
        finally:
            posting.stop()
        assert not posting.refused
        assert len(posting.accepted) > 300
        soon(lambda: applied(home) == known + len(posting.accepted), 60)
        soon(lambda: bus_check(program) == ("ready", "ok"), 20)
        soon(lambda: program.metric("reco_relay_backlog") == 0)
        assert program.metric("reco_events_dead_lettered_total") == 0
        assert program.metric("reco_events_applied_total") == len(posting.accepted)
    assert home.log("bus_problem") and home.log("bus_well_again")


def test_without_a_broker_it_starts_serves_and_accepts_and_catches_up_later(
    home: Home, space: Namespace, broker: Broker
) -> None:
    known = applied(home)
    broker.kill()
    with program_on_kafka(home, space).start() as program:
        assert films(program)
        for n in range(30):
            assert rate(program, f"early-{n}", film=f"m{n + 1}") == 200
        status, check = soon(
            lambda: (found := bus_check(program))[1] != "not asked yet" and found, TOLD_S)
        assert status == "degraded" and "ECONNREFUSED" in check
        soon(lambda: program.metric("reco_relay_backlog") == 30)
        assert applied(home) == known
        broker.start()
        soon(lambda: applied(home) == known + 30, 40)
        soon(lambda: bus_check(program) == ("ready", "ok"), 20)
        assert program.terminate() == 0


def test_a_broker_that_is_away_does_not_hold_up_the_end_of_the_program(
    home: Home, space: Namespace, broker: Broker
) -> None:
    with program_on_kafka(home, space).start() as program:
        soon(lambda: bus_check(program)[1] == "ok")
        broker.freeze()
        try:
            rate(program, "left behind")
            time.sleep(1)
            began = time.monotonic()
            assert program.terminate() == 0
            assert time.monotonic() - began < 10
        finally:
            broker.thaw()


def login(broker: Broker, user: str, password: str = PASSWORD) -> dict[str, str]:
    return {
        "kafka_bootstrap_servers": orjson.dumps([broker.sasl_ssl]).decode(),
        "kafka_security_protocol": "SASL_SSL", "kafka_username": user, "kafka_password": password,
        "kafka_ca_file": str(broker.authority.file),
    }


def test_a_missing_right_to_read_is_told_within_10_seconds_and_nothing_is_lost(
    home: Home, space: Namespace, broker: Broker
) -> None:
    known = applied(home)
    for topic in (*EVENT_TOPICS, *map(dead_letter_topic, EVENT_TOPICS)):
        allow(space, "writer", ResourceType.TOPIC, space.names.on_kafka(topic), "WRITE")
    with program_on_kafka(home, space, **login(broker, "writer")).start() as program:
        began = time.monotonic()
        soon(lambda: "not allowed to READ" in bus_check(program)[1], TOLD_S)
        assert bus_check(program)[0] == "degraded"
        assert any("not allowed to READ" in line["reason"] for line in home.log("bus_problem"))
        assert time.monotonic() - began < TOLD_S
        assert rate(program, "waiting") == 200
        soon(lambda: on_topics(space, RATINGS) == 1)
        assert films(program) and applied(home) == known
        allow_all(space, "writer")
        soon(lambda: applied(home) == known + 1, 30)
        soon(lambda: bus_check(program) == ("ready", "ok"))


def test_a_wrong_password_is_told_within_10_seconds_while_the_program_serves(
    home: Home, space: Namespace, broker: Broker
) -> None:
    with program_on_kafka(home, space, **login(broker, "app", "wrong")).start() as program:
        soon(lambda: "credentials" in bus_check(program)[1]
             or "are user and password right?" in bus_check(program)[1], TOLD_S)
        assert home.log("bus_problem")
        assert rate(program, "waiting") == 200 and films(program)
        soon(lambda: program.metric("reco_relay_backlog") == 1)
        assert PASSWORD not in program.said() and "wrong\"" not in program.said()
