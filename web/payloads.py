"""The shapes of bodies and query parameters, checked once at the door."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, ClassVar

from pydantic import (
    AfterValidator,
    AliasChoices,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationInfo,
    WithJsonSchema,
)
from pydantic_core import PydanticCustomError

from recommender.errors import InvalidField
from recommender.schemas import ID_PATTERN, RATING_MAX, RATING_MIN, RATING_STEP
from recommender.types import Event, EventType

FUTURE_ALLOWED_MS = 300_000
SECONDS_BELOW = 1e11
SOURCE = "api"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


def _id_text(value: object) -> object:
    return str(value) if type(value) is int else value


def _whole_number(value: object) -> object:
    if isinstance(value, str):
        digits = value.removeprefix("-")
        if not (digits.isascii() and digits.isdigit() and len(digits) <= 18):
            raise PydanticCustomError("whole_number", "must be a whole number")
        return int(value)
    return value


def _on_a_step(value: float) -> float:
    # As ingest checks it: pydantic's own `multiple_of` lets 0.5000000001 pass.
    if not (value / RATING_STEP).is_integer():
        raise PydanticCustomError(
            "rating_step", "must be a multiple of {step}", {"step": RATING_STEP})
    return value


def printable(value: str) -> str:
    """The text, refused when it holds control characters."""
    if any(ord(character) < 32 or ord(character) == 127 for character in value):
        raise PydanticCustomError("printable", "must not hold control characters")
    return value


def _timestamp_ms(value: object, info: ValidationInfo) -> object:
    """UTC milliseconds from ISO 8601 text or a number; checked against the clock in `info`."""
    if value is None:
        return None
    at_ms = _milliseconds(value)
    if at_ms < 0:
        raise PydanticCustomError("past", "must not be before 1970")
    if info.context is None:
        raise ValueError("a timestamp is checked against a clock: pass context={'now_ms': ...}")
    if at_ms > info.context["now_ms"] + FUTURE_ALLOWED_MS:
        raise PydanticCustomError("future", "must not be more than 5 minutes in the future")
    return at_ms


def _milliseconds(value: object) -> int:
    if isinstance(value, str):
        try:
            at = datetime.fromisoformat(value)
        except ValueError:
            raise PydanticCustomError("iso_8601", "must be ISO 8601 or a number") from None
        return ((at if at.tzinfo else at.replace(tzinfo=UTC)) - _EPOCH) // _MILLISECOND
    if type(value) is int:
        return value * 1000 if value < SECONDS_BELOW else value
    if type(value) is float and math.isfinite(value):
        if value < 0:
            return -1
        return math.floor(value * 1000 if value < SECONDS_BELOW else value)
    raise PydanticCustomError("iso_8601", "must be ISO 8601 or a finite number")


Id = Annotated[
    str,
    BeforeValidator(_id_text),
    StringConstraints(strict=True, pattern=ID_PATTERN),
    WithJsonSchema(
        {"anyOf": [{"type": "string", "pattern": ID_PATTERN}, {"type": "integer"}]}
    ),
]
Rating = Annotated[
    float,
    Field(ge=RATING_MIN, le=RATING_MAX, allow_inf_nan=False,
          json_schema_extra={"multipleOf": RATING_STEP}),
    AfterValidator(_on_a_step),
]
TimestampMs = Annotated[
    int | None,
    BeforeValidator(_timestamp_ms),
    WithJsonSchema(
        {
            "anyOf": [{"type": "string", "format": "date-time"}, {"type": "number"}],
            "description": "ISO 8601 (without a zone: UTC), or a number: below 1e11 seconds, "
            "else milliseconds since 1970",
        }
    ),
]
Text = Annotated[str, StringConstraints(max_length=500), AfterValidator(printable)]
K = Annotated[int, Field(ge=1, le=100), BeforeValidator(_whole_number)]
Diversity = Annotated[float | None, Field(ge=0, le=1, allow_inf_nan=False)]
Reference = Annotated[str | None, Field(pattern=ID_PATTERN)]

_ITEM = Field(
    validation_alias=AliasChoices("item_id", "movie_id"), description="also as movie_id"
)


class EventBody(BaseModel):
    """What every event holds. Unknown fields are ignored: producers add some over time."""

    model_config = ConfigDict(strict=True, extra="ignore", frozen=True)
    kind: ClassVar[EventType]

    user_id: Id
    timestamp: TimestampMs = Field(
        default=None,
        validation_alias=AliasChoices("timestamp", "ts"),
        description="when it happened, default: now; also as ts",
    )
    event_id: Id | None = Field(
        default=None, description="makes a repeated call harmless, default: a new one"
    )

    def event(self, event_id: str, received_at_ms: int) -> Event:
        """The event under `event_id`, received at this time (UTC milliseconds)."""
        at_ms = self.timestamp
        fields = self.__dict__
        return Event(
            event_id=event_id,
            type=self.kind,
            user_id=self.user_id,
            item_id=fields.get("item_id"),
            timestamp_ms=received_at_ms if at_ms is None else at_ms,
            received_at_ms=received_at_ms,
            source=SOURCE,
            rating=fields.get("rating"),
            minute=fields.get("minute"),
            query=fields.get("query"),
            client_timestamp=at_ms is not None,
        )


class RateBody(EventBody):
    """A rating of a film."""

    kind = EventType.RATE
    item_id: Id = _ITEM
    rating: Rating


class WatchBody(EventBody):
    """A film watched, or watched up to a minute."""

    kind = EventType.WATCH
    item_id: Id = _ITEM
    minute: int | None = Field(default=None, ge=0, le=100_000)


class ViewBody(EventBody):
    """A look at the page of a film."""

    kind = EventType.VIEW
    item_id: Id = _ITEM


class UndoBody(EventBody):
    """Takes back the user's rating, watch and view of a film, as of the timestamp."""

    kind = EventType.UNDO
    item_id: Id = _ITEM


