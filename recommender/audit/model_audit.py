"""The audit of a model: the lists that it would give to real people with their whole history."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from recommender.arrays import Bools, Float64s, Int32s, Int64s
from recommender.audit.catalogue_view import CatalogueView
from recommender.audit.fairness import AuditedLists, FairnessReport, audit_fairness
from recommender.audit.groups import judged_groups
from recommender.audit.verdicts import AuditPolicy
from recommender.bundle import ModelBundle
from recommender.evaluate import recommend_all
from recommender.interactions import Interactions
from recommender.rerank.chain import AS_RANKED, RerankChain
from recommender.user_groups import MEDIUM_FROM, activity_groups, demographic_groups

K = 10
TRUNCATED_TO = 5
TRUNCATED_USERS = 500
LOW = "low"


@dataclass(frozen=True, eq=False)
class JudgedQuality:
    """NDCG@k of one list each of some people whose next film is known: float64 of shape (n,).

    groups: bool of shape (n,) by name, as of `recommender.user_groups`.
    """

    gains: Float64s
    groups: Mapping[str, Bools]


def audit_model(
    bundle: ModelBundle, interactions: Interactions, view: CatalogueView, policy: AuditPolicy,
    quality: JudgedQuality | None = None, chain: RerankChain = AS_RANKED, seed: int = 0,
) -> FairnessReport:  # fmt: skip
    """Make a list for each of `policy.lists` people drawn at random (all if fewer), and judge them.

    `chain` reorders what the model ranks, as in serving.

    Where fewer people than a group needs have less than ten films, lists from histories cut to
    their first five films stand in for that group, and the report says so.
    """
    lengths = np.diff(interactions.user_offsets)
    users = np.flatnonzero(lengths > 0).astype(np.int32)
    people = len(users)
    if people > policy.lists:
        users = np.sort(np.random.default_rng(seed).choice(users, policy.lists, replace=False))
    stand_ins, notes = _stand_ins(bundle, interactions, view, policy, chain, seed)
    names = [interactions.user_ids[user] for user in users.tolist()]
    groups = activity_groups(lengths[users]) | demographic_groups(names, view.people)
    return audit_fairness(AuditedLists(
        _lists(bundle, interactions, view, users, chain), view.taken_by, view.genres,
        view.genre_masks,
        judged_groups(groups), people, None if quality is None else quality.gains,
        () if quality is None else judged_groups(quality.groups),
        stand_ins, "" if stand_ins is None else LOW, notes,
    ), policy, seed)  # fmt: skip


def _lists(bundle: ModelBundle, histories: Interactions, view: CatalogueView,
           users: Int32s, chain: RerankChain) -> Int64s:
    answers = recommend_all(bundle, histories, users, K, chain)
    return view.places((answer.item_ids for answer in answers), K)


def _stand_ins(
    bundle: ModelBundle, interactions: Interactions, view: CatalogueView, policy: AuditPolicy,
    chain: RerankChain, seed: int,
) -> tuple[Int64s | None, tuple[str, ...]]:  # fmt: skip
    lengths = np.diff(interactions.user_offsets)
    low = int(((lengths > 0) & (lengths < MEDIUM_FROM)).sum())
    longer = np.flatnonzero(lengths >= 2 * TRUNCATED_TO).astype(np.int32)
    if low >= policy.group_least or len(longer) < policy.group_least:
        return None, ()
    if len(longer) > TRUNCATED_USERS:
        longer = np.random.default_rng(seed).choice(longer, TRUNCATED_USERS, replace=False)
    cut = interactions.select(interactions.entry_places() < TRUNCATED_TO)
    note = (f"{low} people have fewer than ten films: {len(longer)} lists from histories cut to "
            f"{TRUNCATED_TO} films stand in for that group")
    return _lists(bundle, cut, view, longer, chain), (note,)
