"""How good a bundle's lists are: over the whole catalogue, by the way that serving takes."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from recommender.arrays import Bools, Float64s, Int32s
from recommender.bundle import ModelBundle
from recommender.interactions import Interactions
from recommender.metrics import (
    Measured,
    coverage,
    exposures_of,
    gains,
    gini,
    hits,
    mean_with_interval,
)
from recommender.rerank.chain import AS_RANKED, RerankChain
from recommender.rerank.conditions import Conditions
from recommender.rerank.seeds import seed_of
from recommender.serving import (
    EncodedUser,
    Recommendation,
    RecommendOptions,
    encode_entries,
    recommend_encoded,
)
from recommender.split import Split


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Measures of one list of k per user.

    hit_rate, ndcg: with intervals over users. coverage, gini: over the active catalogue (films
    with an entry), zeros included, at n_lists lists. from_model: share of the shown films that
    are the model's own and no filling. list_gains: float64 of shape (n_lists,), NDCG@k of each
    list, in the order of the split's users.
    """

    k: int
    n_lists: int
    active_items: int
    hit_rate: Measured
    ndcg: Measured
    coverage: Measured
    gini: Measured
    from_model: float
    list_gains: Float64s = field(repr=False, compare=False)

    def ndcg_of(self, rows: Bools) -> float:
        """Mean NDCG@k of those lists where `rows` (bool of shape (n_lists,)) holds, 0 of none."""
        chosen = self.list_gains[rows]
        return float(chosen.mean()) if len(chosen) else 0.0


def encode_user(bundle: ModelBundle, interactions: Interactions, user: int,
                places: Int32s) -> EncodedUser:
    """User index `user` in terms of the bundle; `places` as of `bundle_places`."""
    entries = interactions.user_entries(user)
    return encode_entries(places[interactions.items[entries]], interactions.ratings[entries])


def bundle_places(bundle: ModelBundle, interactions: Interactions) -> Int32s:
    """The bundle's index of each film of the interactions, -1 for one it does not know."""
    if bundle.item_ids == interactions.item_ids:
        return np.arange(interactions.n_items, dtype=np.int32)
    find = bundle.index.get
    return np.array([find(item_id, -1) for item_id in interactions.item_ids], np.int32)


def recommend_all(bundle: ModelBundle, histories: Interactions, users: Int32s, k: int,
                  chain: RerankChain = AS_RANKED, period: int = 0,
                  exposures: Float64s | None = None) -> list[Recommendation]:
    """The list that /recommend gives to each of the users for that history.

    Args:
        chain: reorders what the model ranks.
        period: the number of the period whose draws are made; see `rerank.seeds`.
        exposures: float64 of shape (n_items,) of the bundle, how often each film was shown.
    """
    places = bundle_places(bundle, histories)
    options = RecommendOptions(k=k)
    ids = histories.user_ids
    return [
        recommend_encoded(
            bundle, encode_user(bundle, histories, user, places), options, chain,
            Conditions(seed_of(ids[user], period) if chain.draws else 0, exposures))
        for user in users.tolist()
    ]


def evaluate(bundle: ModelBundle, split: Split, active: Interactions, k: int = 10,
             chain: RerankChain = AS_RANKED) -> Evaluation:
    """Rank all films for each user of the split and look where the target is.

    Args:
        split: histories and targets, in terms of its own films.
        active: its films with an entry are the catalogue for coverage and Gini. Same films as
            the split's training part.
        chain: reorders what the model ranks, as in serving; nothing was shown before.
    """
    lists = recommend_all(bundle, split.training, split.users, k, chain)
    place = {item_id: index for index, item_id in enumerate(split.training.item_ids)}
    shown = np.full((len(lists), k), -1, np.int64)
    for row, answer in enumerate(lists):
        for column, item_id in enumerate(answer.item_ids):
            shown[row, column] = place.get(item_id, -1)
    found = shown == split.targets[:, None]
    ranks = np.where(found.any(axis=1), found.argmax(axis=1) + 1, 0)
    list_gains = gains(ranks, k)
    is_active = active.item_counts() > 0
    exposures = exposures_of(shown, len(place))[is_active]
    n_shown = sum(len(answer.item_ids) for answer in lists)
    return Evaluation(
        k, len(lists), int(is_active.sum()),
        mean_with_interval(hits(ranks, k)), mean_with_interval(list_gains),
        Measured(coverage(exposures)), Measured(gini(exposures)),
        sum(answer.from_model for answer in lists) / n_shown if n_shown else 0.0,
        list_gains,
    )
