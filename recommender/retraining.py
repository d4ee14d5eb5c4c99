"""What is known of a retrain, to those who start it and to those who ask."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

TAIL_LINES = 20


@dataclass(frozen=True, slots=True)
class RetrainStatus:
    """The retrain that runs or the last that ran.

    `progress` is the last line of the child, `tail` its last lines, oldest first. `outcome`, None
    while the first one runs: published, refused, nothing (too little data), busy (another process
    trains), lease_lost, failed, timeout or stop. `seconds` is the time that the last finished one
    took.
    """

    running: bool = False
    reason: str | None = None
    actor: str | None = None
    started_at_ms: int | None = None
    progress: Mapping[str, Any] = field(default_factory=dict)
    tail: tuple[Mapping[str, Any], ...] = ()
    outcome: str | None = None
    finished_at_ms: int | None = None
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class RetrainAnswer:
    """`started` is False when one was running already; `status` is the running one's."""

    started: bool
    status: RetrainStatus
