"""Letters that one topic refuses neither come again on the others nor hold up the worker."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from adapters.event_store import SqlEventStore
from recommender.errors import PartlyPublished
from recommender.schemas import Columns, event_frame
from recommender.topics import BROWSE_EVENTS, RATINGS, dead_letter_topic
from recommender.types import DeadLetter, Message
from tests.databases_of_tests import new_database
from workers.dead_letter_post import DeadLetterPost

REFUSED = dead_letter_topic(BROWSE_EVENTS)


class Bus:
    """Refuses the letters of one topic for as long as it is told to."""

    def __init__(self) -> None:
        self.refuses, self.calls = True, 0
        self.taken: list[str] = []

    def publish(self, messages: Sequence[Message]) -> None:
        self.calls += 1
        refused = {at for at, m in enumerate(messages) if self.refuses and m.topic == REFUSED}
        self.taken += [m.key for at, m in enumerate(messages) if at not in refused]
        if refused:
            raise PartlyPublished("not allowed to WRITE", frozenset(refused))


def letter(topic: str, offset: int) -> DeadLetter:
    return DeadLetter("cluster", topic, 0, offset, "u1", b"no event", "not JSON", 1_000)


def test_what_went_beside_a_refused_letter_is_not_sent_again_and_pauses_grow(
    tmp_path: Path
) -> None:
    store = SqlEventStore(new_database(tmp_path, "store", "sqlite"))
    letters = [letter(BROWSE_EVENTS, 0), *(letter(RATINGS, at) for at in range(20)),
               letter(BROWSE_EVENTS, 1)]
    store.apply(event_frame([()] * len(Columns.EVENT)), {}, letters)
    bus, now = Bus(), [0.0]
    post = DeadLetterPost(bus, store, lambda: now[0])  # type: ignore[arg-type]
    tried = []
    for tenth in range(100):  # the ingest worker asks at every turn
        now[0] = tenth / 10
        before = bus.calls
        post.catch_up()
        tried += [now[0]] * (bus.calls - before)
    assert tried == [0.0, 0.5, 1.5, 3.5, 7.5]
    assert sorted(bus.taken) == sorted(f"cluster/ratings/0/{at}" for at in range(20))
    assert post.due
    bus.refuses, now[0] = False, 60.0
    post.catch_up()
    assert bus.taken[20:] == ["cluster/browse-events/0/0", "cluster/browse-events/0/1"]
    assert not post.due
