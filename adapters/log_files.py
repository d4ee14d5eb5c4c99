"""Log files as lines in constant memory: plain, gzip (told by the content), or standard input."""

from __future__ import annotations

import io
import sys
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, cast

from recommender.errors import UnreadableImport

STANDARD_INPUT = "-"
_GZIP_MAGIC = b"\x1f\x8b"
_GZIP_WINDOW = 16 + zlib.MAX_WBITS
_PACKED_BYTES = 1 << 18
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_BLOCK_BYTES = 1 << 20
LINE_MAX_BYTES = 16 << 20


def log_lines(
    name: str, on_damage: Callable[[str], None], line_max_bytes: int = LINE_MAX_BYTES
) -> Iterator[bytes | None]:
    """The lines of a file that are not blank; None stands for one that is longer than the most.

    A file that ends in the middle of its compressed data gives what could be unpacked, then None,
    and `on_damage` is told.

    Raises:
        UnreadableImport: the file cannot be opened or read.
    """
    with _opened(name) as file:
        try:
            if line := file.readline(line_max_bytes).removeprefix(_BYTE_ORDER_MARK):
                yield from _lines(line, file, line_max_bytes)
        except (EOFError, zlib.error) as error:
            on_damage(f"{name}: {error}")
            yield None
        except OSError as error:
            raise UnreadableImport(f"{name}: {error.strerror or error}") from error


def _lines(line: bytes, file: IO[bytes], most: int) -> Iterator[bytes | None]:
    read = file.readline
    while line:
        if len(line) >= most and not line.endswith(b"\n"):
            while line and not line.endswith(b"\n"):
                line = read(most)
            yield None
        elif not line.isspace():
            yield line
        line = read(most)


@contextmanager
def _opened(name: str) -> Iterator[IO[bytes]]:
    try:
        if name == STANDARD_INPUT:
            yield _unpacked(sys.stdin.buffer)
            return
        with Path(name).open("rb", buffering=_BLOCK_BYTES) as file:
            yield _unpacked(file)
    except OSError as error:
        raise UnreadableImport(f"{name}: {error.strerror or error}") from error


def _unpacked(file: IO[bytes]) -> IO[bytes]:
    peekable = cast("io.BufferedReader", file)
    if not peekable.peek(2).startswith(_GZIP_MAGIC):
        return file
    return io.BufferedReader(_Unpacked(file), _BLOCK_BYTES)


class _Unpacked(io.RawIOBase):
    """The content of gzip members one after another.

    Unlike `gzip.GzipFile` it gives all that could be unpacked before it raises for the rest.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._member = zlib.decompressobj(_GZIP_WINDOW)
        self._packed = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        while True:
            self._packed = self._packed or self._file.read(_PACKED_BYTES)
            if self._member.eof:
                # Padding with zeros is allowed between members and at the end.
                self._packed = self._packed.lstrip(b"\0")
                if self._packed:
                    self._member = zlib.decompressobj(_GZIP_WINDOW)
            if not self._packed:
                if self._member.eof:
                    return 0
                raise EOFError("the compressed data ends early")
            found = self._member.decompress(self._packed, len(buffer))
            self._packed = self._member.unconsumed_tail or self._member.unused_data
            if found:
                buffer[: len(found)] = found
                return len(found)
