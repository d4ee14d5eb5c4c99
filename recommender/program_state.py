"""How the parts of the running program do, for those who look after it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Condition(StrEnum):
    """In one word; OFF: it does nothing, and need not."""

    OK = "ok"
    WARN = "warn"
    BAD = "bad"
    OFF = "off"


@dataclass(frozen=True, slots=True)
class PartState:
    """A part, its condition, and a sentence about it."""

    name: str
    condition: Condition
    says: str


@dataclass(frozen=True, slots=True)
class JobState:
    """A job of the schedule. Times are UTC milliseconds, None before the first run.

    `failure` is the error of the last finished run, None when it went well; `next_ms` is None
    when it will not run again.
    """

    name: str
    interval_s: float
    running: bool = False
    began_ms: int | None = None
    seconds: float | None = None
    failure: str | None = None
    failures: int = 0
    next_ms: int | None = None
