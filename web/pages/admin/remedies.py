"""What an administrator does about a part that is not well; docs/runbook.md has more."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from recommender.program_state import Condition, PartState


@dataclass(frozen=True, slots=True)
class Remedy:
    """What to do, code between backticks; `page` is the address of a page that has more."""

    text: str
    page: str | None = None


@dataclass(frozen=True, slots=True)
class Complaint:
    """A part that is not well, and what to do."""

    part: PartState
    remedy: Remedy


def complaints(parts: Iterable[PartState]) -> list[Complaint]:
    """The parts that are not well, the bad ones first."""
    unwell = [part for part in parts if part.condition in (Condition.BAD, Condition.WARN)]
    unwell.sort(key=lambda part: part.condition is not Condition.BAD)
    return [Complaint(part, _REMEDIES.get(part.name, _UNKNOWN)) for part in unwell]


_UNKNOWN = Remedy("The log on standard error has the reason.")
_REMEDIES = {
    "Store": Remedy("Look whether its disk is full or its database is away. What is sent meanwhile "
                    "is kept, and applied when it answers again."),
    "Model": Remedy("Train one on the page of models; until then the newest films are shown.",
                    "/admin/models"),
    "Bus": Remedy("Look whether the broker, or the disk of the embedded log, takes anything. What "
                  "was accepted is not lost."),
    "Outbox": Remedy("Make room on its disk. Nothing was half-written and clients repeat; it is ok "
                     "again when nothing was refused for 30 s."),
    "Ingest": Remedy("Paused, it goes on by itself when what it waits for answers again. When its "
                     "thread has ended, restart: nothing is lost, and nothing counts twice."),
    "Scheduler": Remedy("Each job that failed has its error in the table of jobs below; it runs "
                        "again at its next time."),
    "Response log": Remedy("The disk is too slow for the traffic: traces are missing, answers are "
                           "not. Raise `FAIRREEL_RESPONSE_LOG_QUEUE_MAX`."),
    "Retrain": Remedy("What it said stands on the page of models. The model that served before "
                      "serves on.",
                      "/admin/models"),
    "Model watch": Remedy("Run `fairreel registry verify`. The model that served before serves on.",
                          "/admin/models"),
}
