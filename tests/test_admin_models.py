"""Models on a page: compared, looked into, retrained, switched, rolled back."""

from __future__ import annotations

from typing import Any

import pytest

from recommender.manifest import Metric, Verdict
from recommender.types import AUTOMATIC, ModelStatus
from tests.admin_desk import SURE, Desk, hidden_fields, logged_in, text_of
from tests.sample_manifest import manifest
from web.pages.admin.model_figures import Model, lineage, ndcg_over_versions
from web.pages.admin.models import line_for_people

FIRST, SECOND, THIRD, BAD = (
    "20261121T000000Z", "20261121T030000Z", "20261121T060000Z", "20261121T090000Z")
NAME = "transition_knn"
METRICS = {
    "ndcg_at_10": Metric(value=0.1612, low=0.1501, high=0.1723),
    "hit_rate_at_10": Metric(value=0.25), "coverage_at_10": Metric(value=0.5),
    "gini_at_10": Metric(value=0.75), "lists": Metric(value=816.0),
}


def served(desk: Desk) -> str | None:
    model = desk.world.serving.current()
    return None if model is None else model.version_id


def describe(desk: Desk, version_id: str, **changes: Any) -> None:
    made = manifest(version_id=version_id, metrics=METRICS, **changes)
    desk.world.manifests[version_id] = made.model_dump(mode="json")


@pytest.fixture
def desk() -> Desk:
    made = logged_in()
    made.world.add_model(FIRST, ModelStatus.RETIRED, NAME)
    made.world.add_model(SECOND, ModelStatus.PREVIOUS, NAME)
    made.world.add_model(THIRD, ModelStatus.SERVING, NAME)
    made.world.add_model(BAD, ModelStatus.REFUSED, "knn")
    describe(made, SECOND, parent_version=FIRST)
    describe(made, THIRD, parent_version=SECOND)
    describe(made, BAD, parent_version=THIRD, verdict=Verdict(
        passed=False, reason="worse_than_serving", explanation="NDCG@10 0.08 is below 0.15.",
        candidate_ndcg=0.08, serving_ndcg=0.16, margin=0.05))
    return made


def test_the_table_compares_all_models(desk: Desk) -> None:
    text = desk.text("/admin/models")
    assert f"{NAME} , version 3 ({THIRD})" in text
    assert "3 transition_knn serving 0 ms 0.1612 (0.1501 to 0.1723) 0.2500 0.5000 0.7500" in text
    assert "4 knn refused 0 ms" in text and "refused: worse_than_serving" in text
    assert "1 transition_knn retired 0 ms \u2013 \u2013 \u2013 \u2013" in text


def test_a_page_tells_all_that_the_manifest_knows(desk: Desk) -> None:
    answer = desk.get(f"/admin/models/{THIRD}").text
    text = text_of(answer)
    assert "a" * 40 + " on main, clean" in text and "sha256:" + "c" * 64 in text
    assert "window 10" in text and "half_life 2.0" in text and "lists 816" in text
    assert "&#34;half_life&#34;: 2.0" in answer  # the whole of it, escaped
    assert "passed first_model" in text


def test_a_model_is_found_by_its_number_too(desk: Desk) -> None:
    assert THIRD in desk.text("/admin/models/3")
    assert desk.get("/admin/models/99").status_code == 404
    assert desk.get("/admin/models/<script>").status_code == 422


def test_a_refused_model_explains_why_and_cannot_be_served(desk: Desk) -> None:
    answer = desk.get(f"/admin/models/{BAD}").text
    text = text_of(answer)
    assert "refused worse_than_serving NDCG@10 0.08 is below 0.15." in text
    assert "NDCG@10 of this model 0.0800" in text and "Loss allowed 5.0%" in text
    assert "Serve this version" not in text


def test_the_lineage_goes_back_to_the_first(desk: Desk) -> None:
    records = {r.version_id: r for r in desk.world.allow_list.records()}
    chain = lineage(records[BAD], records, lambda r: desk.world.manifests.get(r.version_id))
    assert [model.record.version for model in chain] == [4, 3, 2, 1]
    assert chain[-1].manifest is None


def test_a_lineage_in_a_circle_ends(desk: Desk) -> None:
    describe(desk, SECOND, parent_version=THIRD)
    records = {r.version_id: r for r in desk.world.allow_list.records()}
    chain = lineage(records[THIRD], records, lambda r: desk.world.manifests.get(r.version_id))
    assert [model.record.version for model in chain] == [3, 2]


def test_ndcg_over_versions_is_oldest_first_and_of_one_name(desk: Desk) -> None:
    models = [Model(r, desk.world.manifests.get(r.version_id))
              for r in desk.world.allow_list.records()]
    assert ndcg_over_versions(models, NAME) == (["v2", "v3"], [0.1612, 0.1612])
    assert ndcg_over_versions(models, "nobody") == ([], [])


