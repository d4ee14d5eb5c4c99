"""Working in-memory implementations of the administrative ports and of telemetry, for tests."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from recommender.erasure import ErasureReport
from recommender.errors import ModelRefused, NotFound, StoreUnavailable
from recommender.ports import AuditGauge
from recommender.review import AuditFilter, NumberedEntry, Page
from recommender.types import (
    LOADABLE,
    ApiKey,
    AuditEntry,
    ModelRecord,
    ModelStatus,
    Role,
    ServingChoice,
    TopicPartition,
)


class InMemoryAllowList:
    """Models by version, oldest first."""

    def __init__(self) -> None:
        self._records: list[ModelRecord] = []
        self._choice: ServingChoice | None = None

    def register(
        self, version_id: str, name: str, status: ModelStatus, sha256: str, at_ms: int,
        reason: str | None = None, fencing: tuple[str, int] | None = None,
    ) -> ModelRecord:
        record = ModelRecord(
            len(self._records) + 1, version_id, name, status, sha256, at_ms, reason)
        self._records.append(record)
        return record

    def records(self) -> list[ModelRecord]:
        return self._records[::-1]

    def find(self, reference: str) -> ModelRecord | None:
        for record in self.records():
            if reference in (record.version_id, str(record.version)):
                return record
        named = (r for r in self.records() if r.name == reference and r.status in LOADABLE)
        return next(named, None)

    def serving(self) -> ModelRecord | None:
        found = (r for r in self._records if r.status is ModelStatus.SERVING)
        return next(found, None)

    def choice(self) -> ServingChoice | None:
        return self._choice

    def serve(
        self, version_id: str, at_ms: int, fencing: tuple[str, int] | None = None,
        choice: ServingChoice | None = None,
    ) -> ModelRecord:
        record = next((r for r in self._records if r.version_id == version_id), None)
        if record is None:
            raise NotFound(f"there is no model {version_id}")
        if record.status not in LOADABLE:
            raise ModelRefused(version_id, "not_allowed", f"it is {record.status.value}")
        self._choice = choice or self._choice
        if record.status is ModelStatus.SERVING:
            return record
        after = {ModelStatus.SERVING: ModelStatus.PREVIOUS,
                 ModelStatus.PREVIOUS: ModelStatus.AVAILABLE}
        self._records = [
            replace(r, status=ModelStatus.SERVING if r is record else after.get(r.status, r.status))
            for r in self._records
        ]
        return self._records[record.version - 1]

    def serve_trained(
        self, version_id: str, at_ms: int, before: str | None, fencing: tuple[str, int]
    ) -> ModelRecord:
        record = next(r for r in self._records if r.version_id == version_id)
        serving = self.serving()
        if serving is not None:
            choice = self._choice
            automatic = choice is None or choice.automatic
            if automatic and serving.version_id != before:
                return record
            if choice is not None and not automatic and choice.name != record.name:
                return record
        return self.serve(version_id, at_ms, fencing)

    def set_status(
        self, version_id: str, status: ModelStatus, at_ms: int, reason: str | None = None
    ) -> None:
        self._records = [
            replace(r, status=status, reason=reason) if r.version_id == version_id else r
            for r in self._records
        ]


class InMemoryApiKeys:
    """Keys by the hash of their secret."""

    def __init__(self) -> None:
        self.down = False
        self._keys: dict[str, ApiKey] = {}

    def create(
        self, role: Role, name: str, at_ms: int, user_id: str | None = None
    ) -> tuple[ApiKey, str]:
        number = len(self._keys) + 1
        secret = f"secret-{number}-{name}"
        key = ApiKey(f"key-{number}", role, name, at_ms, user_id)
        self._keys[_digest(secret)] = key
        return key, secret

    def verify(self, secret: str) -> ApiKey | None:
        key = self._keys.get(_digest(secret))
        return key if key is not None and key.revoked_at_ms is None else None

    def revoke(self, key_id: str, at_ms: int) -> bool:
        for digest, key in self._keys.items():
            if key.key_id == key_id and key.revoked_at_ms is None:
                self._keys[digest] = replace(key, revoked_at_ms=at_ms)
                return True
        return False

    def end_sessions(self, key_id: str, at_ms: int) -> None:
        for digest, key in self._keys.items():
            if key.key_id == key_id and (key.sessions_ended_ms or 0) < at_ms:
                self._keys[digest] = replace(key, sessions_ended_ms=at_ms)

    def keys(self) -> list[ApiKey]:
        if self.down:
            raise StoreUnavailable("the store is down")
        return list(self._keys.values())


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


class InMemoryAuditLog:
    """Entries in order."""

    def __init__(self) -> None:
        self._entries: list[AuditEntry] = []

    def append(self, entry: AuditEntry) -> None:
        self._entries.append(entry)

    def entries(self, limit: int = 100) -> list[AuditEntry]:
        return self._entries[::-1][:limit]

    def search(
        self, wanted: AuditFilter, before: int | None = None, limit: int = 50
    ) -> Page[NumberedEntry]:
        found = [
            NumberedEntry(number, entry)
            for number, entry in enumerate(self._entries, 1)
            if wanted.actor.casefold() in entry.actor.casefold()
            and wanted.action.casefold() in entry.action.casefold()
            and (before is None or number < before)
        ][::-1]
        older = found[limit - 1].sequence if len(found) > limit else None
        return Page(tuple(found[:limit]), older)


@dataclass
class CountingTelemetry:
    """Counts by (name, labels); gauges keep the last value."""

    requests: Counter[tuple[str, int]] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)
    counted: Counter[tuple[str, ...]] = field(default_factory=Counter)
    gauges: dict[tuple[str, ...], float] = field(default_factory=dict)

    def request(self, route: str, status: int, seconds: float) -> None:
        self.requests[route, status] += 1
        self.seconds.append(seconds)

    def recommendation(self, kind: str) -> None:
        self.counted["recommendation", kind] += 1

    def events_accepted(self, count: int) -> None:
        self.counted["events_accepted",] += count

    def events_applied(self, count: int) -> None:
        self.counted["events_applied",] += count

    def events_duplicate(self, count: int) -> None:
        self.counted["events_duplicate",] += count

    def events_dead_lettered(self, count: int) -> None:
        self.counted["events_dead_lettered",] += count

    def freshness(self, seconds: float) -> None:
        self.gauges["freshness",] = seconds

    def consumer_lag(self, behind: Mapping[TopicPartition, int]) -> None:
        for place, records in behind.items():
            self.gauges["consumer_lag", place.topic, str(place.partition)] = records

    def relay_backlog(self, events: int) -> None:
        self.gauges["relay_backlog",] = events

    def events_redelivered(self, count: int) -> None:
        self.counted["events_redelivered",] += count

    def outbox_depth(self, events: int) -> None:
        self.gauges["outbox_depth",] = events

    def serving_model(self, name: str, version: int, version_id: str, created_at_ms: int) -> None:
        self.gauges["serving_model", name, version_id] = version

    def model_refused(self, cause: str) -> None:
        self.counted["model_refused", cause] += 1

    def training(self, outcome: str, seconds: float) -> None:
        self.counted["training", outcome] += 1

    def audited(self, gauges: Sequence[AuditGauge]) -> None:
        for gauge in gauges:
            self.gauges[gauge.name, *gauge.labels.values()] = gauge.value

    def gate_refusal(self, reason: str) -> None:
        self.counted["gate_refusal", reason] += 1

    def responses_dropped(self, count: int) -> None:
        self.counted["responses_dropped",] += count

    def body_refused(self) -> None:
        self.counted["body_refused",] += 1

    def rows_trimmed(self, kind: str, count: int) -> None:
        self.counted["rows_trimmed", kind] += count

    def rate_limiter_failed(self) -> None:
        self.counted["rate_limiter_failed",] += 1


class InMemoryErasure:
    """Erasures asked for; `finish` ends the one under way."""

    def __init__(self) -> None:
        self.running = False
        self.last: ErasureReport | None = None
        self.failure: str | None = None
        self.unfinished: list[str] = []
        self.asked: list[tuple[str, str]] = []

    def request(self, user_id: str, actor: str) -> bool:
        if self.running:
            return False
        self.asked.append((user_id, actor))
        self.running = True
        return True

    def finish(self, report: ErasureReport) -> None:
        self.running, self.last = False, report
        self.unfinished = [] if report.complete else [report.reference]

    def state(self) -> InMemoryErasure:
        return self
