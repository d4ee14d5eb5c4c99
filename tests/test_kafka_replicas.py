"""Two replicas of the program on one PostgreSQL and in one group of a real broker."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from http.client import HTTPException

import pytest

from benchmarks.program import Program
from recommender.topics import EVENT_TOPICS
from tests.databases_of_tests import NEEDS_POSTGRESQL
from tests.kafka.broker import Broker
from tests.kafka.cluster import PARTITIONS, namespace
from tests.replica_site import (
    Site,
    models,
    rate,
    retrained_by,
    shows_in_the_other_s_next_answer,
)
from tests.running_server import soon

pytestmark = [NEEDS_POSTGRESQL, pytest.mark.timeout(600)]

ALL_PARTITIONS = len(EVENT_TOPICS) * PARTITIONS


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return Site(tmp_path_factory.mktemp("site"))


@pytest.fixture(scope="module")
def pair(site: Site, kafka_broker: Broker) -> Iterator[tuple[Program, Program]]:
    with namespace(kafka_broker) as space, ExitStack() as stack:
        values = {
            "bus": "kafka", "kafka_bootstrap_servers": json.dumps([kafka_broker.address]),
            "kafka_topic_prefix": space.prefix, "kafka_group": f"{space.prefix}g",
            "topic_partitions": str(PARTITIONS), "log_url": site.url, "replicas": "2",
        }
        one, other = (site.program(name, **values) for name in "ab")
        for program in (one, other):
            program.launch()
        for program in (one, other):
            stack.enter_context(program)
            soon(program.answers, 180)
        soon(lambda: reads(one) > 0 and reads(one) + reads(other) == ALL_PARTITIONS, 30)
        yield one, other


def reads(program: Program) -> int:
    """Partitions that it reads now: the lag of each is told."""
    lines = program.ask("GET", "/metrics").body.decode().splitlines()
    return sum(line.startswith("reco_consumer_lag{") for line in lines)


def test_a_rating_taken_by_one_shows_in_the_next_answer_of_the_other(
    pair: tuple[Program, Program]
) -> None:
    one, other = pair
    shows_in_the_other_s_next_answer(one, other, "u1")
    shows_in_the_other_s_next_answer(other, one, "u2")


def test_one_of_two_trains_and_both_serve_what_it_published(
    site: Site, pair: tuple[Program, Program]
) -> None:
    known = {m["version_id"] for m in models(pair[0], site)}
    assert retrained_by(pair, site) == ["busy", "published"]
    new = [m for m in models(pair[0], site) if m["version_id"] not in known]
    (serving,) = (m["version_id"] for m in new if m["status"] == "serving")
    for program in pair:
        soon(lambda p=program: p.ask("GET", "/health").json()["model"]["version"] == serving)  # type: ignore[misc]


def test_after_kill_9_of_one_the_other_reads_all_partitions_and_everything_is_applied_once(
    site: Site, pair: tuple[Program, Program]
) -> None:
    one, other = pair
    taken: list[str] = []

    def post(program: Program, name: str, events: int) -> None:
        for n in range(events):
            event_id = f"{name}-{n}"
            try:
                rate(program, f"u{n % 50 + 1}", f"film-{n % 20}", event_id=event_id)
            except (OSError, HTTPException):
                return  # killed: this one was not answered for
            taken.append(event_id)

    threads = [threading.Thread(target=post, args=each)
               for each in ((one, "killed", 10_000), (other, "living", 150))]
    for thread in threads:
        thread.start()
    soon(lambda: sum(e.startswith("killed") for e in taken) > 30, 30)
    one.kill()
    began = time.monotonic()
    for thread in threads:
        thread.join()
    soon(lambda: reads(other) == ALL_PARTITIONS, 30)
    assert time.monotonic() - began < 30
    soon(lambda: other.metric("reco_relay_backlog") == 0)
    soon(lambda: set(taken) <= set(site.event_ids()), 20, 0.2)
    ids = site.event_ids()
    assert len(ids) == len(set(ids))
    # What was written and not answered when the kill came may be there too, once.
    assert sum(e.startswith(("killed", "living")) for e in ids) - len(taken) in (0, 1)
