"""What people look through page by page: applied events, dead letters, the audit log."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, TypeVar

from recommender.types import AuditEntry, DeadLetter, Event, EventType

Entry = TypeVar("Entry")
PREVIEW_BYTES = 4_096


@dataclass(frozen=True, slots=True)
class Page(Generic[Entry]):
    """A part of a long list, newest first.

    `older` is where to go on (`before` of the next call), None when nothing older is left.
    """

    entries: tuple[Entry, ...] = ()
    older: int | None = None


@dataclass(frozen=True, slots=True)
class EventFilter:
    """Events of this user, film and type; None leaves it open."""

    user_id: str | None = None
    item_id: str | None = None
    type: EventType | None = None


@dataclass(frozen=True, slots=True)
class AppliedEvent:
    """An event and the number under which it was applied."""

    sequence: int
    event: Event


class LetterState(StrEnum):
    """Which dead letters: those to be dealt with, those put back already, or both."""

    OPEN = "open"
    REQUEUED = "requeued"
    ALL = "all"


@dataclass(frozen=True, slots=True)
class LetterFilter:
    """Letters with `text` in their reason, topic or key (upper or lower case alike)."""

    text: str = ""
    state: LetterState = LetterState.OPEN


@dataclass(frozen=True, slots=True)
class StoredLetter:
    """A dead letter as kept, and when and by whom it was last put back on its topic.

    In lists `letter.value` holds the first `PREVIEW_BYTES` alone; `size` is that of all of it.
    """

    sequence: int
    letter: DeadLetter
    size: int
    requeued_at_ms: int | None = None
    requeued_by: str | None = None


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """Entries with these in their actor and action (upper or lower case alike)."""

    actor: str = ""
    action: str = ""


@dataclass(frozen=True, slots=True)
class NumberedEntry:
    """An entry of the audit log and its number."""

    sequence: int
    entry: AuditEntry
