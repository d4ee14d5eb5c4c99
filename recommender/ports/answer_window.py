"""Answers as experiments read them: many, in the order of time, without their whole texts."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple, Protocol


class GivenAnswer(NamedTuple):
    """One answer; `text_digest` names its text, the same for each answer from one kept list."""

    request_id: str
    timestamp_ms: int
    user_id: str
    variant: str
    model_version: str
    status: int
    latency_us: int
    text_digest: bytes


class AnswerWindow(Protocol):
    """Reads what the response log has written."""

    def answers(self, after: str, until_ms: int, limit: int) -> list[GivenAnswer]:
        """Those with a request id above `after`, up to the first whose time is not before
        `until_ms`; by request id, which is the order in which they were asked for."""
        ...

    def shown(self, digests: Collection[bytes]) -> dict[bytes, tuple[str, ...]]:
        """The films of each text, best first."""
        ...
