"""/recommend with rerankers: what is logged, when a list is kept, what a request changes."""

from __future__ import annotations

import json

import pytest

from commands.export import response_event
from recommender.rerank.chain import chain_of
from recommender.rerank.conditions import ExposureBoard
from recommender.serving_configuration import Reranking, ServingConfiguration
from recommender.types import ModelStatus, Role
from tests.recommend_site import OTHER, USER, Site, seen_by, simulated, without_its_own
from tests.web_world import Clock, options

DAY_MS = 86_400_000
GENRES = {movie.item_id: set(movie.genres) for movie in simulated().movies}


def site_with(keep_lists: bool = True, board: ExposureBoard | None = None,
              **strengths: float) -> Site:
    def reranking(clock: Clock) -> Reranking:
        return Reranking(chain_of(strengths), board=board or ExposureBoard(), now_ms=clock)

    return Site(keep_lists=keep_lists, reranking=reranking)


def variety(items: list[str]) -> float:
    """1 - mean Jaccard of genres over pairs."""
    pairs = [(GENRES[a], GENRES[b]) for place, a in enumerate(items) for b in items[:place]]
    return 1 - sum(len(a & b) / len(a | b) for a, b in pairs) / len(pairs)


def test_without_rerankers_the_provenance_says_so_and_tells_no_propensities() -> None:
    provenance = Site().ask().json["provenance"]
    assert provenance["rerank"] is None and "propensities" not in provenance


def test_the_provenance_tells_the_rerankers_and_the_reasons_survive() -> None:
    site = site_with(mmr=0.4)
    answer = site.ask().json
    assert answer["provenance"]["rerank"] == {"mmr": 0.4}
    assert answer["variant"] == "A"
    for film in answer["recommendations"]:
        assert film["reason"]["kind"].startswith("because_you_")
        assert set(film["reason"]["item_ids"]) <= seen_by(USER) and film["reason"]["item_ids"]
    assert site.items() != Site().items()


def test_propensities_are_answered_logged_and_exported() -> None:
    site = site_with(tail_slots=0.2, exploration=0.5)
    answer = site.ask()
    told = answer.json["provenance"]["propensities"]
    assert len(told) == 10 and 0 < min(told) < 1
    assert [place for place, propensity in enumerate(told) if propensity < 1] == [3, 6, 9]
    trace = site.client.get(f"/trace/{answer.headers['X-Request-ID']}").json
    assert trace["answer"] == answer.json
    logged = site.response_log.trace(answer.headers["X-Request-ID"])
    assert logged is not None
    event = json.loads(json.dumps(response_event(logged)))
    assert event["propensities"] == told
    assert len(event["item_ids"]) == len(told)


@pytest.mark.parametrize("keep_lists", [True, False])
def test_draws_stay_for_a_day_and_change_then(keep_lists: bool) -> None:
    site = site_with(keep_lists, tail_slots=0.3)
    before = [site.items() for _ in range(2)]
    assert before[0] == before[1]
    days = set()
    for _ in range(6):
        site.clock.now_ms += DAY_MS
        days.add(tuple(site.items()))
    assert len(days) > 1
    fixed = [place for place in range(10) if place not in (2, 5, 7)]
    assert {tuple(day[place] for place in fixed) for day in days} == {
        tuple(before[0][place] for place in fixed)}


def test_a_kept_list_ends_when_new_exposures_are_known() -> None:
    board = ExposureBoard()
    site = site_with(board=board, exposure_cap=0.5)
    before = site.items()
    assert site.items() == before and site.kept.loads == 1
    board.post({before[0]: 1_000.0})
    after = site.items()
    assert before[0] not in after[:5] and site.kept.loads == 1


def test_kept_and_computed_lists_are_equal_under_rerankers() -> None:
    strengths = {"mmr": 0.2, "tail_slots": 0.2, "exploration": 0.3}
    keeps, computes = site_with(True, **strengths), site_with(False, **strengths)
    for user in (USER, "u7", "none"):
        for more in ("", "&k=3", "&genre=Drama", "&diversity=0.6", "&exclude=m1,m2"):
            query = f"user_id={user}{more}"
            bodies = {without_its_own(site.ask(query).data)
                      for site in (keeps, computes) for _ in range(2)}
            assert len(bodies) == 1


# --- what a request asks for


