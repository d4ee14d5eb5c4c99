"""What an import source is made of: known layouts, column names, codes. Pure decisions."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields
from enum import StrEnum
from functools import cache

from recommender.errors import InvalidField, UnreadableImport
from recommender.types import EventType


class Layout(StrEnum):
    """How a source is laid out on disk."""

    ML_100K = "ml-100k"
    ML_1M = "ml-1m"
    ML_LATEST = "ml-latest"
    TABLE = "table"


@dataclass(frozen=True, slots=True)
class LayoutFiles:
    """File names of a layout; None where it has no such part."""

    events: str
    movies: str
    people: str | None


LAYOUT_FILES: Mapping[Layout, LayoutFiles] = {
    Layout.ML_100K: LayoutFiles("u.data", "u.item", "u.user"),
    Layout.ML_1M: LayoutFiles("ratings.dat", "movies.dat", "users.dat"),
    Layout.ML_LATEST: LayoutFiles("ratings.csv", "movies.csv", None),
}
TABLE_SUFFIXES = (".csv", ".tsv", ".jsonl", ".ndjson", ".parquet")


def detect_layout(names: Collection[str]) -> Layout | None:
    """The layout of a folder that holds files of these names; None when none fits."""
    for layout, files in LAYOUT_FILES.items():
        if not {files.events, files.movies}.isdisjoint(names):
            return layout
    return None


def table_suffix(name: str) -> str | None:
    """The suffix that tells the format of a table, `.gz` left aside; None when it is no table."""
    bare = name.lower().removesuffix(".gz")
    return next((suffix for suffix in TABLE_SUFFIXES if bare.endswith(suffix)), None)


@dataclass(frozen=True, slots=True)
class ColumnMapping:
    """What the person who imports told about the columns; None is found by its usual names.

    `type` makes every line an event of that type; without it `type_column` decides line by
    line, else a line is a rating when there is a column of ratings and a watch when not.
    A `position` (0, 1, 2, ...) gives the time start_ms + position * step_ms.
    """

    user: str | None = None
    item: str | None = None
    rating: str | None = None
    timestamp: str | None = None
    position: str | None = None
    minute: str | None = None
    type_column: str | None = None
    type: EventType | None = None
    start_ms: int = 0
    step_ms: int = 60_000
    delimiter: str | None = None


_NAMED_ROLES = ("user", "item", "rating", "timestamp", "position", "minute")


@dataclass(frozen=True, slots=True)
class EventColumns:
    """Names of the columns of a table that make an event; None where there is none."""

    user: str
    item: str
    rating: str | None
    timestamp: str | None
    position: str | None
    minute: str | None
    type: str | None
    query: str | None = None
    event_id: str | None = None

    def present(self) -> dict[str, str]:
        """Role -> column name, of those that there are."""
        named = {field.name: getattr(self, field.name) for field in fields(self)}
        return {role: name for role, name in named.items() if name is not None}


# Case, blanks, dashes and underscores do not count: `User ID` and `userId` are user_id.
USUAL_NAMES: Mapping[str, tuple[str, ...]] = {
    "user": ("user_id", "user", "uid", "customer_id", "viewer_id", "profile_id"),
    "item": ("item_id", "movie_id", "film_id", "item", "movie", "film"),
    "rating": ("rating", "ratings", "user_rating", "movie_rating", "film_rating", "rating_value",
               "stars", "star_rating", "score", "rating_score"),
    "timestamp": ("timestamp_ms", "timestamp", "ts", "time", "unix_timestamp", "unix_time",
                  "datetime", "date_time", "date", "event_time", "created_at", "rated_at",
                  "watched_at"),
    "title": ("title", "movie_title", "film_title", "name"),
    "year": ("year", "release_year"),
    "genres": ("genres", "genre"),
    "gender": ("gender", "sex"),
    "age": ("age",),
    "occupation": ("occupation", "job"),
}
# A table with all of these was written by `export`: its ids and types are kept.
_OWN_EXPORT = frozenset({"event_id", "schema_version", "type", "user_id", "timestamp", "source"})
_NOT_COUNTED = str.maketrans("", "", " -_")
_OWN_OPTIONAL = ("item_id", "rating", "minute", "query")


def with_optional(keys: Sequence[str]) -> list[str]:
    """Keys seen in some JSON lines, and those that others of an export may have besides."""
    own = _OWN_OPTIONAL if _OWN_EXPORT.issubset(keys) else ()
    return list(dict.fromkeys([*keys, *own]))


def usually_means(role: str, column: str) -> bool:
    """Whether a column of this name usually holds `role`."""
    return _plain(column) in map(_plain, USUAL_NAMES.get(role, ()))


@cache
def _plain(name: str) -> str:
    return name.casefold().translate(_NOT_COUNTED)


def find_column(
    role: str, given: str | None, columns: Sequence[str], file: str
) -> str | None:
    """The column of a role: the one given, else the first of its usual names that is there.

    Raises:
        UnreadableImport: the given column is not in the table, or one is there twice.
    """
    if given is not None:
        if given not in columns:
            raise UnreadableImport(
                f"{file}: no column {given!r} for the {role}; there are: {', '.join(columns)}"
            )
        found: str | None = given
    else:
        found = _usual_column(role, columns, file)
    if found is not None and columns.count(found) > 1:
        raise UnreadableImport(f"{file}: column {found!r} stands there twice")
    return found


def _usual_column(role: str, columns: Sequence[str], file: str) -> str | None:
    for usual in USUAL_NAMES.get(role, ()):
        if usual in columns:
            return usual
        alike = [name for name in dict.fromkeys(columns) if _plain(name) == _plain(usual)]
        if len(alike) > 1:
            raise UnreadableImport(
                f"{file}: {' and '.join(map(repr, alike))} may both be the {role}; name one"
            )
        if alike:
            return alike[0]
    return None


def columns_named(text: str) -> ColumnMapping:
    """The columns of `user=customer,item=product,timestamp=at`, what `make run` is told.

    Raises:
        InvalidField: a role that there is none of, or one without a name or given twice.
    """
    named: dict[str, str] = {}
    for part in text.split(","):
        role, _, name = (word.strip() for word in part.partition("="))
        if role not in _NAMED_ROLES:
            raise InvalidField(
                "columns", f"{role!r} is none of {', '.join(_NAMED_ROLES)}; write role=column")
        if not name or role in named:
            raise InvalidField("columns", f"{role} needs one column")
        named[role] = name
    return ColumnMapping(**named)  # type: ignore[arg-type]


def _name_it(*roles: str) -> str:
    options = " or ".join(f"--{role}" for role in roles)
    return f"give {options} (make run: COLUMNS='{roles[0]}=<column>')"


def event_columns(mapping: ColumnMapping, columns: Sequence[str], file: str) -> EventColumns:
    """Which column of a table is what.

    Raises:
        UnreadableImport: user, item or time cannot be found; names the option to give.
    """

    def find(role: str, given: str | None) -> str | None:
        return find_column(role, given, columns, file)

    user, item = find("user", mapping.user), find("item", mapping.item)
    rating = find("rating", mapping.rating)
    position = find("position", mapping.position)
    timestamp = None if position and not mapping.timestamp else find("timestamp", mapping.timestamp)
    there = f"one of: {', '.join(columns)}"
    if user is None:
        raise UnreadableImport(f"{file}: no column for the user; {_name_it('user')} {there}")
    if item is None:
        raise UnreadableImport(f"{file}: no column for the film; {_name_it('item')} {there}")
    if timestamp is None and position is None:
        raise UnreadableImport(
            f"{file}: no column for the time; {_name_it('timestamp', 'position')} {there}"
        )
    own = _OWN_EXPORT.issubset(columns)

    def own_column(name: str) -> str | None:
        return name if own and name in columns else None

    return EventColumns(
        user=user,
        item=item,
        rating=rating,
        timestamp=timestamp,
        position=position,
        minute=find("minute", mapping.minute) or own_column("minute"),
        type=None if mapping.type else find("type", mapping.type_column) or own_column("type"),
        query=own_column("query"),
        event_id=own_column("event_id"),
    )


def kind_told(columns: Mapping[str, str], fixed: EventType | None) -> str:
    """What the lines of a table are taken as; `columns` are names by role."""
    if fixed is not None:
        return f"every line is taken as a {fixed}"
    if "type" in columns:
        return f"what a line is, is told by {columns['type']!r}"
    if "rating" in columns:
        return "taken as ratings"
    return "no rating column: taken as watches"


def import_identity(
    content_hash: str, columns: Mapping[str, str], mapping: ColumnMapping
) -> str:
    """Hash (hex) of a content and of how it is read; what is read otherwise are other events.

    `columns` are names by role, as found; from `mapping` counts what else decides.
    """
    parts: list[object] = [content_hash, sorted(columns.items()), mapping.type, mapping.delimiter]
    if "position" in columns:
        parts += [mapping.start_ms, mapping.step_ms]
    return hashlib.sha256(repr([str(part) for part in parts]).encode()).hexdigest()


NO_GENRE = frozenset({"", "unknown", "(no genres listed)"})


def split_genres(written: str) -> tuple[str, ...]:
    """Genres of "Action|Drama"; what stands for "none" is left out."""
    parts = (part.strip() for part in written.split("|"))
    return tuple(dict.fromkeys(part for part in parts if part not in NO_GENRE))


# Codes of users.dat, from the README of MovieLens 1M. Its ages are the lower ends of brackets
# (1 stands for "under 18").
ML_1M_OCCUPATIONS = (
    "other", "academic", "artist", "clerical", "college student", "customer service", "doctor",
    "executive", "farmer", "homemaker", "K-12 student", "lawyer", "programmer", "retired", "sales",
    "scientist", "self-employed", "technician", "craftsman", "unemployed", "writer",
)  # fmt: skip
