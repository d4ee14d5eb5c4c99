"""What is kept and counted of the work: answers, metrics, the state of all that runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from recommender.ports.audits import AuditGauge
from recommender.program_state import JobState, PartState
from recommender.traffic import TrafficMinute
from recommender.types import AnsweredRecord, TopicPartition


class ResponseLog(Protocol):
    """Answers given, kept for traces and audits. Recording never blocks a request."""

    def record(self, answered: AnsweredRecord) -> bool:
        """Queue one answer; False when the queue is full and the answer was dropped (counted)."""
        ...

    def trace(self, request_id: str) -> AnsweredRecord | None:
        """One answer, looked for in the queue too."""
        ...

    def flush(self) -> None:
        """Return when everything recorded before the call is on disk."""
        ...

    def newest_of(
        self, user_id: str, limit: int = 20, among: int = 50_000
    ) -> list[AnsweredRecord]:
        """A user's last answers, newest first, as far as they are `among` the newest of all."""
        ...

    def dropped(self) -> int:
        """Answers dropped since the start."""
        ...

    def waiting(self) -> int:
        """Answers not on disk yet."""
        ...

    def failures(self) -> int:
        """Failed writes since the start; each was tried again."""
        ...

    def close(self) -> None:
        """Flush and stop."""
        ...


class AnswerQueue(Protocol):
    """Answers logged and still to be published on an outer bus."""

    def oldest(self, limit: int) -> list[AnsweredRecord]:
        """At most `limit`, by request id."""
        ...

    def done(self, request_ids: Sequence[str]) -> None:
        """They are published; durable when it returns."""
        ...

    def backlog(self) -> int:
        """How many wait."""
        ...


class Telemetry(Protocol):
    """Gauges and counters, named as in docs/api-contract.md."""

    def request(self, route: str, status: int, seconds: float) -> None:
        """One answer of a route (its rule), with its status and time."""
        ...

    def recommendation(self, kind: str) -> None:
        """One list answered: personalized, or its fallback."""
        ...

    def events_accepted(self, count: int) -> None:
        """Events taken and on disk."""
        ...

    def events_applied(self, count: int) -> None:
        """Events that changed the state."""
        ...

    def events_duplicate(self, count: int) -> None:
        """Events seen before."""
        ...

    def events_dead_lettered(self, count: int) -> None:
        """Records that could not be applied."""
        ...

    def freshness(self, seconds: float) -> None:
        """From acceptance to application of an event."""
        ...

    def consumer_lag(self, behind: Mapping[TopicPartition, int]) -> None:
        """Records not yet applied, of each partition that this process reads now, and no other."""
        ...

    def relay_backlog(self, events: int) -> None:
        """Events in the outbox that an outer bus has not acknowledged."""
        ...

    def events_redelivered(self, count: int) -> None:
        """Events sent to an outer bus again: whether it had them was not known."""
        ...

    def outbox_depth(self, events: int) -> None:
        """Events waiting in the outbox."""
        ...

    def serving_model(
        self, name: str, version: int, version_id: str, created_at_ms: int
    ) -> None:
        """The model that answers from now on."""
        ...

    def model_refused(self, cause: str) -> None:
        """A model file refused before loading."""
        ...

    def training(self, outcome: str, seconds: float) -> None:
        """A retrain ended, after so many seconds."""
        ...

    def gate_refusal(self, reason: str) -> None:
        """The gate refused a trained model."""
        ...

    def audited(self, gauges: Sequence[AuditGauge]) -> None:
        """What the newest audit found; a gauge that it does not name keeps its value."""
        ...

    def responses_dropped(self, count: int) -> None:
        """Answers not logged: the queue was full."""
        ...

    def body_refused(self) -> None:
        """A request answered 503: too many threads waited for bodies."""
        ...

    def rows_trimmed(self, kind: str, count: int) -> None:
        """Rows removed because they were kept long enough."""
        ...

    def rate_limiter_failed(self) -> None:
        """A request let through because the limiter failed."""
        ...


class ProgramState(Protocol):
    """How the threads and jobs of this process do, and what it has answered lately."""

    def parts(self) -> Sequence[PartState]:
        """Each worker."""
        ...

    def jobs(self) -> Sequence[JobState]:
        """Each job of the schedule."""
        ...

    def minutes(self) -> Sequence[TrafficMinute]:
        """The last hour, oldest minute first; empty in the first minute."""
        ...
