"""The web with its experiments, in memory."""

from __future__ import annotations

from itertools import count
from typing import Any

from recommender.errors import ModelRefused
from recommender.experiments.rollout import Rollout
from recommender.types import ModelRecord, ModelStatus
from tests.fake_rollouts import InMemoryReports, InMemoryRollouts
from tests.web_world import World, options
from web import rollout
from web.pages.admin import experiments as experiment_pages
from web.surface import Surface
from workers.rollout_control import RolloutControl

STABLE, CANDIDATE, BROKEN, REFUSED = (
    "20261121T000000Z", "20261121T030000Z", "20261121T060000Z", "20261121T090000Z")


class ExperimentWorld(World):
    """Four models: serving, available, available with a damaged file, refused by the gate."""

    def __init__(self, **changes: Any) -> None:
        self.decided: list[Rollout] = []
        self.reports = InMemoryReports()
        self.rollouts: InMemoryRollouts
        self.control: RolloutControl
        super().__init__(options(**changes), further_topics=[self._topics])
        for version_id, status in ((STABLE, ModelStatus.SERVING),
                                   (CANDIDATE, ModelStatus.AVAILABLE),
                                   (BROKEN, ModelStatus.AVAILABLE),
                                   (REFUSED, ModelStatus.REFUSED)):
            self.add_model(version_id, status)

    def _topics(self, surface: Surface) -> None:
        salts = count()
        self.rollouts = InMemoryRollouts(self.allow_list)
        self.control = RolloutControl(
            self.rollouts, self.allow_list, self.audit_log, verify, self.decided.append,
            self.clock, lambda: f"salt-{next(salts)}", diversity=0.3)
        experiments = rollout.Experiments(self.rollouts, self.control, self.reports)
        rollout.topic(experiments)(surface)
        experiment_pages.topic(experiments)(surface)

    def status_of(self, version_id: str) -> ModelStatus:
        found = self.allow_list.find(version_id)
        assert found is not None
        return found.status


def verify(record: ModelRecord) -> None:
    if record.status is ModelStatus.REFUSED:
        raise ModelRefused(record.version_id, "not_allowed", "it is refused")
    if record.version_id == BROKEN:
        raise ModelRefused(record.version_id, "hash", "not the bytes that were signed")
