"""Events that would wait for ever when the bus is changed: those of the bus before."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from sqlalchemy import Engine, func, select

from adapters.database import reading
from adapters.log_ends import partition_ends
from adapters.log_writer import cluster_id
from adapters.tables import UNSENT, outbox
from recommender.types import TopicPartition


def unsent(engine: Engine) -> int:
    """Events accepted for an outer bus that it has not acknowledged."""
    with reading(engine) as connection:
        return connection.execute(
            select(func.count()).select_from(outbox).where(UNSENT)).scalar_one()


def unapplied(
    engine: Engine, stored: Callable[[str], Mapping[TopicPartition, int]], topics: tuple[str, ...]
) -> int:
    """Events of these topics in the embedded log that were not applied.

    `stored` gives the offsets that the store has of a log, by its cluster id.
    """
    with reading(engine) as connection:
        name = cluster_id(connection)
        ends = partition_ends(connection)
    if name is None:
        return 0
    offsets = stored(name)
    return sum(
        max(0, end - offsets.get(TopicPartition(topic, partition), 0))
        for (topic, partition), end in ends.items()
        if topic in topics
    )