def test_diversity_makes_the_list_more_varied_and_is_part_of_no_comparison() -> None:
    site = Site()
    users = [f"u{n}" for n in range(1, 41)]
    plain = [variety(site.items(f"user_id={user}")) for user in users]
    mixed = [variety(site.items(f"user_id={user}&diversity=0.7")) for user in users]
    assert sum(mixed) > sum(plain)
    answer = site.ask(f"user_id={USER}&diversity=0.7").json
    assert answer["variant"] == "chosen"
    assert answer["provenance"]["rerank"] == {"mmr": 0.7}
    assert site.items(f"user_id={USER}&diversity=0") == site.items()


def test_diversity_replaces_the_strength_of_the_settings_alone() -> None:
    site = site_with(popularity_division=0.2, mmr=0.3)
    answer = site.ask(f"user_id={USER}&diversity=0.9").json
    assert answer["provenance"]["rerank"] == {"popularity_division": 0.2, "mmr": 0.9}
    least = site.ask(f"user_id={USER}&diversity=0").json
    assert least["provenance"]["rerank"] == {"popularity_division": 0.2}


@pytest.mark.parametrize("value", ["1.01", "-0.1", "much", "nan", "", "0.1&diversity=0.2"])
def test_diversity_outside_its_bounds_is_refused(value: str) -> None:
    refused = Site().ask(f"user_id={USER}&diversity={value}")
    assert refused.status_code == 422
    assert [error["field"] for error in refused.json["errors"]] == ["diversity"]


def test_the_settings_bound_the_diversity_of_a_request() -> None:
    site = Site(options(diversity_max=0.5))
    assert site.ask(f"user_id={USER}&diversity=0.5").status_code == 200
    refused = site.ask(f"user_id={USER}&diversity=0.51")
    assert refused.status_code == 422 and "at most 0.5" in refused.text


def test_an_administrator_may_ask_for_another_model_by_version_or_name() -> None:
    site = Site()
    record = site.add_model("20250101T000000Z", ModelStatus.AVAILABLE, "popularity")
    admin = site.key(Role.ADMIN)
    for reference in (record.version_id, str(record.version), "popularity"):
        answer = site.ask(f"user_id={USER}&model={reference}", **admin).json
        assert answer["provenance"]["model_version"] == record.version_id
        assert answer["variant"] == "chosen"
        assert {film["reason"]["kind"] for film in answer["recommendations"]} == {"popular"}
    assert site.loaded == [record.version_id]
    assert site.ask().json["provenance"]["model"] == "transition_knn"


@pytest.mark.parametrize("role", [None, Role.CLIENT])
def test_others_may_not_ask_for_a_model(role: Role | None) -> None:
    site = Site()
    key = {} if role is None else site.key(role)
    refused = site.ask(f"user_id={USER}&model=transition_knn", **key)
    assert refused.status_code == 403
    assert [error["field"] for error in refused.json["errors"]] == ["model"]
    assert site.audit_log.entries()[0].outcome == "403 not an administrator"


@pytest.mark.parametrize("model", ["knn", "20990101T000000Z", "99", "20250103T000000Z"])
def test_a_model_that_may_not_be_loaded_is_not_found(model: str) -> None:
    site = Site()
    site.add_model("20250103T000000Z", ModelStatus.REFUSED, "popularity")
    assert site.ask(f"user_id={USER}&model={model}", **site.key(Role.ADMIN)).status_code == 404
    assert not site.loaded


# --- configurations


def test_a_choice_of_configuration_decides_for_each_user() -> None:
    site = Site()
    served = site.serving.current()
    assert served is not None
    control = ServingConfiguration(served)
    boosted = control.with_diversity("mmr", 0.5, "B")
    assert (boosted.variant, boosted.chain) == ("B", chain_of({"mmr": 0.5}))
    assert control.key is None and boosted.key is not None
    answered = {OTHER: boosted}
    site.lists._choose = lambda user_id: answered.get(user_id, control)
    for _ in range(2):
        first, second = site.ask().json, site.ask(f"user_id={OTHER}").json
        assert (first["variant"], first["provenance"]["rerank"]) == ("A", None)
        assert (second["variant"], second["provenance"]["rerank"]) == ("B", {"mmr": 0.5})
    logged = site.response_log.trace(second["provenance"]["request_id"])
    assert logged is not None and logged.variant == "B"
    answered[USER] = ServingConfiguration(served, variant="A2")  # A against A
    assert site.ask().json["variant"] == "A2"
