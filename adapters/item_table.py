"""Files that name films and their genres: JSON lines, JSON, CSV, MovieLens, or ids alone."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator
from typing import Any

import orjson

from adapters.log_files import log_lines
from recommender.audit.log_records import id_of
from recommender.errors import UnreadableImport
from recommender.import_layouts import NO_GENRE, usually_means

_SEPARATORS = re.compile(r"[|,;]")
_U_ITEM_FLAGS = 19
_U_ITEM_FIELDS = 5 + _U_ITEM_FLAGS
# The order of the flags of u.item, as its u.genre has it.
_U_ITEM_GENRES = (
    "unknown", "Action", "Adventure", "Animation", "Children's", "Comedy", "Crime", "Documentary",
    "Drama", "Fantasy", "Film-Noir", "Horror", "Musical", "Mystery", "Romance", "Sci-Fi",
    "Thriller", "War", "Western",
)  # fmt: skip
ItemGenres = dict[str, tuple[str, ...]]


def read_item_table(name: str) -> ItemGenres:
    """Genres by film id, in the order of the file; no genres where it tells none.

    Read are, told by the content: JSON lines and lists of objects with movie_id, item_id or id
    (and genres as a list or a text), one JSON object from id to genres, a list of ids, movies.dat,
    u.item, CSV or TSV with or without a head, and lines of ids.

    Raises:
        UnreadableImport: the file cannot be read or names no film.
    """
    damage: list[str] = []
    lines = [line for line in log_lines(name, damage.append) if line is not None]
    found: ItemGenres = {}
    for item_id, genres in _rows(lines):
        if item_id is not None:
            found[item_id] = genres or found.get(item_id, ())
    if not found or damage:
        raise UnreadableImport(damage[0] if damage else f"{name}: no film in it")
    return found


def _rows(lines: list[bytes]) -> Iterator[tuple[str | None, tuple[str, ...]]]:
    if not lines:
        return iter(())
    first = lines[0].lstrip()[:1]
    if first in (b"{", b"["):
        return _json_rows(lines)
    texts = [_decoded(line) for line in lines]
    if "::" in texts[0]:
        return _part_rows(text.split("::") for text in texts)
    if texts[0].count("|") >= _U_ITEM_FIELDS - 1:
        return (_u_item(text.split("|")) for text in texts)
    delimiter = next((d for d in ("\t", ",", ";") if d in texts[0]), None)
    if delimiter is None:
        return _part_rows([text] for text in texts)
    return _part_rows(csv.reader(texts, delimiter=delimiter))


def _json_rows(lines: list[bytes]) -> Iterator[tuple[str | None, tuple[str, ...]]]:
    try:
        document = orjson.loads(b"".join(lines))
    except orjson.JSONDecodeError:
        for line in lines:
            try:
                yield _json_row(orjson.loads(line.strip().rstrip(b",")))
            except orjson.JSONDecodeError:
                continue
        return
    if isinstance(document, dict):
        if _row_id(document) is None:
            for item_id, value in document.items():
                genres = value.get("genres") if isinstance(value, dict) else value
                yield id_of(item_id), _genres(genres)
            return
        document = [document]
    for entry in document:
        yield _json_row(entry)


def _json_row(entry: Any) -> tuple[str | None, tuple[str, ...]]:
    if isinstance(entry, dict):
        genres = next((value for name, value in entry.items() if usually_means("genres", name)
                       and value is not None), None)
        return _row_id(entry), _genres(genres)
    if isinstance(entry, list):
        return (id_of(entry[0]), _genres(entry[1])) if len(entry) > 1 else (None, ())
    return id_of(entry), ()


def _row_id(entry: dict[str, Any]) -> str | None:
    return next((i for name, value in entry.items() if (name == "id" or usually_means(
        "item", name)) and (i := id_of(value)) is not None), None)


def _part_rows(rows: Iterable[list[str]]) -> Iterator[tuple[str | None, tuple[str, ...]]]:
    """Without a head the id stands first and the genres last."""
    id_at, genres_at = 0, -1
    for number, cells in enumerate(rows):
        parts = [part.strip() for part in cells]
        if number == 0 and (head := _columns(parts)) is not None:
            id_at, genres_at = head
        elif len(parts) > id_at:
            written = parts[genres_at] if id_at != genres_at % len(parts) else ""
            yield id_of(parts[id_at]), _genres(written)


def _columns(head: list[str]) -> tuple[int, int] | None:
    """Places of id and genres (that of the id without any), when the line is a head."""
    def place(names: tuple[str, ...], role: str) -> int | None:
        found = (n for n, cell in enumerate(head) if cell.casefold() in names
                 or usually_means(role, cell))
        return next(found, None)

    at, genres = place(("id",), "item"), place((), "genres")
    return None if at is None else (at, at if genres is None else genres)


def _u_item(parts: list[str]) -> tuple[str | None, tuple[str, ...]]:
    flags = parts[-_U_ITEM_FLAGS:]
    genres = (g for g, flag in zip(_U_ITEM_GENRES, flags, strict=True) if flag.strip() == "1")
    return id_of(parts[0]), _known(genres)


def _genres(value: object) -> tuple[str, ...]:
    if isinstance(value, str):
        return _known(_SEPARATORS.split(value.strip("[]")))
    if isinstance(value, list):
        return _known(
            str(entry.get("name", "")) if isinstance(entry, dict) else str(entry)
            for entry in value)
    return ()


def _known(genres: Iterable[str]) -> tuple[str, ...]:
    stripped = (genre.strip().strip("'\"") for genre in genres)
    return tuple(dict.fromkeys(genre for genre in stripped if genre not in NO_GENRE))


def _decoded(line: bytes) -> str:
    try:
        return line.decode("utf-8").rstrip("\r\n")
    except UnicodeDecodeError:
        return line.decode("latin-1").rstrip("\r\n")
