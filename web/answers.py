"""The shapes of answers, and how they are written."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Literal

import orjson
from flask import Response
from pydantic import BaseModel

from recommender.types import ModelRecord, Movie, RatingCounts
from web.errors import FieldError
from web.operations import JSON

_RATING_STEPS = tuple(step / 2 for step in range(1, 11))


def json_answer(value: Any, status: int = 200) -> Response:
    """`value` as JSON."""
    return Response(orjson.dumps(value), status, content_type=JSON)


def iso_time(at_ms: int) -> str:
    """UTC milliseconds as ISO 8601 text with milliseconds."""
    at = datetime.fromtimestamp(at_ms // 1000, UTC)
    return at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{at_ms % 1000:03d}Z"


class Accepted(BaseModel):
    """The event is on disk; `duplicate` when it already was."""

    status: Literal["accepted"]
    event_id: str
    duplicate: bool


class RejectedLine(BaseModel):
    """A line, counted from 1, and why it was not kept."""

    line: int
    errors: list[FieldError]


class BatchAnswer(BaseModel):
    """Lines now on disk, lines that already were, and the others."""

    accepted: int
    duplicates: int
    rejected: list[RejectedLine]


class RatingSummary(BaseModel):
    """How a film was rated; `histogram` counts each rating from "0.5" to "5.0"."""

    count: int
    mean: float | None
    histogram: dict[str, int]


class MovieAnswer(BaseModel):
    """A film."""

    item_id: str
    title: str
    year: int | None
    genres: list[str]
    placeholder: bool
    watches: int
    ratings: RatingSummary


class MoviesAnswer(BaseModel):
    """Films, most interacted first."""

    movies: list[MovieAnswer]


class SimilarMovie(BaseModel):
    """A neighbour; `kind` tells by what it is near."""

    rank: int
    item_id: str
    title: str
    year: int | None
    genres: list[str]
    kind: str


class SimilarAnswer(BaseModel):
    """Neighbours, nearest first; `fallback` is "no_model" while there is none."""

    item_id: str
    similar: list[SimilarMovie]
    model_version: str | None
    fallback: Literal["no_model"] | None


class HistoryLine(BaseModel):
    """The newest event of a kind about a film."""

    item_id: str
    title: str
    year: int | None
    genres: list[str]
    type: str
    rating: float | None
    timestamp: str
    event_id: str


class HistoryAnswer(BaseModel):
    """Newest first; `total` counts all entries.

    All ratings and watches, the newest 1,000 views and 1,000 searches.
    """

    user_id: str
    version: int
    total: int
    history: list[HistoryLine]
    searches: list[str]


class TraceAnswer(BaseModel):
    """What was answered, by what, from what; `answer` is the answer as it was sent."""

    request_id: str
    timestamp: str
    user_id: str
    variant: str
    model_version: str
    history_version: int
    is_personalized: bool
    status: int
    latency_ms: float
    answer: dict[str, Any]


class ModelHealth(BaseModel):
    """The served model."""

    name: str
    version: str
    git_sha: str
    data_snapshot_id: str
    age_s: float


class HealthAnswer(BaseModel):
    """The process answers."""

    status: Literal["ok"]
    uptime_s: float
    model: ModelHealth | None


class ReadyAnswer(BaseModel):
    """What works: each check is "ok", or says what is wrong."""

    status: Literal["ready", "degraded", "unavailable"]
    checks: dict[str, str]


class ModelLine(BaseModel):
    """A model of the allow-list."""

    version: int
    version_id: str
    name: str
    status: str
    sha256: str
    created_at: str
    reason: str | None


class RetrainState(BaseModel):
    """Where the newest retrain stands."""

    running: bool
    reason: str | None
    started_at: str | None
    finished_at: str | None
    seconds: float | None
    outcome: str | None
    progress: dict[str, Any]


class NextServed(BaseModel):
    """What trainings will serve: the best of each training where it is `automatic`, else the
    newest of the name that `follows` gives, each once it has passed the gate; none while the
    version that serves is `held`."""

    held: bool
    follows: str | None
    automatic: bool


class ModelsAnswer(BaseModel):
    """All models, newest first."""

    serving: str | None
    next: NextServed
    models: list[ModelLine]
    retrain: RetrainState


class ModelAnswer(BaseModel):
    """One model and its manifest, as signed."""

    model: ModelLine
    manifest: dict[str, Any] | None


class SwitchAnswer(BaseModel):
    """The model that serves now."""

    status: Literal["switched", "rolled_back"]
    model: ModelLine


class RetrainRequested(BaseModel):
    """A retrain was asked for."""

    status: Literal["accepted"]
    retrain: RetrainState


def movie_answer(movie: Movie, counts: RatingCounts | None) -> dict[str, Any]:
    """A film as `MovieAnswer`."""
    found = counts or RatingCounts(movie.item_id)
    histogram = {f"{step:.1f}": found.by_rating.get(step, 0) for step in _RATING_STEPS}
    return {
        **movie_heading(movie.item_id, movie),
        "placeholder": movie.placeholder,
        "watches": found.watches,
        "ratings": {"count": found.ratings, "mean": found.mean, "histogram": histogram},
    }


def movie_heading(item_id: str, movie: Movie | None) -> dict[str, Any]:
    """Id, title, year and genres; the id stands for the title of a film not in the catalogue."""
    if movie is None:
        return {"item_id": item_id, "title": item_id, "year": None, "genres": []}
    return {
        "item_id": item_id,
        "title": movie.title,
        "year": movie.year,
        "genres": list(movie.genres),
    }


def model_line(record: ModelRecord) -> dict[str, Any]:
    """A model as `ModelLine`."""
    return {
        "version": record.version,
        "version_id": record.version_id,
        "name": record.name,
        "status": record.status.value,
        "sha256": record.sha256,
        "created_at": iso_time(record.created_at_ms),
        "reason": record.reason,
    }
