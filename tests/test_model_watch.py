"""What the store says serves is what serves, unless its file is refused."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest
from structlog.testing import capture_logs

from adapters.allow_list import SqlAllowList
from recommender.errors import ModelRefused, NotFound
from recommender.ports import Telemetry
from recommender.provenance import next_version_id
from recommender.serving_state import ServedModel, ServingState
from recommender.types import HELD, ModelRecord, ModelStatus, ServingChoice
from tests.store_of_tests import new_store
from tests.worker_fakes import KeptAudit, KeptTelemetry
from workers.model_watch import RETRY_REFUSED_AFTER_MS, ModelWatch


class World:
    """An allow-list of five models, a loader that refuses those in `bad`, and a watch."""

    def __init__(self, allow_list: SqlAllowList) -> None:
        self.allow_list = allow_list
        self.bad: dict[int, str] = {}
        self.loads: list[int] = []
        self.swaps = 0
        self.now_ms = 1_000_000
        self.state: ServingState[str] = ServingState()
        self.telemetry, self.audit = KeptTelemetry(), KeptAudit()
        self.watch = ModelWatch(
            allow_list, self.load, self.state, cast(Telemetry, self.telemetry), self.audit,
            lambda: self.now_ms, self.swapped,
        )  # fmt: skip
        for number in range(1, 6):
            status = ModelStatus.REFUSED if number == 5 else ModelStatus.AVAILABLE
            name = "popularity" if number == 4 else "knn"
            allow_list.register(self.id(number), name, status, "0" * 64, number)

    @staticmethod
    def id(number: int) -> str:
        return next_version_id(number * 1000, ())

    def load(self, record: ModelRecord) -> ServedModel[str]:
        self.loads.append(record.version)
        if record.version in self.bad:
            raise ModelRefused(record.version_id, self.bad[record.version], "bad file")
        return ServedModel(
            record.name, record.version, record.version_id, "sha", "sha256:0", 7,
            f"bundle {record.version}",
        )  # fmt: skip

    def swapped(self) -> None:
        self.swaps += 1

    def serve(self, number: int) -> None:
        self.allow_list.serve(self.id(number), 1)

    def bundle(self) -> str | None:
        current = self.state.current()
        return None if current is None else current.bundle

    def listed(self) -> int | None:
        record = self.allow_list.serving()
        return None if record is None else record.version


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    engine = new_store(tmp_path)
    yield World(SqlAllowList(engine))
    engine.dispose()


def test_without_a_model_nothing_serves(world: World) -> None:
    assert not world.watch.check()
    assert world.bundle() is None and world.loads == []


def test_what_is_listed_is_swapped_in_once(world: World) -> None:
    world.serve(1)
    assert world.watch.check()
    assert world.bundle() == "bundle 1"
    for _ in range(5):
        assert not world.watch.check()
    assert world.loads == [1] and world.swaps == 1
    assert world.telemetry.of("serving_model") == [("knn", 1, world.id(1), 7)]
    world.serve(2)
    assert world.watch.check()
    assert world.bundle() == "bundle 2"


def test_a_refused_file_leaves_the_old_model_serving_and_is_told_once(world: World) -> None:
    world.serve(1)
    world.watch.check()
    world.serve(2)
    world.bad[2] = "hash"
    with capture_logs() as lines:
        for _ in range(20):
            assert not world.watch.check()
            world.now_ms += 1_000
    assert world.bundle() == "bundle 1"
    assert world.loads == [1, 2]
    assert world.telemetry.of("model_refused") == [("hash",)]
    (line,) = [line for line in lines if line["log_level"] == "error"]
    assert (line["event"], line["cause"], line["still_serving"]) == (
        "model_refused", "hash", world.id(1),
    )  # fmt: skip


def test_a_refused_file_is_tried_again_after_a_minute(world: World) -> None:
    world.serve(1)
    world.watch.check()
    world.serve(2)
    world.bad[2] = "missing"
    world.watch.check()
    world.now_ms += RETRY_REFUSED_AFTER_MS
    with capture_logs() as lines:
        world.watch.check()
    assert world.loads == [1, 2, 2] and lines == []  # the same cause is no news
    world.bad.clear()
    world.now_ms += RETRY_REFUSED_AFTER_MS
    assert world.watch.check()
    assert world.bundle() == "bundle 2"


def test_a_start_with_a_refused_file_serves_the_previous_model(world: World) -> None:
    world.serve(1)
    world.serve(2)
    world.bad[2] = "signature"
    assert world.watch.check()
    assert world.bundle() == "bundle 1"
    assert world.listed() == 2
    for _ in range(5):
        assert not world.watch.check()
    assert world.loads == [2, 1]


@pytest.mark.parametrize("reference", ["2", "popularity", "id"])
def test_a_switch_verifies_lists_swaps_and_is_audited(world: World, reference: str) -> None:
    world.serve(1)
    world.watch.check()
    number = 4 if reference == "popularity" else 2
    served = world.watch.switch(world.id(2) if reference == "id" else reference, "admin")
    assert served.version == number and served is world.state.current()
    assert world.bundle() == f"bundle {number}"
    assert world.listed() == number
    entry = world.audit.written[-1]
    assert (entry.actor, entry.action, entry.target, entry.outcome) == (
        "admin", "model_switch", world.id(number), "done",
    )  # fmt: skip
    assert not world.watch.check()
    by_name = reference == "popularity"
    assert world.allow_list.choice() == (ServingChoice("popularity") if by_name else HELD)


def test_a_rollback_holds_until_a_switch_by_name(world: World) -> None:
    world.serve(1)
    world.serve(2)
    world.watch.switch("knn", "admin")
    world.watch.rollback("1", "admin")
    assert world.allow_list.choice() == HELD
    with pytest.raises(NotFound):
        world.watch.switch("9", "admin")
    assert world.allow_list.choice() == HELD
    world.watch.switch("knn", "admin")
    assert world.allow_list.choice() == ServingChoice("knn")


def test_a_rollback_goes_to_the_named_or_the_previous_version(world: World) -> None:
    for number in (1, 2, 3):
        world.serve(number)
    world.watch.check()
    assert world.watch.rollback(None, "admin").version == 2
    assert world.watch.rollback("1", "admin").version == 1
    assert world.watch.rollback(None, "admin").version == 2
    assert world.bundle() == "bundle 2" and world.listed() == 2
    assert {entry.action for entry in world.audit.written} == {"model_rollback"}
    with pytest.raises(NotFound):
        world.watch.rollback("knn", "admin")  # a name would be its newest version


@pytest.mark.parametrize(
    ("reference", "error"), [("5", ModelRefused), ("3", ModelRefused), ("9", NotFound)]
)
def test_a_refused_switch_changes_nothing_and_is_audited(
    world: World, reference: str, error: type[Exception]
) -> None:
    world.serve(1)
    world.watch.check()
    world.bad[3] = "hash"
    with pytest.raises(error):
        world.watch.switch(reference, "admin")
    assert world.bundle() == "bundle 1" and world.listed() == 1
    assert (world.audit.written[-1].action, world.audit.written[-1].outcome) == (
        "model_switch", "refused",
    )  # fmt: skip
    assert len(world.telemetry.of("model_refused")) == (error is ModelRefused)


def test_there_is_no_rollback_before_a_second_model(world: World) -> None:
    world.serve(1)
    world.watch.check()
    with pytest.raises(NotFound):
        world.watch.rollback(None, "admin")


def test_a_disk_that_is_full_for_current_json_does_not_undo_the_swap(world: World) -> None:
    def full() -> None:
        raise OSError(28, "No space left on device")

    watch = ModelWatch(
        world.allow_list, world.load, world.state, cast(Telemetry, world.telemetry), world.audit,
        lambda: 0, full,
    )  # fmt: skip
    world.serve(1)
    with capture_logs() as lines:
        assert watch.check()
    assert world.bundle() == "bundle 1"
    assert "current_not_written" in {line["event"] for line in lines}
