"""What visitors do to films: rate, watch, take back. Kept at once, and waited for a moment."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from threading import BoundedSemaphore
from time import monotonic, sleep

import structlog
from pydantic import BaseModel

from recommender.awaited import tells_of
from recommender.errors import InvalidField, NotFound, StoreUnavailable
from recommender.types import Acceptance, Event, EventType, Movie
from web.cards import Cards
from web.intake import Intake
from web.lists import Lists
from web.pages import done as doing
from web.pages.done import Done, done_to
from web.pages.forms import form_fields
from web.pages.visitors import Visitors
from web.payloads import Id, Rating
from web.request_context import this_request
from web.surface import Surface

_log = structlog.get_logger("web")
SOURCE = "pages"
# Each waits on a thread that answers requests: when ingest stands still, the others stay free.
_WAITING_MAX = 4
_PAUSE_S, _LONGEST_PAUSE_S = 0.005, 0.05


class ActForm(BaseModel):
    """The form at a film: its buttons are named `rating`, `watched` and `undo`."""

    item_id: Id
    rating: Rating | None = None
    watched: str | None = None
    undo: str | None = None

    @property
    def type(self) -> EventType:
        """What the button stands for.

        Raises:
            InvalidField: no button, or several.
        """
        pressed = [kind for kind, value in (
            (EventType.RATE, self.rating), (EventType.WATCH, self.watched),
            (EventType.UNDO, self.undo)) if value is not None]
        if len(pressed) != 1:
            raise InvalidField("rating", "give one of rating, watched and undo")
        return pressed[0]


class Acts:
    """Sends the events of visitors the way of all events, and waits until they are applied."""

    def __init__(self, surface: Surface, lists: Lists, cards: Cards, visitors: Visitors) -> None:
        self._intake = Intake(surface.services, any_film=True)  # checked against the cards here
        self._store = surface.services.store
        self._now_ms = surface.services.now_ms
        self._new_id = surface.new_id
        self._wait_s = surface.options.page_wait_s
        self._lists = lists
        self._cards = cards
        self._visitors = visitors
        self._waiting = BoundedSemaphore(_WAITING_MAX)

    def perform(self) -> Done:
        """What the form of this request asks for.

        Raises:
            NotFound: there is no such film.
            ProblemError: 429, too many ratings.
            InvalidField, pydantic.ValidationError: the form is not acceptable.
            StoreUnavailable: nothing was kept.
        """
        form = form_fields(ActForm, this_request())
        kind = form.type
        film = self.film(form.item_id)
        user_id = self._visitors.settle()
        event = self._event(kind, user_id, film, form.rating)
        self._intake.accept_one(event)
        return self._awaited(done_to(film, kind, form.rating), user_id, [event])

    def rate_all(self, films: Sequence[Movie], rating: float,
                 in_words: Callable[[list[Acceptance]], str]) -> Done:
        """Give each film this rating; `in_words` says what became of each.

        Raises:
            StoreUnavailable: nothing was kept.
        """
        user_id = self._visitors.settle()
        events = [self._event(EventType.RATE, user_id, film, rating) for film in films]
        acceptances = self._intake.accept(events)
        kept = [event for event, acceptance in zip(events, acceptances, strict=True)
                if acceptance.retry_after_s is None]
        return self._awaited(Done(in_words(acceptances), False), user_id, kept)

    def awaited(self) -> Done | None:
        """What this visitor did on an earlier page that did not count then; told until it does."""
        user_id = self._visitors.current()
        earlier = None if user_id is None else doing.awaited(user_id, self._now_ms())
        if user_id is None or earlier is None:
            return None
        done = earlier.seen_in(self._store.history(user_id))
        if done.applied:
            self._lists.forget(user_id)
        return done

    def note_visit(self, film: Movie, words: str) -> None:
        """The visitor opened the page of a film that they found by these words, if any.

        Nothing is noted of somebody who did nothing yet. The page is shown also when the visit
        cannot be kept.
        """
        user_id = self._visitors.current()
        if user_id is None:
            return
        events = [self._event(EventType.VIEW, user_id, film, None)]
        if words:
            searched = self._event(EventType.SEARCH, user_id, None, None)
            events.append(replace(searched, query=words))
        try:
            self._intake.accept(events)
        except StoreUnavailable as error:
            _log.warning("visit_not_kept", item_id=film.item_id, reason=str(error))

    def film(self, item_id: str) -> Movie:
        """A film of the catalogue.

        Raises:
            NotFound: there is none of this id.
        """
        film = self._cards.movie(item_id)
        if film is None:
            raise NotFound(f"there is no film {item_id}")
        return film

    def _event(self, kind: EventType, user_id: str, film: Movie | None,
               rating: float | None) -> Event:
        now_ms = self._now_ms()
        return Event(self._new_id(), kind, user_id, None if film is None else film.item_id,
                     now_ms, now_ms, SOURCE, rating=rating, client_timestamp=False)

    def _awaited(self, done: Done, user_id: str, events: Sequence[Event]) -> Done:
        done = replace(done, applied=self._applied(user_id, events))
        doing.remember(done, events[-1] if events else None)
        return done

    def _applied(self, user_id: str, events: Sequence[Event]) -> bool:
        """Wait until the store tells of the events, and forget the list made before; False when
        that takes too long."""
        if not self._waiting.acquire(blocking=False):
            return False
        try:
            applied = self._wait(user_id, events)
        finally:
            self._waiting.release()
        if applied:
            self._lists.forget(user_id)  # ingest does so too, perhaps a moment later
        return applied

    def _wait(self, user_id: str, events: Sequence[Event]) -> bool:
        until_s, pause_s = monotonic() + self._wait_s, _PAUSE_S
        while True:
            history = self._store.history(user_id)
            if all(tells_of(history, event) for event in events):
                return True
            if monotonic() + pause_s > until_s:
                return False
            sleep(pause_s)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
