"""Text files as blocks of whole lines with their numbers, gunzipped on the way."""

from __future__ import annotations

import gzip
import hashlib
import os
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

from recommender.errors import UnreadableImport

BLOCK_BYTES = 1 << 20
_LINE_MAX_BYTES = 16 << 20


@dataclass(frozen=True, slots=True)
class LineBlock:
    """`data` holds whole lines, the first of which has number `first_line` (from 1).

    `fraction` is the share of the file, as it lies on disk, that is read with this block.
    """

    first_line: int
    data: bytes
    fraction: float

    def lines(self) -> list[bytes]:
        """The lines without their ends."""
        ended = self.data[:-1] if self.data.endswith(b"\n") else self.data
        return [line.removesuffix(b"\r") for line in ended.split(b"\n")]

    def count(self) -> int:
        """Number of lines."""
        return self.data.count(b"\n") + (not self.data.endswith(b"\n"))


def line_blocks(path: Path, block_bytes: int = BLOCK_BYTES) -> Iterator[LineBlock]:
    """The whole file in order, in blocks of about `block_bytes`. A byte order mark is dropped.

    Raises:
        UnreadableImport: the file cannot be read, is no gzip though named so, or has a line
            above 16 MiB.
    """
    try:
        with path.open("rb") as raw:
            size = max(os.fstat(raw.fileno()).st_size, 1)
            packed = path.suffix == ".gz"
            source = cast("IO[bytes]", gzip.GzipFile(fileobj=raw) if packed else raw)
            first_line, rest = 1, b""
            while read := source.read(block_bytes):
                if first_line == 1 and not rest:
                    read = read.removeprefix(b"\xef\xbb\xbf")
                whole, newline, tail = (rest + read).rpartition(b"\n")
                rest = tail
                if newline:
                    block = LineBlock(first_line, whole + newline, min(raw.tell() / size, 1.0))
                    yield block
                    first_line += block.count()
                elif len(rest) > _LINE_MAX_BYTES:
                    raise UnreadableImport(f"{path}: line {first_line} is longer than 16 MiB")
            if rest:
                yield LineBlock(first_line, rest, 1.0)
    except (OSError, EOFError, zlib.error) as error:
        raise UnreadableImport(f"{path}: {error}") from error


def read_text_lines(path: Path) -> list[str]:
    """All lines of a small file, each UTF-8, or latin-1 where it is not (old MovieLens files)."""
    return [_decoded(line) for block in line_blocks(path) for line in block.lines()]


def _decoded(line: bytes) -> str:
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError:
        return line.decode("latin-1")


def content_hash(paths: Iterable[Path]) -> str:
    """SHA-256 (hex) over the contents of the files, in the order given; names do not count."""
    digest = hashlib.sha256()
    for path in paths:
        try:
            with path.open("rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
        except OSError as error:
            raise UnreadableImport(f"{path}: {error}") from error
    return digest.hexdigest()
