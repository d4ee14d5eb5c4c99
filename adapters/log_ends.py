"""Where the partitions of the embedded log end, also when their newest records were removed.

An offset must never be given twice: whoever has stored one would pass by what came under it anew.
So a transaction that removes records notes the end of their partition first.
"""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Connection, select, tuple_

from adapters.bulk_insert import bulk_insert, fetch_columns
from adapters.tables import log_properties, outbox

_NOTE = "end/"

Ends = dict[tuple[str, int], int]
"""For each (topic, partition) the offset that the next record gets."""


def partition_ends(connection: Connection) -> Ends:
    """Where each partition that holds or held records of the embedded log ends."""
    # Jumps from partition to partition through the unique index: a group-by reads all of it.
    ends = noted_ends(connection)
    place = (outbox.c.topic, outbox.c.partition)
    first = select(*place).where(outbox.c.offset.is_not(None)).order_by(*place).limit(1)
    found = connection.execute(first).first()
    while found is not None:
        topic, partition = found
        newest = (
            select(outbox.c.offset)
            .where(outbox.c.topic == topic, outbox.c.partition == partition)
            .order_by(outbox.c.offset.desc())
            .limit(1)
        )
        end = (connection.execute(newest).scalar() or 0) + 1
        ends[topic, partition] = max(end, ends.get((topic, partition), 0))
        found = connection.execute(
            first.where(tuple_(*place) > tuple_(topic, partition))
        ).first()
    return ends


def noted_ends(connection: Connection) -> Ends:
    """What was noted of partitions whose records were removed."""
    query = select(log_properties.c.name, log_properties.c.value).where(
        log_properties.c.name.startswith(_NOTE, autoescape=True))
    ends: Ends = {}
    for name, value in zip(*fetch_columns(connection, query), strict=True):
        topic, _, partition = name.removeprefix(_NOTE).rpartition("/")
        ends[topic, int(partition)] = int(value)
    return ends


def note_ends(connection: Connection, removed: Iterable[tuple[str, int, int]]) -> None:
    """Records of these (topic, partition, offset) are about to be removed in this transaction."""
    noted = noted_ends(connection)
    higher: Ends = {}
    for topic, partition, offset in removed:
        place = (topic, partition)
        if offset + 1 > max(noted.get(place, 0), higher.get(place, 0)):
            higher[place] = offset + 1
    bulk_insert(
        connection, log_properties, ("name", "value"),
        [(f"{_NOTE}{topic}/{partition}", str(end)) for (topic, partition), end in higher.items()],
        "ON CONFLICT (name) DO UPDATE SET value = excluded.value",
    )  # fmt: skip