class SearchBody(EventBody):
    """A search."""

    kind = EventType.SEARCH
    query: Annotated[
        str, StringConstraints(min_length=1, max_length=500), AfterValidator(printable)
    ]


BODY_OF: dict[str, type[EventBody]] = {
    body.kind.value: body for body in (RateBody, WatchBody, ViewBody, SearchBody, UndoBody)
}


class MoviesQuery(BaseModel):
    """Which films to list."""

    query: Text = Field(default="", description="words of the title")
    genre: Text | None = Field(default=None, description="a genre's name")
    limit: K = 20


class SimilarQuery(BaseModel):
    """How many neighbours."""

    k: K = 10


class HistoryQuery(BaseModel):
    """How much of a history, newest first."""

    limit: Annotated[int, Field(ge=1, le=1000), BeforeValidator(_whole_number)] = 100


class SwitchQuery(BaseModel):
    """Which model to serve."""

    model: Annotated[str, Field(pattern=ID_PATTERN)] = Field(
        description="a version id, an integer version, a model's name, or `automatic`"
    )


def parse_event(body: type[EventBody], value: dict[str, Any], now_ms: int) -> EventBody:
    """The checked body; `now_ms` bounds its timestamp.

    Raises:
        InvalidField: it contradicts itself, or its type is another one than that of `body`.
        pydantic.ValidationError: names every field that is not acceptable.
    """
    if "type" in value and value["type"] != body.kind.value:
        raise InvalidField("type", f"must be {body.kind.value} here, or be left out")
    if "movie_id" in value and "item_id" in value and body is not SearchBody:
        _same("item_id", "movie_id", value, _id_text)
    if "ts" in value and "timestamp" in value:
        _same("timestamp", "ts", value, _comparable_time)
    return body.model_validate(value, context={"now_ms": now_ms})


def _same(field: str, alias: str, value: dict[str, Any], meaning: Callable[[Any], object]) -> None:
    """Refuse a body in which a field and its other name say different things."""
    if meaning(value[field]) != meaning(value[alias]):
        raise InvalidField(field, f"differs from {alias}")


def _comparable_time(value: object) -> object:
    try:
        return _milliseconds(value)
    except PydanticCustomError:
        return None if value is None else repr(value)  # refused by the model that comes next
