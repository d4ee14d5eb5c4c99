"""Events, for administrators: what was applied last, what was set aside and why, put it back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from flask import Response, url_for
from pydantic import BaseModel, BeforeValidator, Field
from werkzeug.wrappers import Response as AnyResponse

from recommender.errors import NotFound
from recommender.requeue import Requeued
from recommender.review import EventFilter, LetterFilter, LetterState, StoredLetter
from recommender.types import EventType
from web.operations import Who, page
from web.pages import frame
from web.pages.admin.store_counts import StoreCounts
from web.pages.confirm import ask
from web.pages.forms import Before, OptionalId, form_fields
from web.reading import path_id, query_parameters
from web.request_context import this_request
from web.surface import Surface

_HERE = "/admin/events"
_LETTERS = f"{_HERE}/dead-letters"
PREVIEW_CHARACTERS = 160
_REASONS_TOLD = 3
Search = Annotated[str, Field(max_length=200)]


class EventsQuery(BaseModel):
    """Which events; a field left empty leaves it open."""

    user_id: OptionalId = None
    item_id: OptionalId = None
    type: Annotated[EventType | None, BeforeValidator(lambda value: value or None)] = None
    before: Before = None


class LettersQuery(BaseModel):
    """Which dead letters."""

    text: Search = ""
    state: LetterState = LetterState.OPEN
    before: Before = None


class RequeueForm(BaseModel):
    """Which letter, and the search to come back to."""

    sequence: int = Field(ge=1, le=2**62)
    text: Search = ""
    state: LetterState = LetterState.OPEN


class MatchingForm(BaseModel):
    """Open letters with this text."""

    text: Search = ""


class EventPages:
    """Reads the store; what changes something goes through the requeue."""

    def __init__(self, surface: Surface) -> None:
        services = surface.services
        self._review = services.review
        self._counts = StoreCounts(services.store, services.now_ms)
        self._requeue = services.requeue
        self._actor = surface.access.actor

    def events(self) -> Response:
        """Newest applied events."""
        query = query_parameters(EventsQuery, this_request())
        wanted = EventFilter(query.user_id, query.item_id, query.type)
        found = self._review.events(wanted, query.before)
        kept = query.model_dump(exclude={"before"}, exclude_none=True, mode="json")
        return frame.page(
            "admin/events.html", query=query, found=found, counts=self._counts.now(),
            types=[("", "any"), *((kind.value, kind.value) for kind in EventType)],
            newest=url_for("admin_events.events", **kept) if query.before else None,
            older=_older("admin_events.events", found.older, kept),
        )  # fmt: skip

    def letters(self) -> Response:
        """Dead letters."""
        query = query_parameters(LettersQuery, this_request())
        wanted = LetterFilter(query.text.strip(), query.state)
        found = self._review.letters(wanted, query.before)
        kept: dict[str, Any] = {"text": wanted.text, "state": query.state.value}
        return frame.page(
            "admin/dead_letters.html", query=query, found=found, preview=preview,
            matching=self._review.count_letters(wanted),
            matching_open=self._review.count_letters(LetterFilter(wanted.text)),
            states=[(state.value, state.value) for state in LetterState],
            newest=url_for("admin_events.letters", **kept) if query.before else None,
            older=_older("admin_events.letters", found.older, kept),
        )  # fmt: skip

    def letter(self, sequence: str) -> Response:
        """One dead letter with all of its value."""
        number = path_id("sequence", sequence)
        found = self._review.letters_numbered([int(number)]) if number.isdecimal() else []
        if not found:
            raise NotFound(f"there is no dead letter {number}")
        return frame.page("admin/dead_letter.html", stored=found[0],
                          value=readable(found[0].letter.value))

    def requeue(self) -> AnyResponse:
        """Put the event of one letter back on its topic."""
        form = form_fields(RequeueForm, this_request())
        back = url_for("admin_events.letters", text=form.text, state=form.state.value)
        question = (f"Put the event of dead letter {form.sequence} back on its topic? Do it when "
                    "what refused it is mended.")
        if asked := ask(question, "Requeue", back):
            return asked
        frame.notice(told(self._requeue.one(form.sequence, self._actor())))
        return frame.see("admin_events.letters", text=form.text, state=form.state.value)

    def requeue_matching(self) -> AnyResponse:
        """Put the events of all open letters with a text back on their topics."""
        text = form_fields(MatchingForm, this_request()).text.strip()
        number = self._review.count_letters(LetterFilter(text))
        which = f"with \u201c{text}\u201d" if text else "that there are"
        question = f"Put the events of all {number} open letters {which} back on their topics?"
        if asked := ask(question, "Requeue all", url_for("admin_events.letters", text=text)):
            return asked
        frame.notice(told(self._requeue.matching(text, self._actor())))
        return frame.see("admin_events.letters", text=text)


def told(done: Requeued) -> str:
    """What became of it, in a sentence or two."""
    said = [f"{len(done.published)} put back on the topic."] if done.published else []
    if done.refused:
        reasons = list(dict.fromkeys(done.refused.values()))
        shown = "; ".join(reason[:120] for reason in reasons[:_REASONS_TOLD])
        said.append(f"{len(done.refused)} still not acceptable: {shown}"
                    f"{' and others' if len(reasons) > _REASONS_TOLD else ''}.")
    if done.more:
        said.append("There are more: do it again.")
    return " ".join(said) or "No letter matches."


def preview(stored: StoredLetter) -> str:
    """The beginning of the value, as text on one line."""
    text = " ".join(readable(stored.letter.value).split())
    cut = len(text) > PREVIEW_CHARACTERS or stored.size > len(stored.letter.value)
    return text[:PREVIEW_CHARACTERS] + ("\u2026" if cut else "")


def readable(value: bytes) -> str:
    """Bytes as text; what is no text shows as escapes."""
    text = value.decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() or c in "\n\t" else repr(c)[1:-1] for c in text)


def _older(endpoint: str, before: int | None, kept: dict[str, Any]) -> str | None:
    return None if before is None else url_for(endpoint, before=before, **kept)


def register(surface: Surface) -> None:
    """Add these routes."""
    pages = EventPages(surface)
    routes: list[tuple[str, str, str, Callable[..., Any]]] = [
        ("GET", f"{_LETTERS}/<sequence>", "One dead letter", pages.letter),
        ("POST", f"{_LETTERS}/requeue", "Put one back", pages.requeue),
        ("POST", f"{_LETTERS}/requeue-matching", "Put all that match back",
         pages.requeue_matching),
    ]
    surface.table.topic("admin_events", (
        (page("GET", _HERE, "Newest events", Who.ADMIN, menu="Events"), pages.events),
        (page("GET", _LETTERS, "Dead letters", Who.ADMIN, menu="Dead letters"), pages.letters),
        *((page(method, rule, summary, Who.ADMIN), view) for method, rule, summary, view in routes),
    ))
