"""The audit of a model judges the very lists that serving gives."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from recommender.audit.catalogue_view import NEW_DAYS, frozen_view, view_catalogue
from recommender.audit.loops import DAY_MS
from recommender.audit.model_audit import audit_model
from recommender.audit.verdicts import AuditPolicy
from recommender.evaluate import recommend_all
from recommender.rerank.chain import AS_RANKED, RerankChain, chain_of
from recommender.types import Movie
from tests.small_data import bundle_of, clustered, films

POLICY = AuditPolicy(group_least=10)


@pytest.mark.parametrize("chain", [AS_RANKED, chain_of({"popularity_division": 1.0})])
def test_the_lists_are_those_of_serving_reranking_included(chain: RerankChain) -> None:
    interactions = clustered(length=8)
    bundle = bundle_of("transition_knn", interactions, films())
    view = view_catalogue(interactions, films(), [], 0)
    report = audit_model(bundle, interactions, view, POLICY, chain=chain)
    users = np.arange(interactions.n_users, dtype=np.int32)
    shown = Counter(item for answer in recommend_all(bundle, interactions, users, 10, chain)
                    for item in answer.item_ids)
    assert report.exposures.tolist() == [shown[item] for item in view.item_ids]
    assert (report.lists, report.people) == (60, 60)


def test_the_chain_changes_what_is_judged() -> None:
    interactions = clustered(length=8)
    bundle = bundle_of("transition_knn", interactions, films())
    view = view_catalogue(interactions, films(), [], 0)
    plain, divided = (audit_model(bundle, interactions, view, POLICY, chain=chain)
                      for chain in (AS_RANKED, chain_of({"popularity_division": 1.0})))
    assert plain.exposures.tolist() != divided.exposures.tolist()


def test_the_active_catalogue_is_what_was_touched_or_came_lately() -> None:
    now = 200 * DAY_MS
    lately = Movie("new", "New", added_at_ms=now - NEW_DAYS * DAY_MS)
    before = Movie("old", "Old", added_at_ms=now - NEW_DAYS * DAY_MS - 1)
    view = view_catalogue(clustered(), [*films(), lately, before], [], now)
    assert "new" in view.place and "old" not in view.place and len(view.item_ids) == 41
    assert view.places([["f0", "old", "f1"], []], 2).tolist() == [
        [view.place["f0"], -1], [-1, -1]]


def test_popularity_is_frozen_before_the_period_that_is_judged() -> None:
    interactions = clustered()
    view = view_catalogue(interactions, films(), [], 0)
    frozen = frozen_view(view, interactions, 5_000)
    expected = Counter(interactions.item_ids[item] for item, at in zip(
        interactions.items.tolist(), interactions.first_timestamps.tolist(), strict=True)
        if at < 5_000)
    assert frozen.taken_by.tolist() == [expected[item] for item in frozen.item_ids]
    assert 0 < frozen.taken_by.sum() < view.taken_by.sum()
    assert frozen.item_ids == view.item_ids
