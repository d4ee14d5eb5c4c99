"""What a batch of records from the bus holds: events to apply, dead letters, offsets."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import orjson
import pandas as pd

from recommender.event_codec import Origin, Row, decode
from recommender.schemas import Columns, event_frame, validate
from recommender.topics import dead_letter_topic
from recommender.types import DeadLetter, Message, Record, TopicPartition

KNOWN_WITH_OTHER_CONTENT = "event_id: known with other content"
"""Why a record is set aside whose event id is that of another event."""


@dataclass(frozen=True, slots=True)
class RecordBatch:
    """`frame` has the columns `Columns.EVENT`, validated; `offsets` are the next to read.

    `records` are those that the rows of the frame came from, in its order.
    """

    cluster_id: str
    frame: pd.DataFrame
    records: tuple[Record, ...]
    letters: tuple[DeadLetter, ...]
    offsets: dict[TopicPartition, int]

    def set_aside(self, row: int, reason: str) -> DeadLetter:
        """The dead letter for a row of the frame."""
        return dead_letter(self.cluster_id, self.records[row], reason)


def read_batch(records: Sequence[Record], cluster_id: str, now_ms: int,
               not_before_ms: int = 0) -> RecordBatch:
    """Sort records into events and dead letters with a reason. Times are UTC.

    The time bound of an event is the time of its record, whenever it is read: so a replay takes
    and refuses what was taken and refused at first. The record of an event that we accepted is not
    dated before its acceptance, though the clock was set back.

    Args:
        now_ms: the bound where a record has no time.
        not_before_ms: the bound is this at least.
    """
    rows: list[Row] = []
    sources: list[Record] = []
    letters: list[DeadLetter] = []
    ends: dict[tuple[str, int], int] = {}
    for record in records:
        ends[record.topic, record.partition] = record.offset + 1
        row = decode(
            record.value,
            Origin(
                cluster_id, record.topic, record.partition, record.offset, record.timestamp_ms
            ),
        )
        if isinstance(row, str):
            letters.append(dead_letter(cluster_id, record, row))
        else:
            rows.append(row)
            sources.append(record)
    columns = list(zip(*rows, strict=True)) or [()] * len(Columns.EVENT)
    frame = event_frame(columns, text="object")
    put_ms = np.array([record.timestamp_ms for record in sources], np.int64)
    good, bad = validate(frame, np.maximum(np.where(put_ms > 0, put_ms, now_ms), not_before_ms))
    letters += [dead_letter(cluster_id, sources[at], reason) for at, reason in bad]
    refused = {at for at, _ in bad}
    kept = tuple(record for at, record in enumerate(sources) if at not in refused)
    offsets = {TopicPartition(*place): end for place, end in ends.items()}
    return RecordBatch(cluster_id, good, kept, tuple(letters), offsets)


def dead_letter(cluster_id: str, record: Record, reason: str) -> DeadLetter:
    """The record kept as it came, with the reason why it is not applied."""
    return DeadLetter(
        cluster_id, record.topic, record.partition, record.offset, record.key, record.value,
        reason, record.timestamp_ms,
    )  # fmt: skip


def dead_letter_message(letter: DeadLetter) -> Message:
    """The letter as it goes to the dead-letter topic.

    The key names the record and the value follows from the letter alone: should it be published
    again after a crash, readers see the same message twice, and a compacted topic keeps one.
    """
    try:
        value = {"value": letter.value.decode()}
    except UnicodeDecodeError:
        value = {"value_base64": base64.b64encode(letter.value).decode()}
    body = {
        "cluster_id": letter.cluster_id,
        "topic": letter.topic,
        "partition": letter.partition,
        "offset": letter.offset,
        "key": letter.key,
        "reason": letter.reason,
        **value,
    }
    key = f"{letter.cluster_id}/{letter.topic}/{letter.partition}/{letter.offset}"
    return Message(dead_letter_topic(letter.topic), key, orjson.dumps(body))
