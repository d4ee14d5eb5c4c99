"""Events in: POST /rate, /watch, /undo and /events."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from flask import Response
from pydantic import ValidationError

from recommender.errors import InvalidField
from recommender.types import Event, Outcome
from web.answers import Accepted, BatchAnswer, RejectedLine, json_answer
from web.errors import FieldError, ProblemError, field_errors
from web.intake import OTHER_CONTENT, OVER_QUOTA, UNKNOWN_FILM, Intake
from web.operations import NDJSON, Operation, Who
from web.payloads import (
    BODY_OF,
    EventBody,
    RateBody,
    SearchBody,
    UndoBody,
    ViewBody,
    WatchBody,
    parse_event,
)
from web.reading import IDEMPOTENCY_KEY, idempotency_key, json_body, ndjson_body
from web.request_context import this_request
from web.strict_json import MalformedJson, parse_object
from web.surface import Surface


@dataclass(slots=True)
class _Batch:
    lines: list[int] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    rejected: list[RejectedLine] = field(default_factory=list)

    def reject(self, line: int, *errors: FieldError) -> None:
        self.rejected.append(RejectedLine(line=line, errors=list(errors)))


class EventRoutes:
    """Answers once the outbox has the events on disk."""

    def __init__(self, surface: Surface) -> None:
        options = surface.options
        self._intake = Intake(surface.services, options.catalogue_open)
        self._now_ms = surface.services.now_ms
        self._lines_max = options.batch_lines_max
        self._access = surface.access
        self._new_id = surface.new_id

    def rate(self) -> Response:
        """Take a rating."""
        return self._accept_one(RateBody)

    def watch(self) -> Response:
        """Take a watch."""
        return self._accept_one(WatchBody)

    def undo(self) -> Response:
        """Take back a rating, a watch and a view."""
        return self._accept_one(UndoBody)

    def events(self) -> Response:
        """Take many events; bad lines do not keep out the good ones."""
        batch = self._read(ndjson_body(this_request()))
        accepted = duplicates = 0
        acceptances = self._intake.accept(batch.events)
        for line, acceptance in zip(batch.lines, acceptances, strict=True):
            match acceptance.outcome:
                case Outcome.ACCEPTED:
                    accepted += 1
                case Outcome.DUPLICATE:
                    duplicates += 1
                case Outcome.CONFLICT:
                    batch.reject(line, FieldError(field="event_id", reason=OTHER_CONTENT))
                case Outcome.OVER_QUOTA:
                    batch.reject(line, FieldError(field="user_id", reason=OVER_QUOTA))
        batch.rejected.sort(key=lambda rejected: rejected.line)
        rejected = [line.model_dump() for line in batch.rejected]
        return json_answer(
            {"accepted": accepted, "duplicates": duplicates, "rejected": rejected}
        )

    def _accept_one(self, body: type[EventBody]) -> Response:
        request = this_request()
        now_ms = self._now_ms()
        parsed = parse_event(body, parse_object(json_body(request)), now_ms)
        event_id = self._event_id(parsed, idempotency_key(request))
        self._access.require_user(parsed.user_id)
        acceptance = self._intake.accept_one(parsed.event(event_id, now_ms))
        duplicate = acceptance.outcome is Outcome.DUPLICATE
        return json_answer(
            {"status": "accepted", "event_id": acceptance.event_id, "duplicate": duplicate}
        )

    def _event_id(self, body: EventBody, header: str | None) -> str:
        if header is None:
            return body.event_id or self._new_id()
        if body.event_id is not None and body.event_id != header:
            raise InvalidField("event_id", "differs from the Idempotency-Key header")
        return header

    def _read(self, body: bytes) -> _Batch:
        batch = _Batch()
        now_ms = self._now_ms()
        films: dict[str, bool] = {}
        foreign: str | None = None
        for line, text in self._numbered(body):
            try:
                parsed = _line(text, now_ms)
            except ValidationError as error:
                batch.reject(line, *field_errors(error))
                continue
            except InvalidField as error:
                batch.reject(line, FieldError(field=error.field, reason=error.reason))
                continue
            except MalformedJson as error:
                batch.reject(line, FieldError(field="line", reason=str(error)))
                continue
            event = parsed.event(parsed.event_id or self._new_id(), now_ms)
            item_id = event.item_id
            if item_id is not None and item_id not in films:
                films[item_id] = self._intake.takes(item_id)
            if not self._access.may_act_for(event.user_id):
                foreign = event.user_id
                reason = "the key is bound to another user"
                batch.reject(line, FieldError(field="user_id", reason=reason))
            elif item_id is not None and not films[item_id]:
                batch.reject(line, FieldError(field="item_id", reason=UNKNOWN_FILM))
            else:
                batch.lines.append(line)
                batch.events.append(event)
        if foreign is not None:
            self._access.refuse_user(foreign)
        return batch

    def _numbered(self, body: bytes) -> Iterator[tuple[int, bytes]]:
        lines = [(n, text) for n, text in enumerate(body.split(b"\n"), 1) if text.strip()]
        if len(lines) > self._lines_max:
            raise ProblemError(413, f"more than {self._lines_max} lines")
        if not lines:
            raise MalformedJson("the body is empty")
        return iter(lines)


def _line(text: bytes, now_ms: int) -> EventBody:
    value = parse_object(text)
    kind = value.get("type")
    body = BODY_OF.get(kind) if isinstance(kind, str) else None
    if body is None:
        raise InvalidField("type", f"must be one of {', '.join(BODY_OF)}")
    return parse_event(body, value, now_ms)


def register(surface: Surface) -> None:
    """Add these routes."""
    routes = EventRoutes(surface)
    errors = (404, 409, 503)
    surface.table.topic("events", (
        (Operation("POST", "/rate", "Rate a film", Who.CLIENT, Accepted, body=(RateBody,),
                   headers=(IDEMPOTENCY_KEY,), errors=errors), routes.rate),
        (Operation("POST", "/watch", "Tell that a film was watched", Who.CLIENT, Accepted,
                   body=(WatchBody,), headers=(IDEMPOTENCY_KEY,), errors=errors), routes.watch),
        (Operation("POST", "/undo", "Take back the user's rating, watch and view of a film; a "
                   "later one brings it back", Who.CLIENT, Accepted, body=(UndoBody,),
                   headers=(IDEMPOTENCY_KEY,), errors=errors), routes.undo),
        (Operation("POST", "/events", "Send many events, one JSON object a line, each with a "
                   "type: rate, watch, view, search or undo", Who.CLIENT, BatchAnswer,
                   body=(RateBody, WatchBody, ViewBody, SearchBody, UndoBody), body_type=NDJSON,
                   errors=(503,)), routes.events),
    ))
