"""Assignments and decisions of experiments for the topic `ab-test-events`."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from threading import Lock
from typing import Any

import orjson
import structlog

from recommender.errors import BusUnavailable
from recommender.experiments.rollout import CANDIDATE_ARM, Rollout
from recommender.ports import EventBus
from recommender.topics import AB_TEST_EVENTS
from recommender.types import Message

_log = structlog.get_logger(__name__)
WAITING_MAX = 50_000
_MESSAGES_AT_ONCE = 1_000


class ExperimentEvents:
    """What happened waits here until the job publishes it; safe for many threads.

    An event may be published twice (a crash in between); its id is made from what it says, so
    that readers can tell. The store and the audit log hold what is decided, this only tells of it.

    Args:
        clock: UTC milliseconds.
    """

    def __init__(self, bus: EventBus, clock: Callable[[], int]) -> None:
        self._bus = bus
        self._clock = clock
        self._lock = Lock()
        self._waiting: deque[Message] = deque(maxlen=WAITING_MAX)
        self._full = False

    def decided(self, rollout: Rollout) -> None:
        """A rollout was begun, moved or ended."""
        outcome = None if rollout.outcome is None else rollout.outcome.value
        self._add("decision", rollout.name, f"{rollout.revision}", rollout, {
            "decision": outcome or "runs",
            "details": {
                "strategy": rollout.strategy.value,
                "percentage": f"{rollout.candidate_percentage:g}",
                "stable_version": rollout.stable, "candidate_version": rollout.candidate,
                "actor": rollout.changed_by, "reason": rollout.reason,
            },
        })

    def assigned(self, rollout: Rollout, users: Iterable[tuple[str, str]]) -> None:
        """These (user, arm) were seen for the first time."""
        for user_id, arm in users:
            self._add("assignment", user_id, f"{user_id}/{arm}", rollout, {
                "user_id": user_id, "variant": arm,
                "details": {
                    "model_version": rollout.candidate if arm == CANDIDATE_ARM else rollout.stable,
                },
            })

    def publish(self) -> int:
        """Publish what waits; how many. What the bus does not take is kept for the next time."""
        done = 0
        while True:
            with self._lock:
                batch = [self._waiting.popleft()
                         for _ in range(min(len(self._waiting), _MESSAGES_AT_ONCE))]
            if not batch:
                return done
            try:
                self._bus.publish(batch)
            except BusUnavailable as error:
                with self._lock:
                    self._waiting.extendleft(reversed(batch))
                _log.warning("experiment_events_wait", events=len(batch), error=str(error))
                return done
            done += len(batch)

    def _add(self, kind: str, key: str, what: str, rollout: Rollout,
             fields: Mapping[str, Any]) -> None:
        text = f"{kind}/{rollout.name}/{what}"
        at_ms = self._clock()
        event_id = hashlib.sha256(text.encode()).hexdigest()[:32]
        # The fields of schemas/ab-test-events.avsc.
        value = {"event_id": event_id, "kind": kind, "experiment": rollout.name,
                 "user_id": None, "variant": None, "decision": None, "timestamp": at_ms, **fields}
        with self._lock:
            if len(self._waiting) == WAITING_MAX and not self._full:
                _log.warning("experiment_events_dropped", waiting_max=WAITING_MAX)
            self._full = len(self._waiting) == WAITING_MAX
            self._waiting.append(Message(AB_TEST_EVENTS, key, orjson.dumps(value)))
