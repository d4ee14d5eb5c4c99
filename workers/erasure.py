"""Takes a person out of every place, one after the other, and reports what is gone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from threading import Lock, Thread
from typing import Protocol

import structlog

from recommender.erasure import ErasureReport, Holding, reference_of
from recommender.errors import LeaseLost
from recommender.ports import AllowList, AuditLog, ErasesUser, StoreErasure
from recommender.types import LOADABLE, AuditEntry

_log = structlog.get_logger(__name__)


class SnapshotErasure(Protocol):
    """The snapshots as the eraser needs them."""

    def lease(self, on_lost: Callable[[], None]) -> AbstractContextManager[object]:
        """Nobody else writes snapshots meanwhile. Raises LeaseLost."""
        ...

    def erase(
        self, user_id: str, at_ms: int, go_on: Callable[[], None]
    ) -> tuple[dict[str, int], Sequence[tuple[str, str]]]:
        """Rewrite them without the user: counts, and (old id, new id). `go_on` raises to stop."""
        ...


@dataclass(frozen=True)
class Places:
    """Where people are stored. `holdings` tells what an outer bus still holds of a user."""

    store: StoreErasure
    log: ErasesUser
    responses: ErasesUser
    reports: ErasesUser
    snapshots: SnapshotErasure
    holdings: Callable[[str], Sequence[Holding]]
    allow_list: AllowList


class Eraser:
    """Safe to repeat: what failed is told, stays marked as unfinished, and is done the next time.

    The order matters: nothing of the user is applied any more before anything is removed, and
    snapshots go before the store under their lease, so that none is taken in between of events
    whose neighbours are gone.

    Args:
        places: where to look.
        audit: gets one entry, with the reference in the place of the id.
        clock: UTC milliseconds.
        forget: lets go of what this process keeps of the user in memory; called twice.
    """

    def __init__(
        self, places: Places, audit: AuditLog, clock: Callable[[], int],
        forget: Callable[[str], None] = lambda _user: None,
    ) -> None:  # fmt: skip
        self._places = places
        self._audit = audit
        self._clock = clock
        self._forget = forget

    def erase(self, user_id: str, actor: str) -> ErasureReport:
        """Take the user out of all places.

        Raises:
            StoreUnavailable: the store does not answer; nothing was removed.
        """
        places, at_ms = self._places, self._clock()
        digest = places.store.begin(user_id, at_ms)
        work = _Work()
        with work.noting("snapshots"), places.snapshots.lease(work.lose_lease):
            with work.noting("snapshots"):
                counts, work.rewritten = places.snapshots.erase(user_id, at_ms, work.go_on)
                work.add(counts)
            work.run("store", places.store, user_id, at_ms)
        if "events" not in work.removed:
            work.run("store", places.store, user_id, at_ms)
        with work.noting("memory"):
            self._forget(user_id)
        work.run("log", places.log, user_id, at_ms)
        work.run("responses", places.responses, user_id, at_ms)
        work.run("reports", places.reports, user_id, at_ms)
        # What was under way when we came is in by now.
        work.run("responses", places.responses, user_id, at_ms)
        with work.noting("memory"):
            self._forget(user_id)
        holdings: Sequence[Holding] = ()
        with work.noting("kafka"):
            holdings = places.holdings(user_id)
        return self._ended(digest, actor, work, holdings)

    def _ended(
        self, digest: str, actor: str, work: _Work, holdings: Sequence[Holding]
    ) -> ErasureReport:
        records = self._places.allow_list.records()
        models = [f"{r.name} {r.version_id}" for r in records if r.status in LOADABLE]
        report = ErasureReport(reference_of(digest), work.removed, work.failures, work.rewritten,
                               holdings, models)
        at_ms = self._clock()
        # That Kafka could not be asked leaves nothing undone here.
        if not work.failures.keys() - {"kafka"}:
            self._places.store.finish(digest, at_ms)
        told = ", ".join(f"{name} {count}" for name, count in work.removed.items() if count)
        failed = "; ".join(f"{name}: {text}" for name, text in work.failures.items())
        self._audit.append(AuditEntry(
            at_ms, actor, "user_erase", report.reference,
            "done" if report.complete else "incomplete", "; ".join(filter(None, (told, failed)))))
        _log.info("user_erased", reference=report.reference, complete=report.complete)
        return report


class _Work:
    """What was done so far."""

    def __init__(self) -> None:
        self.removed: dict[str, int] = {}
        self.failures: dict[str, str] = {}
        self.rewritten: Sequence[tuple[str, str]] = ()
        self._lease_lost = False

    def add(self, counts: Mapping[str, int]) -> None:
        for name, count in counts.items():
            self.removed[name] = self.removed.get(name, 0) + count

    def run(self, name: str, place: ErasesUser, user_id: str, at_ms: int) -> None:
        with self.noting(name):
            self.add(place.erase(user_id, at_ms))

    def noting(self, name: str) -> _Noting:
        return _Noting(self, name)

    def lose_lease(self) -> None:
        self._lease_lost = True

    def go_on(self) -> None:
        if self._lease_lost:
            raise LeaseLost("another process writes snapshots now; repeat it")


class _Noting:
    """A failure inside is noted under a name, and the next place has its turn."""

    def __init__(self, work: _Work, name: str) -> None:
        self._work = work
        self._name = name

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, _trace: object) -> bool:
        if error is None or not isinstance(error, Exception):
            return False
        _log.error("erasure_failed", place=self._name, error=repr(error))
        self._work.failures[self._name] = " ".join(str(error).split()) or repr(error)
        return True


@dataclass(frozen=True, slots=True)
class ErasureState:
    """Whether one is under way, what came of the last, and which are to be repeated."""

    running: bool
    last: ErasureReport | None
    failure: str | None
    unfinished: Sequence[str]


class BackgroundErasure:
    """One erasure at a time, on a thread of its own, for the administrators' page."""

    def __init__(self, eraser: Eraser, store: StoreErasure) -> None:
        self._eraser = eraser
        self._store = store
        self._lock = Lock()
        self._running = False
        self._last: ErasureReport | None = None
        self._failure: str | None = None

    def request(self, user_id: str, actor: str) -> bool:
        """Begin; False while another one runs."""
        with self._lock:
            if self._running:
                return False
            self._running = True
        Thread(target=self._run, args=(user_id, actor), name="erasure", daemon=True).start()
        return True

    def state(self) -> ErasureState:
        """As of now.

        Raises:
            StoreUnavailable: the store does not answer.
        """
        return ErasureState(self._running, self._last, self._failure, self._store.unfinished())

    def _run(self, user_id: str, actor: str) -> None:
        try:
            self._last, self._failure = self._eraser.erase(user_id, actor), None
        except Exception as error:  # noqa: BLE001  told on the page
            _log.exception("erasure_not_begun")
            self._failure = str(error)
        finally:
            self._running = False
