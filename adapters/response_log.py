"""Answers given, written behind the requests in groups (`ports.ResponseLog`)."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import structlog
from sqlalchemy import Engine, bindparam, select

from adapters.bulk_insert import ColumnQuery, bulk_insert
from adapters.database import reading, writing
from adapters.tables import answer_texts, responses, unpublished_answers
from recommender.answer_text import AnswerText
from recommender.errors import StoreUnavailable
from recommender.types import AnsweredRecord

_FIELDS = (
    "request_id", "timestamp_ms", "user_id", "variant", "model_version", "history_version",
    "is_personalized", "status", "latency_us", "text_digest",
)  # fmt: skip
_TEXT_FIELDS = ("digest", "before", "between", "named_ms")
_TEXTS_KNOWN_MAX = 100_000
TEXT_KNOWN_S = 3_600
"""For so long the writer relies on a text being on disk; then it says anew that it is named."""
ANSWERS = select(
    *(responses.c[name] for name in _FIELDS[:-1]), answer_texts.c.before, answer_texts.c.between
).join(answer_texts, answer_texts.c.digest == responses.c.text_digest)
_TRACE = ANSWERS.where(responses.c.request_id == bindparam("request"))
_NEWEST = (
    select(responses.c.request_id, responses.c.user_id)
    .order_by(responses.c.request_id.desc())
    .limit(bindparam("among"))
    .subquery("newest")
)
_NEWEST_OF = ColumnQuery(
    ANSWERS.where(
        responses.c.request_id.in_(
            select(_NEWEST.c.request_id)
            .where(_NEWEST.c.user_id == bindparam("user"))
            .order_by(_NEWEST.c.request_id.desc())
            .limit(bindparam("most"))
        )
    )
)
_PAUSE_MIN_S, _PAUSE_MAX_S = 0.1, 5.0
_log = structlog.get_logger()


class SqlResponseLog:
    """A bounded queue and one writer thread.

    What waits longest waits `flush_s` and the write itself: that much a kill -9 can lose. While
    the disk fails the writer tries again and answers gather up to `waiting_max`; further ones are
    dropped and counted.
    """

    def __init__(
        self, engine: Engine, waiting_max: int = 20_000, flush_s: float = 0.1,
        clock_s: Callable[[], float] = time.monotonic, for_topics: bool = False,
    ) -> None:  # fmt: skip
        """`for_topics` notes each answer as still to be published."""
        self.engine = engine
        self._clock_s = clock_s
        self._for_topics = for_topics
        self._waiting_max = waiting_max
        self._flush_s = flush_s
        self._changed = threading.Condition()
        # Both by request id, so that `trace` finds what is not on disk yet.
        self._waiting: dict[str, AnsweredRecord] = {}
        self._in_work: dict[str, AnsweredRecord] = {}
        self._room = waiting_max
        self._taken = 0
        self._settled = 0
        self._dropped = 0
        self._failures = 0
        self._hurry = False
        self._closed = False
        self._known_texts: set[bytes] = set()  # on disk; only the writer looks here
        self._known_since_s = clock_s()
        self._texts_removed = False
        self._thread = threading.Thread(target=self._run, name="response-log", daemon=True)
        self._thread.start()

    def record(self, answered: AnsweredRecord) -> bool:
        """As `ports.ResponseLog.record`; about a microsecond."""
        with self._changed:
            if self._room <= 0 or self._closed:
                self._dropped += 1
                return False
            waiting = self._waiting
            before = len(waiting)
            waiting[answered.request_id] = answered
            if len(waiting) == before:
                return True
            self._room -= 1
            self._taken += 1
            if not before:
                self._changed.notify_all()
        return True

    def trace(self, request_id: str) -> AnsweredRecord | None:
        """As `ports.ResponseLog.trace`."""
        with self._changed:
            found = self._waiting.get(request_id) or self._in_work.get(request_id)
        if found is not None:
            return found
        with reading(self.engine) as connection:
            row = connection.execute(_TRACE, {"request": request_id}).first()
        return None if row is None else answered(row)

    def newest_of(
        self, user_id: str, limit: int = 20, among: int = 50_000
    ) -> list[AnsweredRecord]:
        """As `ports.ResponseLog.newest_of`: by request id, which is the order of time."""
        with self._changed:
            queued = [*self._waiting.values(), *self._in_work.values()]
        with reading(self.engine) as connection:
            columns = _NEWEST_OF.fetch(connection, among=among, user=user_id, most=limit)
        found = {record.request_id: record for record in queued if record.user_id == user_id}
        found |= {row[0]: answered(row) for row in zip(*columns, strict=True)}
        return [found[request_id] for request_id in sorted(found, reverse=True)][:limit]

    def flush(self) -> None:
        """As `ports.ResponseLog.flush`.

        Raises:
            StoreUnavailable: a write failed meanwhile; the writer goes on trying.
        """
        with self._changed:
            target, failures = self._taken, self._failures
            while self._settled < target:
                self._hurry = True
                self._changed.notify_all()
                self._changed.wait()
                if self._failures != failures:
                    raise StoreUnavailable("answers cannot be written now")

    def dropped(self) -> int:
        """As `ports.ResponseLog.dropped`."""
        return self._dropped

    def failures(self) -> int:
        """Failed writes since the start; each was tried again."""
        return self._failures

    def waiting(self) -> int:
        """Answers not on disk yet."""
        return self._waiting_max - self._room

    def forget_texts(self) -> None:
        """Somebody removed texts: rely on none to be on disk."""
        self._texts_removed = True

    def close(self) -> None:
        """Write what waits and stop; what cannot be written is dropped and counted."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._thread.join()

    # --- the writer thread

    def _run(self) -> None:
        while batch := self._next_batch():
            lost = self._write_until_done(list(batch.values()))
            with self._changed:
                self._dropped += lost
                self._in_work = {}
                self._room += len(batch)
                self._settled += len(batch)
                self._changed.notify_all()

    def _next_batch(self) -> dict[str, AnsweredRecord]:
        """All that waits, after it had time to gather; empty when closed and done."""
        with self._changed:
            self._changed.wait_for(lambda: bool(self._waiting) or self._closed)
            if self._waiting:
                self._changed.wait_for(lambda: self._hurry or self._closed, self._flush_s)
            self._hurry = False
            self._in_work, self._waiting = self._waiting, {}
            return self._in_work

    def _write_until_done(self, batch: Sequence[AnsweredRecord]) -> int:
        """Write the batch, however long it takes; how many answers had to be given up."""
        pause_s = _PAUSE_MIN_S
        while True:
            closed = self._closed
            try:
                self._write(batch)
            except StoreUnavailable as error:
                _log.error("response_log_write_failed", answers=len(batch), error=str(error))
                with self._changed:
                    self._failures += 1
                    self._changed.notify_all()
                    if closed:
                        return len(batch)
                    self._changed.wait_for(lambda: self._closed, pause_s)
                pause_s = min(2 * pause_s, _PAUSE_MAX_S)
            except Exception as error:  # noqa: BLE001  a bad answer must not stop the log
                _log.error("response_log_bad_answer", answers=len(batch), error=repr(error))
                if len(batch) == 1:
                    return 1
                return sum(self._write_until_done([answered]) for answered in batch)
            else:
                return 0

    def _write(self, batch: Sequence[AnsweredRecord]) -> None:
        rows = [
            (
                a.request_id, a.timestamp_ms, a.user_id, a.variant, a.model_version,
                a.history_version, a.is_personalized, a.status, a.latency_us, a.text.digest,
            )
            for a in batch
        ]  # fmt: skip
        known = self._known()
        named_ms = max(a.timestamp_ms for a in batch)
        texts = {a.text.digest: a.text for a in batch if a.text.digest not in known}
        with writing(self.engine) as connection:
            bulk_insert(
                connection, answer_texts, _TEXT_FIELDS,
                # In one order, so that two processes never wait for each other in a circle.
                [(digest, texts[digest].before, texts[digest].between, named_ms)
                 for digest in sorted(texts)],
                "ON CONFLICT (digest) DO UPDATE SET named_ms = excluded.named_ms",
            )  # fmt: skip
            bulk_insert(
                connection, responses, _FIELDS, rows, "ON CONFLICT (request_id) DO NOTHING"
            )
            if self._for_topics:
                bulk_insert(
                    connection, unpublished_answers, ("request_id",), [row[:1] for row in rows],
                    "ON CONFLICT (request_id) DO NOTHING",
                )  # fmt: skip
        if len(known) + len(texts) > _TEXTS_KNOWN_MAX:
            known.clear()
        known.update(texts)

    def _known(self) -> set[bytes]:
        now_s = self._clock_s()
        if self._texts_removed or now_s - self._known_since_s >= TEXT_KNOWN_S:
            self._texts_removed = False
            self._known_since_s = now_s
            self._known_texts.clear()
        return self._known_texts


def answered(row: Sequence[Any]) -> AnsweredRecord:
    """The record of a row of `ANSWERS`."""
    *fields, before, between = row
    return AnsweredRecord(*[*fields, AnswerText(before, between)])
