"""Films and people from the files of MovieLens or from a table."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TypeVar

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from adapters.line_blocks import read_text_lines
from adapters.tabular_import import read_header
from recommender.errors import UnreadableImport
from recommender.import_events import BrokenLine
from recommender.import_layouts import (
    ML_1M_OCCUPATIONS,
    NO_GENRE,
    USUAL_NAMES,
    find_column,
    split_genres,
    table_suffix,
)
from recommender.import_titles import split_title
from recommender.import_values import is_id
from recommender.types import Movie, Person

_U_ITEM_FIXED = 5
_Row = Mapping[str, object]
T = TypeVar("T")


def movie_files(path: Path) -> tuple[Path, ...]:
    """The files that the films of `path` are read from: u.item names its genres in u.genre."""
    genres = path.with_name("u.genre")
    return (path, genres) if path.name == "u.item" and genres.exists() else (path,)


def read_movies(path: Path) -> tuple[list[Movie], list[BrokenLine]]:
    """Films of movies.dat, u.item, or of a table with columns for id, title, genres, year.

    The second list names the lines that were left out.

    Raises:
        UnreadableImport: unknown format, or no columns for id and title.
    """
    rows: Iterator[tuple[int, _Row]]
    if path.name == "u.item":
        rows = _u_item(path)
    elif path.suffix == ".dat":
        rows = _split_lines(path, "::", ("item", "title", "genres"))
    else:
        rows = _table(path, ("item", "title"), ("year", "genres"))
    return _good_and_broken(rows, _movie)


def read_people(path: Path) -> tuple[list[Person], list[BrokenLine]]:
    """People of users.dat, u.user, or of a table with a column for the id.

    The second list names the lines that were left out.

    Raises:
        UnreadableImport: unknown format, or no column for the id.
    """
    rows: Iterator[tuple[int, _Row]]
    if path.name == "u.user":
        rows = _split_lines(path, "|", ("user", "age", "gender", "occupation", "zip"))
    elif path.suffix == ".dat":
        rows = _split_lines(path, "::", ("user", "gender", "age", "occupation", "zip"))
    else:
        rows = _table(path, ("user",), ("gender", "age", "occupation"))
    coded = path.suffix == ".dat"
    return _good_and_broken(rows, lambda row: _person(row, coded))


def _good_and_broken(
    rows: Iterable[tuple[int, _Row]], make: Callable[[_Row], T]
) -> tuple[list[T], list[BrokenLine]]:
    good: list[T] = []
    broken: list[BrokenLine] = []
    for line, row in rows:
        try:
            good.append(make(row))
        except ValueError as error:
            broken.append(BrokenLine(line, str(error)))
    return good, broken


def _movie(row: _Row) -> Movie:
    item_id = _id(row, "item")
    written = _word(row.get("title"))
    if not written:
        raise ValueError("title: missing")
    title, year = split_title(written)
    genres = row.get("genres")
    if told := _word(row.get("year")):
        year = _whole(told, "year")
    listed = genres if isinstance(genres, list | tuple) else split_genres(_word(genres) or "")
    kept = tuple(dict.fromkeys(str(g) for g in listed if str(g) not in NO_GENRE))
    return Movie(item_id=item_id, title=title, year=year, genres=kept)


def _person(row: _Row, coded: bool) -> Person:
    age, occupation = _word(row.get("age")), _word(row.get("occupation"))
    if coded and occupation:
        code = _whole(occupation, "occupation")
        if not 0 <= code < len(ML_1M_OCCUPATIONS):
            raise ValueError(f"occupation: unknown code {code}")
        occupation = ML_1M_OCCUPATIONS[code]
    return Person(
        user_id=_id(row, "user"),
        gender=_short(row, "gender", 16),
        age=_whole(age, "age") if age else None,
        occupation=occupation[:64] if occupation else None,
    )


def _id(row: _Row, role: str) -> str:
    value = _word(row.get(role))
    if value is None:
        raise ValueError(f"{role}_id: missing")
    if not is_id(value):
        raise ValueError(f"{role}_id: {value!r:.60} is not an id")
    return value


def _word(value: object) -> str | None:
    if isinstance(value, float):
        # A table with gaps holds whole numbers as floats; NaN is a gap.
        return None if value != value else str(int(value)) if value.is_integer() else str(value)
    text = "" if value is None else str(value).strip()
    if "\0" in text:
        raise ValueError(f"{text!r:.60} holds a NUL character")
    return text or None


def _short(row: _Row, field: str, longest: int) -> str | None:
    text = _word(row.get(field))
    if text and len(text) > longest:
        raise ValueError(f"{field}: longer than {longest} characters")
    return text


def _whole(text: str, field: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise ValueError(f"{field}: {text!r:.60} is not a whole number") from None


def _split_lines(
    path: Path, delimiter: str, names: tuple[str, ...]
) -> Iterator[tuple[int, _Row]]:
    """Lines with a fixed order of values; of missing ones the row says nothing."""
    for number, line in enumerate(read_text_lines(path), 1):
        if line.strip():
            yield number, dict(zip(names, line.split(delimiter), strict=False))


def _u_item(path: Path) -> Iterator[tuple[int, _Row]]:
    """id|title|date|video date|URL|one flag for each genre of u.genre"""
    genre_file = path.with_name("u.genre")
    if not genre_file.exists():
        raise UnreadableImport(f"{genre_file}: missing; u.item needs it for its genres")
    genres = [line.split("|")[0] for line in read_text_lines(genre_file) if line.strip()]
    for number, line in enumerate(read_text_lines(path), 1):
        if not line.strip():
            continue
        values = line.split("|")
        flags = values[_U_ITEM_FIXED:]
        named = [name for name, flag in zip(genres, flags, strict=False) if flag == "1"]
        title = values[1] if len(flags) == len(genres) else None
        yield number, {"item": values[0], "title": title, "genres": named}


def _table(
    path: Path, required: tuple[str, ...], optional: tuple[str, ...]
) -> Iterator[tuple[int, _Row]]:
    first_line, records = _records(path)
    names = list(dict.fromkeys(key for record in records[:1000] for key in record))
    columns: dict[str, str] = {}
    for role in (*required, *optional):
        name = find_column(role, None, names, path.name)
        if name is None and role == "item" and "id" in names:
            name = "id"
        if name is not None:
            columns[role] = name
        elif role in required:
            raise UnreadableImport(
                f"{path}: no column for the {role} ({' or '.join(USUAL_NAMES[role])})"
            )
    for number, record in enumerate(records, first_line):
        if any(_word(value) for value in record.values()):
            yield number, {role: record.get(name) for role, name in columns.items()}


def _records(path: Path) -> tuple[int, list[dict[str, object]]]:
    """Number of the first line, and each line by column name."""
    match table_suffix(path.name):
        case ".csv" | ".tsv":
            names, delimiter = read_header(path)
            lines = csv.reader(read_text_lines(path)[1:], delimiter=delimiter)
            try:
                return 2, [dict(zip(names, values, strict=False)) for values in lines]
            except csv.Error as error:
                raise UnreadableImport(f"{path}: line {lines.line_num + 1}: {error}") from error
        case ".jsonl" | ".ndjson":
            return 1, [_json_record(line) for line in read_text_lines(path)]
        case ".parquet":
            try:
                return 1, pq.read_table(path).to_pylist()
            except (OSError, pa.ArrowInvalid) as error:
                raise UnreadableImport(f"{path}: not a readable Parquet file: {error}") from error
    raise UnreadableImport(
        f"{path}: not movies.dat, users.dat, u.item, u.user, .csv, .jsonl or .parquet"
    )


def _json_record(line: str) -> dict[str, object]:
    """An unreadable line becomes a record without an id, which is then refused by its number."""
    try:
        value = orjson.loads(line)
    except orjson.JSONDecodeError:
        return {"unreadable": line}
    return value if isinstance(value, dict) else {"unreadable": line}
