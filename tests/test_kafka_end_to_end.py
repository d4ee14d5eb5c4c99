"""The real program on a real broker: events in, on the topic, applied, in the next list."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from datetime import timedelta
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
from tests.kafka.rights import allow, allow_all
from tests.running_server import Home, prepared_home, soon

TOLD_S = 10.0
pytestmark = pytest.mark.timeout(600)  # starts of programs and brokers, on a busy machine


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


def test_own_and_foreign_events_go_over_the_topic_into_lists_metrics_and_letters(
    home: Home, space: Namespace, broker: Broker
) -> None:
    known = applied(home)
    foreign_events(space, broker)
    with program_on_kafka(home, space).start() as program:
        soon(lambda: bus_check(program) == ("ready", "ok"))
        soon(lambda: applied(home) == known + 20, 30)
        before = films(program)
        began = time.monotonic()
        assert rate(program, "mine", film=before[0]) == 200
        soon(lambda: before[0] not in films(program))
        assert time.monotonic() - began < 5
        assert "3273" in str(program.ask("GET", "/users/54/history").json())
        assert on_topics(space, *EVENT_TOPICS) == on_topics(space, RATINGS) == 25
        soon(lambda: program.metric("reco_events_applied_total") == 21)
        soon(lambda: program.metric("reco_relay_backlog") == 0 and lag(program) == 0)
        soon(lambda: len(letters(home)) == on_topics(space, dead_letter_topic(RATINGS)) == 4)
        soon(lambda: program.metric("reco_events_dead_lettered_total") == 4)
        soon(lambda: posted(home) == 4)
        assert "Traceback" not in program.said()
        program.kill()
    assert {d.cluster_id for d in letters(home)} == {"5L6g3nShT-eMCtK--X86sw"}
    with program_on_kafka(home, space).start() as program:
        assert rate(program, "later") == 200
        soon(lambda: applied(home) == known + 22, 30)
        assert len(letters(home)) == on_topics(space, dead_letter_topic(RATINGS)) == 4
        ends_in_time_although_the_broker_stands_still(program, broker)


def foreign_events(space: Namespace, broker: Broker) -> None:
    """Twenty as the course's simulator writes them, and four that are none."""
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


def ends_in_time_although_the_broker_stands_still(program: Program, broker: Broker) -> None:
    broker.freeze()
    try:
        assert rate(program, "left-behind") == 200
        time.sleep(0.5)
        began = time.monotonic()
        assert program.terminate() == 0
        assert time.monotonic() - began < 10
    finally:
        broker.thaw()


class Posting:
    """Threads that rate, each event once, until told to stop."""

    def __init__(self, program: Program, threads: int = 2) -> None:
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
            time.sleep(0.01)

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()


def test_without_a_broker_it_starts_serves_and_accepts_and_catches_up_later(
    home: Home, space: Namespace, broker: Broker
) -> None:
    known = applied(home)
    broker.kill()
    with program_on_kafka(home, space).start() as program:
        assert films(program)
        posting = Posting(program)
        try:
            status, check = soon(
                lambda: (found := bus_check(program))[1] != "not asked yet" and found, TOLD_S)
            assert status == "degraded" and "ECONNREFUSED" in check
            soon(lambda: len(posting.accepted) > 50, 20)
            soon(lambda: program.metric("reco_relay_backlog") > 0)
            assert applied(home) == known
            broker.start()
            soon(lambda: applied(home) > known + 50, 40)
        finally:
            posting.stop()
        assert not posting.refused
        soon(lambda: applied(home) == known + len(posting.accepted), 60)
        soon(lambda: bus_check(program) == ("ready", "ok"), 20)
        soon(lambda: program.metric("reco_relay_backlog") == 0)
        assert program.metric("reco_events_dead_lettered_total") == 0
        assert program.metric("reco_events_applied_total") == len(posting.accepted)
        assert program.terminate() == 0
    assert home.log("bus_problem") and home.log("bus_well_again")


def login(broker: Broker, user: str, password: str = PASSWORD) -> dict[str, str]:
    return {
        "kafka_bootstrap_servers": orjson.dumps([broker.sasl_ssl]).decode(),
        "kafka_security_protocol": "SASL_SSL", "kafka_username": user, "kafka_password": password,
        "kafka_ca_file": str(broker.authority.file),
    }


def expired(broker: Broker) -> dict[str, str]:
    certificate, key = broker.authority.issue("expired", timedelta(days=-1))
    return {
        "kafka_bootstrap_servers": orjson.dumps([broker.ssl]).decode(),
        "kafka_security_protocol": "SSL", "kafka_ca_file": str(broker.authority.file),
        "kafka_certificate_file": str(certificate), "kafka_key_file": str(key),
    }


def told(home: Home, program: Program, *reasons: str) -> None:
    """One of the reasons stands in /ready and in the log in time, and the program serves."""
    began = time.monotonic()
    soon(lambda: any(reason in bus_check(program)[1] for reason in reasons), TOLD_S)
    assert bus_check(program)[0] == "degraded"
    soon(lambda: any(reason in line["reason"] for line in home.log("bus_problem")
                     for reason in reasons))
    assert time.monotonic() - began < TOLD_S
    assert films(program)


def test_whatever_is_wrong_with_the_login_is_told_within_10_seconds_and_nothing_is_lost(
    home: Home, space: Namespace, broker: Broker
) -> None:
    known = applied(home)
    for topic in (*EVENT_TOPICS, *map(dead_letter_topic, EVENT_TOPICS)):
        allow(space, "writer", ResourceType.TOPIC, space.names.on_kafka(topic), "WRITE")
    with program_on_kafka(home, space, **login(broker, "writer", "wrong")).start() as program:
        told(home, program, "are user and password right?")
        assert rate(program, "with-a-wrong-password") == 200
        soon(lambda: program.metric("reco_relay_backlog") == 1)
        assert PASSWORD not in program.said() and "wrong\"" not in program.said()
        program.kill()
    with program_on_kafka(home, space, **expired(broker)).start() as program:
        told(home, program, "certificate")
        assert rate(program, "with-an-expired-certificate") == 200
        soon(lambda: program.metric("reco_relay_backlog") == 2)
        program.kill()
    with program_on_kafka(home, space, **login(broker, "writer")).start() as program:
        told(home, program, "not allowed to READ")
        assert rate(program, "without-the-right-to-read") == 200
        soon(lambda: on_topics(space, RATINGS) == 3)
        assert applied(home) == known
        for topic in EVENT_TOPICS:
            allow(space, "writer", ResourceType.TOPIC, space.names.on_kafka(topic), "READ")
        allow(space, "writer", ResourceType.GROUP, f"{space.prefix}*", "READ")
        # The topics of answers have rights of their own.
        soon(lambda: bus_check(program)[1].startswith("answers wait:"), 20)
        allow_all(space, "writer")
        soon(lambda: applied(home) == known + 3, 30)
        soon(lambda: bus_check(program) == ("ready", "ok"))
