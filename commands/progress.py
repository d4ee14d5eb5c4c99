"""How far long work is: a bar on a terminal, plain lines otherwise."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Protocol, TextIO

_REDRAW_S = 0.1
_LINE_S = 2.0
_WIDTH = 30


class Progress(Protocol):
    """Called with what is done, how many of how many; `done == total` ends the stage."""

    def __call__(self, stage: str, done: int, total: int) -> None:
        """Tell that `done` of `total` are done in `stage`."""
        ...


def silent(stage: str, done: int, total: int) -> None:
    """Shows nothing."""


class ProgressBar:
    """One line that grows."""

    def __init__(self, stream: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream = stream
        self._clock = clock
        self._drawn_at = float("-inf")

    def __call__(self, stage: str, done: int, total: int) -> None:
        """Draw anew, unless that was a moment ago."""
        now = self._clock()
        if done < total and now - self._drawn_at < _REDRAW_S:
            return
        self._drawn_at = now
        share = done / total if total else 1.0
        bar = "#" * round(_WIDTH * share)
        self._stream.write(f"\r{stage:<24} [{bar:<{_WIDTH}}] {share:4.0%} {done:>12,}")
        if done >= total:
            self._stream.write("\n")
            self._drawn_at = float("-inf")
        self._stream.flush()


class ProgressLines:
    """A line when a stage ends, and every two seconds before."""

    def __init__(self, stream: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream = stream
        self._clock = clock
        self._stage = ""
        self._said_at = 0.0

    def __call__(self, stage: str, done: int, total: int) -> None:
        """Write a line when it is time for one."""
        now = self._clock()
        if stage != self._stage:
            self._stage, self._said_at = stage, now
        if done < total and now - self._said_at < _LINE_S:
            return
        self._said_at = now
        self._stream.write(f"{stage}: {done:,} of {total:,}\n")
        self._stream.flush()


def progress_for(quiet: bool, stream: TextIO | None = None) -> Progress:
    """The way of telling that suits `stream` (standard error by default)."""
    stream = stream or sys.stderr
    if quiet:
        return silent
    return ProgressBar(stream) if stream.isatty() else ProgressLines(stream)
