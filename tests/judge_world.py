"""A rollout over a real response log and a store in memory, with people who watch or do not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import orjson

from adapters.answer_window import SqlAnswerWindow
from adapters.response_log import SqlResponseLog
from recommender.answer_text import AnswerText
from recommender.experiments.rollout import Rollout, RolloutChange, Strategy
from recommender.request_id import request_id
from recommender.serving_state import ServedModel
from recommender.types import AnsweredRecord, Event, EventType, ModelStatus
from tests.databases_of_tests import new_database
from tests.fake_administration import InMemoryAllowList, InMemoryAuditLog
from tests.fake_review import InMemoryTopics
from tests.fake_rollouts import InMemoryExperimentMetrics, InMemoryReports, InMemoryRollouts
from tests.fakes import InMemoryEventStore, event_frame
from tests.recommend_site import trained
from tests.web_world import Clock
from workers.arm_records import FOLLOW_MS
from workers.experiment_events import ExperimentEvents
from workers.experiment_judge import ExperimentJudge, JudgeOptions
from workers.online_success import OnlineSuccess
from workers.rollout_control import RolloutControl

STABLE, CANDIDATE = "20261121T000000Z", "20261121T030000Z"
WINDOW_MS = 1_800_000


class JudgeWorld:
    """`ask` lets users ask once each; `judge.run` looks."""

    def __init__(self, folder: Path) -> None:
        self.clock = Clock()
        engine = new_database(folder, "responses")
        self.log = SqlResponseLog(engine)
        self.window = SqlAnswerWindow(engine)
        self.store = InMemoryEventStore()
        self.allow_list = InMemoryAllowList()
        self.audit = InMemoryAuditLog()
        self.rollouts = InMemoryRollouts(self.allow_list)
        self.topics = InMemoryTopics()
        self.events = ExperimentEvents(self.topics, self.clock)  # type: ignore[arg-type]
        self.metrics, self.reports = InMemoryExperimentMetrics(), InMemoryReports()
        self.control = RolloutControl(
            self.rollouts, self.allow_list, self.audit, lambda record: None, self._told,
            self.clock, lambda: "salt", diversity=0.3)
        for version_id in (STABLE, CANDIDATE):
            self.allow_list.register(version_id, "knn", ModelStatus.AVAILABLE, "0" * 64, 1)
        self.allow_list.serve(STABLE, 2)
        self.bundle = trained("popularity")
        self.activity: dict[str, int] = {}
        self.judge = ExperimentJudge(
            self.rollouts, self.control, self.window, self.store, self.model,
            lambda: self.activity, self.events, self.metrics, self.reports, self.clock,
            JudgeOptions(WINDOW_MS))
        self.success = OnlineSuccess(self.window, self.store, self.metrics, self.reports,
                                     self.clock, WINDOW_MS, 24 * 3_600_000)
        self._rng = np.random.default_rng(4)
        self._asked = 0

    def close(self) -> None:
        self.log.close()

    def _told(self, changed: Rollout) -> None:
        self.events.decided(changed)
        if changed.outcome is not None:
            self.metrics.rollout_ended(changed.outcome.value)

    def model(self, version_id: str) -> ServedModel[Any]:
        return ServedModel("knn", 1, version_id, "0123abc", "sha256:9f", 1, self.bundle)

    def begin(self, strategy: Strategy, percentage: float | None = None) -> Rollout:
        begun = self.control.update(
            RolloutChange(strategy, CANDIDATE, percentage, name="x"), "key:1")
        assert begun is not None
        self.clock.now_ms += FOLLOW_MS
        return begun

    def ask(self, users: int, success: dict[str, float] | None = None,
            latency: dict[str, float] | None = None, failing: dict[str, float] | None = None,
            arm: str | None = None, narrow: str = "", over_ms: int = 60_000) -> None:
        """New users ask once each over so long; some watch a film of their list."""
        rollout = self.rollouts.current()
        watched = []
        for _ in range(users):
            self._asked += 1
            self.clock.now_ms += over_ms // users
            user = f"user-{self._asked}"
            variant = arm or (rollout.arm_of(user) if rollout else "A")
            fails = self._rng.random() < (failing or {}).get(variant, 0.0)
            items = self._list(narrow == variant)
            body = {"recommendations": [] if fails else [{"item_id": i} for i in items]}
            before = orjson.dumps(body)[:-1] + b',"provenance":{"request_id":"'
            version = CANDIDATE if variant == "B" else STABLE
            self.log.record(AnsweredRecord(
                request_id(self.clock(), int(self._rng.integers(1 << 62))), self.clock(), user,
                variant, version, 1, True, 500 if fails else 200,
                int(self._rng.lognormal(8.0, 0.5) * (latency or {}).get(variant, 1.0)),
                AnswerText(before, b'","generated_at":"')))
            if not fails and self._rng.random() < (success or {}).get(variant, 0.3):
                at_ms = self.clock() + 1_000
                watched.append(Event(f"w{self._asked}", EventType.WATCH, user, items[0], at_ms,
                                     at_ms, "api"))
        self.log.flush()
        self.store.apply(event_frame(watched))

    def look_after(self, ms: int = 0) -> None:
        """Look, so much later."""
        self.clock.now_ms += ms
        self.judge.run()

    def _list(self, narrow: bool) -> list[str]:
        ids = self.bundle.item_ids
        order = self.bundle.popularity.order.tolist()
        picked = order[:10] if narrow else self._rng.choice(len(ids), 10, replace=False).tolist()
        return [ids[i] for i in picked]