def test_a_switch_to_a_version_holds_it_and_is_audited(desk: Desk) -> None:
    answer = desk.act("/admin/models/switch", "/admin/models", model=SECOND)
    assert served(desk) == SECOND
    text = text_of(answer.text)
    assert "transition_knn, version 2, serves from now on." in text and "Held : trainings" in text
    (entry,) = desk.audited("switch")
    assert (entry.actor, entry.target) == (f"key:{desk.key.key_id}", SECOND)


def test_a_switch_to_a_name_follows_it(desk: Desk) -> None:
    answer = desk.act("/admin/models/switch", "/admin/models", model=NAME)
    assert "Follows the name transition_knn" in text_of(answer.text)


def test_a_rollback_goes_to_the_version_or_the_one_before(desk: Desk) -> None:
    desk.act("/admin/models/rollback", "/admin/models", version=SECOND)
    assert served(desk) == SECOND
    answer = desk.act("/admin/models/rollback", "/admin/models")
    assert served(desk) == THIRD and "Rolled back" in answer.text
    assert [e.actor for e in desk.audited("rollback")] == [f"key:{desk.key.key_id}"] * 2


def test_a_model_that_is_refused_or_unknown_is_not_served(desk: Desk) -> None:
    refused = desk.post("/admin/models/switch", "/admin/models", model=BAD, **SURE)
    assert refused.status_code == 409 and "refused" in text_of(refused.text)
    assert desk.post("/admin/models/switch", "/admin/models", model="nobody", **SURE
                     ).status_code == 404
    assert desk.post("/admin/models/switch", "/admin/models", **SURE).status_code == 422
    assert served(desk) == THIRD


def test_a_retrain_is_started_once_and_audited(desk: Desk) -> None:
    answer = desk.act("/admin/models/retrain", "/admin/models")
    text = text_of(answer.text)
    assert "The retrain has begun." in text and "running since" in text
    assert [e.actor for e in desk.audited("retrain")] == [f"key:{desk.key.key_id}"]
    again = desk.act("/admin/models/retrain", "/admin/models")
    assert "A retrain is under way already." in again.text
    desk.world.retrain.finish("published")
    assert "published 2026" in desk.text("/admin/models")


@pytest.mark.parametrize(("path", "fields", "question"), [
    ("/admin/models/retrain", {}, "follows from the choice made here and from the gate."),
    ("/admin/models/switch", {"model": SECOND}, "Serve transition_knn, version 2, and hold it?"),
    ("/admin/models/switch", {"model": "2"}, "Serve transition_knn, version 2, and hold it?"),
    ("/admin/models/rollback", {"version": SECOND},
     "Go back to transition_knn, version 2, and hold it?"),
])
def test_without_scripts_a_page_asks_first_and_its_form_does_it(
    desk: Desk, path: str, fields: dict[str, str], question: str
) -> None:
    asked = desk.post(path, "/admin/models", **fields)
    assert asked.status_code == 200 and "Are you sure?" in asked.text
    assert question in text_of(asked.text)
    assert served(desk) == THIRD and not desk.world.retrain.status().running
    assert f'action="{path}"' in asked.text
    sent = desk.client.post(path, data=hidden_fields(asked.text))
    assert sent.status_code == 303
    assert served(desk) == SECOND or desk.world.retrain.status().running


def test_a_switch_to_a_name_is_asked_about_by_that_name(desk: Desk) -> None:
    asked = desk.post("/admin/models/switch", "/admin/models", model=NAME)
    assert f"newest model of the name {NAME}, now and after each training?" in text_of(asked.text)
    asked = desk.post("/admin/models/switch", "/admin/models", model=AUTOMATIC)
    assert "Serve the best of each training that passes the gate" in text_of(asked.text)


def test_the_page_without_any_model_says_so() -> None:
    text = logged_in().text("/admin/models")
    assert "No model yet: the newest films are shown." in text
    assert "Automatic: of each training" in text
    assert "None since the start." in text


@pytest.mark.parametrize(("line", "text"), [
    ({"at": "2026-11-21T11:46:52.077+00:00", "event": "progress", "text": "knn: fitting"},
     "11:46:52  knn: fitting"),
    ({"at": "2026-11-21T11:46:52.504+00:00", "event": "model", "name": "knn", "version": 1,
      "explanation": "long"}, "11:46:52  model: name knn, version 1"),
    ({"event": "started"}, "started"), ({}, ""),
])
def test_lines_of_a_training_read_well(line: dict[str, Any], text: str) -> None:
    assert line_for_people(line) == text
