"""Whether the record of a dead letter would be taken now, and as what it goes back on its topic."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from recommender.event_codec import Origin, decode, encode, event_of
from recommender.record_batch import KNOWN_WITH_OTHER_CONTENT, read_batch
from recommender.review import StoredLetter
from recommender.topics import topic_of
from recommender.types import Message, Record


@dataclass(frozen=True, slots=True)
class Requeued:
    """Numbers of the letters put back; why others were not; whether further ones match."""

    published: tuple[int, ...]
    refused: Mapping[int, str]
    more: bool = False


def requeue_messages(
    letters: Sequence[StoredLetter], now_ms: int
) -> tuple[dict[int, Message], dict[int, str]]:
    """Messages for the letters that would be taken now, reasons for the others, by number.

    A message holds the event under the id that it had at first, also where the record had none
    and its id follows from its place: putting it back twice changes nothing twice. The letters
    hold all of their values.
    """
    messages: dict[int, Message] = {}
    reasons: dict[int, str] = {}
    by_cluster: dict[str, dict[tuple[str, int, int], StoredLetter]] = defaultdict(dict)
    for stored in letters:
        letter = stored.letter
        if letter.reason == KNOWN_WITH_OTHER_CONTENT:
            reasons[stored.sequence] = letter.reason
        else:
            place = (letter.topic, letter.partition, letter.offset)
            by_cluster[letter.cluster_id][place] = stored
    for cluster_id, of_place in by_cluster.items():
        records = [_record(stored) for stored in of_place.values()]
        batch = read_batch(records, cluster_id, now_ms, not_before_ms=now_ms)
        for refused in batch.letters:
            place = (refused.topic, refused.partition, refused.offset)
            reasons[of_place[place].sequence] = refused.reason
        for record in batch.records:
            place = (record.topic, record.partition, record.offset)
            messages[of_place[place].sequence] = _message(record, cluster_id)
    return messages, reasons


def _record(stored: StoredLetter) -> Record:
    letter = stored.letter
    return Record(letter.topic, letter.partition, letter.offset, letter.key, letter.value,
                  letter.timestamp_ms)


def _message(record: Record, cluster_id: str) -> Message:
    origin = Origin(cluster_id, record.topic, record.partition, record.offset, record.timestamp_ms)
    row = decode(record.value, origin)
    assert not isinstance(row, str), row  # `read_batch` has just taken it
    event = event_of(row)
    return Message(topic_of(event.type), event.user_id, encode(event))
