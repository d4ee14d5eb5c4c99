"""What a visitor did just now: in words, and remembered until it counts."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from flask import session

from recommender.awaited import tells_of
from recommender.types import Event, EventType, History, Movie

LATER = "It is kept, and will show here in a little while."
_AWAITED = "awaited"
_AWAITED_MS = 600_000


@dataclass(frozen=True, slots=True)
class Done:
    """`what` was done, in words; `undo_id` is the film that can be taken back, if one.

    `applied` tells whether it counts already.
    """

    what: str
    applied: bool
    undo_id: str | None = None

    @property
    def text(self) -> str:
        """What was done, and when it does not count yet, that it will."""
        return self.what if self.applied else f"{self.what} {LATER}"


def done_to(film: Movie, kind: EventType, rating: float | None) -> Done:
    """What was done to a film; it does not count yet."""
    title = titled(film)
    if rating is not None:
        what = f"You gave {title} {stars(rating)}."
    elif kind is EventType.WATCH:
        what = f"You watched {title}."
    else:
        what = f"{title} is out of your history."
    return Done(what, False, None if kind is EventType.UNDO else film.item_id)


def titled(film: Movie) -> str:
    """Title and year."""
    return film.title if film.year is None else f"{film.title} ({film.year})"


def stars(rating: float) -> str:
    """A rating in words."""
    return "1 star" if rating == 1 else f"{rating:g} stars"


def remember(done: Done, last: Event | None) -> None:
    """Note in the session what is awaited: that the store tells of the event, the last one kept.

    What counts already ends the waiting for what was done before it, too: events of one visitor
    are applied in their order.
    """
    session.pop(_AWAITED, None)
    if last is not None and not done.applied:
        session[_AWAITED] = {
            "what": done.what, "undo_id": done.undo_id, "user_id": last.user_id,
            "event": [last.event_id, last.type.value, last.item_id, last.timestamp_ms]}


@dataclass(frozen=True, slots=True)
class Awaited:
    """Something done earlier that did not count when its page was made."""

    done: Done
    event: Event

    def seen_in(self, history: History) -> Done:
        """What was done, as this history knows it; when it tells of it the waiting is over."""
        if not tells_of(history, self.event):
            return self.done
        forget()
        return replace(self.done, applied=True)


def awaited(user_id: str, now_ms: int) -> Awaited | None:
    """What this visitor still waits for; after ten minutes nothing."""
    kept: dict[str, Any] | None = session.get(_AWAITED)
    if kept is None:
        return None
    event_id, kind, item_id, at_ms = kept["event"]
    if kept["user_id"] != user_id or now_ms - at_ms > _AWAITED_MS:
        forget()
        return None
    event = Event(event_id, EventType(kind), user_id, item_id, at_ms, at_ms, "")
    return Awaited(Done(kept["what"], False, kept["undo_id"]), event)


def forget() -> None:
    """Wait for nothing more."""
    session.pop(_AWAITED, None)
