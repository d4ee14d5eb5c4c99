"""The real program with a namespace of the test broker as its bus."""

from __future__ import annotations

import json
from contextlib import closing
from typing import Any

from benchmarks.program import Program
from recommender.types import DeadLetter, TopicPartition
from tests.kafka.cluster import Namespace
from tests.running_server import Home
from workers.dead_letter_post import note_group


def program_on_kafka(home: Home, space: Namespace, **changes: str) -> Program:
    """Not started; `changes` are settings."""
    return home.program(**{
        "bus": "kafka", "kafka_bootstrap_servers": json.dumps([space.broker.address]),
        "kafka_topic_prefix": space.prefix, "kafka_group": f"{space.prefix}g",
        "topic_partitions": str(space.plan.partitions), "ratings_per_hour": "0",
        "kafka_delivery_timeout_s": "5", **changes,
    })


def applied(home: Home) -> int:
    """Events that the store has applied, those of the template too."""
    with closing(home.side()) as side:
        return side.store.counts()["events"]


def letters(home: Home) -> list[DeadLetter]:
    """Dead letters of the store."""
    with closing(home.side()) as side:
        return side.store.dead_letters()


def posted(home: Home) -> int:
    """Dead letters noted as published: after a kill only the others are published again."""
    with closing(home.side()) as side:
        return sum(
            side.store.offsets(note_group(letter.cluster_id)).get(
                TopicPartition(letter.topic, letter.partition), 0) > letter.offset
            for letter in side.store.dead_letters())


def bus_check(program: Program) -> tuple[str, str]:
    """Status and the check of the bus in /ready."""
    answer = program.ask("GET", "/ready")
    assert answer.status == 200, answer.body
    ready: dict[str, Any] = answer.json()
    return ready["status"], ready["checks"]["bus"]
