"""A trained model goes to a few users first, where nobody chose otherwise."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import Engine

from adapters.allow_list import SqlAllowList
from adapters.audit_log import SqlAuditLog
from adapters.rollouts import SqlRollouts
from commands.trained_canary import begin_canary
from recommender.types import HELD, ModelStatus, ServingChoice
from tests.store_of_tests import new_store

STABLE, TRAINED, LATER = "20261121T000000Z", "20261121T030000Z", "20261121T060000Z"
STEPS = (10.0, 100.0)


@pytest.fixture
def engine(tmp_path: Any) -> Any:
    made = new_store(tmp_path)
    yield made
    made.dispose()


def parts_of(engine: Engine) -> Any:
    found = SimpleNamespace(
        allow_list=SqlAllowList(engine), rollouts=SqlRollouts(engine), audit=SqlAuditLog(engine),
        clock=lambda: 1_000)
    for version_id in (STABLE, TRAINED, LATER):
        found.allow_list.register(version_id, "knn", ModelStatus.AVAILABLE, "0" * 64, 1)
    found.allow_list.serve(STABLE, 2)
    return found


def begin(parts: Any, version_id: str = TRAINED) -> str | None:
    return begin_canary(parts, parts.allow_list.find(version_id), STABLE, "scheduler", STEPS)


def test_a_canary_begins_in_place_of_serving(engine: Engine) -> None:
    parts = parts_of(engine)
    assert "the canary" in str(begin(parts))
    running = parts.rollouts.current()
    assert (running.stable, running.candidate, running.percentage) == (STABLE, TRAINED, 10.0)
    assert parts.allow_list.serving().version_id == STABLE
    assert parts.audit.entries(1)[0].action == "rollout_update"


def test_a_running_rollout_is_left_alone(engine: Engine) -> None:
    parts = parts_of(engine)
    begin(parts)
    assert "is under way" in str(begin(parts, LATER))
    assert parts.rollouts.current().candidate == TRAINED


@pytest.mark.parametrize("choice", [HELD, ServingChoice("other")])
def test_what_somebody_chose_is_left_to_serving(engine: Engine, choice: ServingChoice) -> None:
    parts = parts_of(engine)
    parts.allow_list.serve(STABLE, 3, choice=choice)
    assert begin(parts) is None and parts.rollouts.current() is None


def test_a_switch_during_the_training_is_left_to_serving(engine: Engine) -> None:
    parts = parts_of(engine)
    parts.allow_list.serve(LATER, 3)
    assert begin(parts) is None and parts.rollouts.current() is None
