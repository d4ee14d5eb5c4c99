"""Events of snapshots and of a bus into a store that is made anew."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import Protocol

from adapters.snapshots import Snapshots
from commands.progress import Progress, silent
from recommender.erasure import ErasedPeople
from recommender.errors import NotFound
from recommender.ports import Catalogue, EventStore
from recommender.record_batch import read_batch
from recommender.schemas import Columns
from recommender.topics import EVENT_TOPICS
from recommender.types import Applied, Record
from workers.ingest import INGEST, offsets_group

FRAME_ROWS = 50_000


class TopicRecords(Protocol):
    """All that a bus still holds of some topics."""

    def cluster_id(self) -> str:
        """Names the log behind the bus."""
        ...

    def records(self, topics: Collection[str]) -> Iterator[list[Record]]:
        """From the first record on, each partition in its order."""
        ...


@dataclass(slots=True)
class Replayed:
    """What a source gave. `known` were in the store already; `letters` could not be applied."""

    source: str
    events: int = 0
    known: int = 0
    conflicts: int = 0
    erased: int = 0
    letters: int = 0

    def add(self, done: Applied) -> None:
        """Take note of a transaction."""
        self.events += done.applied
        self.known += done.duplicates
        self.conflicts += done.conflicts
        self.erased += done.erased
        self.letters += len(done.letters)


@dataclass(frozen=True, slots=True)
class Target:
    """The store that is made anew, its catalogue, and how it learns who was taken out."""

    store: EventStore
    catalogue: Catalogue
    adopt: Callable[[ErasedPeople], None]


def replay_snapshot(
    snapshots: Snapshots, name: str | None, target: Target, progress: Progress = silent
) -> Replayed:
    """The newest snapshot or the one of this id: films, people, events, and who was taken out.

    Raises:
        NotFound: there is none.
        SnapshotDamaged: a file is missing or not the one that was written.
    """
    snapshot = snapshots.latest() if name is None else snapshots.find(name)
    if snapshot is None:
        raise NotFound("there is no snapshot")
    erased = snapshots.files.erased()
    if erased is not None:
        target.adopt(erased)
    done = Replayed(f"snapshot {snapshot.snapshot_id}")
    target.catalogue.add_movies(snapshots.movies(snapshot))
    target.catalogue.add_people(snapshots.people(snapshot))
    frame = snapshots.read(snapshot).drop(columns=Columns.SEQUENCE)
    for start in range(0, len(frame), FRAME_ROWS):
        done.add(target.store.apply(frame.iloc[start : start + FRAME_ROWS]))
        progress("snapshot", min(start + FRAME_ROWS, len(frame)), len(frame))
    return done


def replay_bus(
    bus: TopicRecords, target: Target, now_ms: int, progress: Progress = silent
) -> Replayed:
    """All that the topics of events hold; what cannot be applied becomes a dead letter again.

    Offsets are stored as ingest stores them, so that it goes on from there; none is set back.

    Raises:
        BusUnavailable: the bus does not answer.
    """
    name = bus.cluster_id()
    group = offsets_group(INGEST, name)
    done, count = Replayed(f"bus {name}"), 0
    for records in bus.records(EVENT_TOPICS):
        batch = read_batch(records, name, now_ms)
        known = target.store.offsets(group)
        ahead = {place: end for place, end in batch.offsets.items() if end > known.get(place, 0)}
        done.add(target.store.apply(batch.frame, ahead, batch.letters, group, batch.set_aside))
        count += len(records)
        progress("bus", count, count + 1)
    progress("bus", count, count)
    return done
