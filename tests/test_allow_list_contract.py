"""The store knows every model, its integer version, and which one serves."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, delete

from adapters.allow_list import SqlAllowList
from adapters.database import writing
from adapters.job_leases import SqlJobLeases
from adapters.tables import models
from recommender.errors import LeaseLost, ModelRefused, NotFound
from recommender.ports import AllowList
from recommender.provenance import next_version_id
from recommender.retention import models_to_retire
from recommender.types import AUTOMATIC, HELD, ModelRecord, ModelStatus, ServingChoice
from tests.fake_administration import InMemoryAllowList
from tests.store_of_tests import engine
from workers.retention import Retention

__all__ = ["engine"]  # a fixture
SHA = "0" * 64


@pytest.fixture
def allow_list(engine: Engine) -> SqlAllowList:
    return SqlAllowList(engine)


def version_id(number: int) -> str:
    return next_version_id(number * 1000, ())


def add(
    allow_list: SqlAllowList, number: int, status: ModelStatus = ModelStatus.AVAILABLE,
    name: str = "knn",
) -> ModelRecord:  # fmt: skip
    return allow_list.register(version_id(number), name, status, SHA, number)


def statuses(allow_list: SqlAllowList) -> list[str]:
    return [record.status.value for record in reversed(allow_list.records())]


def test_versions_count_up_from_one(allow_list: SqlAllowList) -> None:
    assert [add(allow_list, n).version for n in (1, 2, 3)] == [1, 2, 3]
    assert [r.version for r in allow_list.records()] == [3, 2, 1]


def test_models_registered_at_once_get_different_versions(allow_list: SqlAllowList) -> None:
    with ThreadPoolExecutor(4) as pool:
        versions = list(pool.map(lambda n: add(allow_list, n).version, range(1, 13)))
    assert sorted(versions) == list(range(1, 13))


def test_a_record_comes_back_as_it_was_registered(allow_list: SqlAllowList) -> None:
    made = allow_list.register(version_id(1), "knn", ModelStatus.REFUSED, SHA, 5, "worse")
    assert made == ModelRecord(1, version_id(1), "knn", ModelStatus.REFUSED, SHA, 5, "worse")
    assert allow_list.records() == [made]


def test_a_version_id_is_used_once(allow_list: SqlAllowList) -> None:
    add(allow_list, 1)
    with pytest.raises(ValueError, match="taken"):
        add(allow_list, 1)
    assert len(allow_list.records()) == 1


def test_models_are_found_by_version_id_by_version_and_by_name(allow_list: SqlAllowList) -> None:
    for number, name in ((1, "knn"), (2, "knn"), (3, "popularity")):
        add(allow_list, number, name=name)
    add(allow_list, 4, ModelStatus.REFUSED)
    assert [r.version for r in map(allow_list.find, (version_id(4), "1", "knn", "popularity"))
            if r] == [4, 1, 2, 3]  # fmt: skip
    for unknown in ("5", "0", "99999999999", "²", "ncf", "", version_id(9), "1; DROP"):
        assert allow_list.find(unknown) is None


def test_serving_moves_the_one_before_to_previous(allow_list: SqlAllowList) -> None:
    for number in (1, 2, 3):
        add(allow_list, number)
    assert allow_list.serving() is None
    assert allow_list.serve(version_id(1), 10).status is ModelStatus.SERVING
    assert statuses(allow_list) == ["serving", "available", "available"]
    allow_list.serve(version_id(2), 11)
    assert statuses(allow_list) == ["previous", "serving", "available"]
    allow_list.serve(version_id(3), 12)
    assert statuses(allow_list) == ["available", "previous", "serving"]
    allow_list.serve(version_id(3), 13)
    assert statuses(allow_list) == ["available", "previous", "serving"]
    allow_list.serve(version_id(2), 14)
    assert statuses(allow_list) == ["available", "serving", "previous"]


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(st.integers(1, 4), max_size=12))
def test_there_is_never_more_than_one_serving_and_one_previous(
    engine: Engine, served: list[int]
) -> None:
    with writing(engine) as connection:
        connection.execute(delete(models))
    allow_list = SqlAllowList(engine)
    for number in range(1, 5):
        add(allow_list, number)
    for number in served:
        before = allow_list.serving()
        allow_list.serve(version_id(number), 9)
        found = statuses(allow_list)
        assert found.count("serving") == 1 and found.count("previous") <= 1
        assert found[number - 1] == "serving"
        if before is not None and before.version != number:
            assert found[before.version - 1] == "previous"


@pytest.mark.parametrize("status", [ModelStatus.REFUSED, ModelStatus.RETIRED])
def test_refused_and_retired_models_never_serve(
    allow_list: SqlAllowList, status: ModelStatus
) -> None:
    add(allow_list, 1)
    allow_list.serve(version_id(1), 2)
    add(allow_list, 2, status)
    with pytest.raises(ModelRefused) as caught:
        allow_list.serve(version_id(2), 3)
    assert caught.value.cause == "not_allowed"
    with pytest.raises(NotFound):
        allow_list.serve(version_id(3), 3)
    assert statuses(allow_list) == ["serving", status.value]


def test_a_status_changes_unless_the_model_serves(allow_list: SqlAllowList) -> None:
    for number in (1, 2, 3):
        add(allow_list, number)
    allow_list.serve(version_id(1), 2)
    allow_list.serve(version_id(2), 2)
    allow_list.set_status(version_id(3), ModelStatus.RETIRED, 4, "old")
    assert allow_list.records()[0].reason == "old"
    for number, status in (
        (2, ModelStatus.RETIRED), (1, ModelStatus.RETIRED), (3, ModelStatus.SERVING),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=r"serv|previous"):
            allow_list.set_status(version_id(number), status, 5)
    with pytest.raises(ValueError, match="serve"):
        allow_list.register(version_id(7), "knn", ModelStatus.SERVING, SHA, 5)
    with pytest.raises(NotFound):
        allow_list.set_status(version_id(8), ModelStatus.RETIRED, 5)
    assert statuses(allow_list) == ["previous", "serving", "retired"]


@pytest.mark.parametrize("fake", [False, True])
@pytest.mark.parametrize(
    ("choice", "since", "served"),
    [
        (ServingChoice(AUTOMATIC), 1, True), (ServingChoice(AUTOMATIC), 2, False),
        (None, 1, True), (None, None, False), (None, 2, False), (HELD, 1, False),
        (ServingChoice("knn"), 1, True), (ServingChoice("knn"), 2, True),
        (ServingChoice("popularity"), 1, False),
    ],
)  # fmt: skip
def test_a_trained_model_serves_unless_someone_chose_otherwise(
    engine: Engine, fake: bool, choice: ServingChoice | None, since: int | None, served: bool
) -> None:
    allow_list: AllowList = InMemoryAllowList() if fake else SqlAllowList(engine)
    token = SqlJobLeases(engine).acquire("retrain", "a", 60)
    assert token is not None
    fencing = ("retrain", token)
    for number in (1, 2, 3):
        allow_list.register(version_id(number), "knn", ModelStatus.AVAILABLE, SHA, number)
    assert allow_list.choice() is None
    allow_list.serve(version_id(1), 5, choice=choice)
    assert allow_list.choice() == choice
    before = None if since is None else version_id(since)
    record = allow_list.serve_trained(version_id(3), 6, before, fencing)
    assert record == allow_list.find("3")
    assert (record.status is ModelStatus.SERVING) is served
    now = allow_list.serving()
    assert now is not None and now.version == (3 if served else 1)
    assert allow_list.choice() == choice


def test_a_choice_is_replaced_also_by_serving_what_serves(allow_list: SqlAllowList) -> None:
    add(allow_list, 1)
    for choice in (HELD, ServingChoice("knn"), HELD):
        allow_list.serve(version_id(1), 5, choice=choice)
        assert allow_list.choice() == choice
    add(allow_list, 2, ModelStatus.REFUSED)
    with pytest.raises(ModelRefused):
        allow_list.serve(version_id(2), 6, choice=ServingChoice("knn"))
    assert allow_list.choice() == HELD


def test_a_training_without_its_lease_serves_nothing(allow_list: SqlAllowList) -> None:
    add(allow_list, 1)
    with pytest.raises(LeaseLost):
        allow_list.serve_trained(version_id(1), 5, None, ("retrain", 7))
    assert allow_list.serving() is None


def test_the_newest_of_each_name_and_those_in_use_are_kept() -> None:
    def record(version: int, name: str, status: ModelStatus) -> ModelRecord:
        return ModelRecord(version, version_id(version), name, status, SHA, version)

    available, refused = ModelStatus.AVAILABLE, ModelStatus.REFUSED
    kept = [
        record(1, "knn", ModelStatus.PREVIOUS), record(2, "knn", available),
        record(3, "popularity", available), record(4, "knn", ModelStatus.SERVING),
        record(5, "knn", available), record(6, "knn", ModelStatus.RETIRED),
        *(record(n, "knn", refused) for n in range(7, 12)),
    ]  # fmt: skip
    assert [r.version for r in models_to_retire(kept, 2)] == [2, 7, 8, 9]
    assert models_to_retire(reversed(kept), 99) == []


def test_the_retention_job_retires_first_and_deletes_then(allow_list: SqlAllowList) -> None:
    files = {version_id(number) for number in (*range(1, 6), 99)}
    for number in range(1, 6):
        add(allow_list, number)
    allow_list.serve(version_id(1), 6)

    def delete_files(version: str) -> None:
        found = allow_list.find(version)
        assert found is not None and found.status is ModelStatus.RETIRED
        files.remove(version)

    job = Retention(allow_list, lambda: frozenset(files), delete_files, 2, lambda: 7)
    assert job.run() == [version_id(2), version_id(3)]
    assert job.run() == []
    assert files == {version_id(n) for n in (1, 4, 5, 99)}
