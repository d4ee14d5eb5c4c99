"""How good a bundle's lists are: over the whole catalogue, by the way that serving takes."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from recommender import metrics
from recommender.arrays import Bools, Float64s, Int32s, Int64s
from recommender.bundle import ModelBundle
from recommender.interactions import Interactions
from recommender.metrics import Measured
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

    hit_rate, ndcg, mrr: of the next film, with intervals over users; mrr within the k places.
    recall: of all later films. coverage, gini: over the active catalogue (films with an entry),
    zeros included, at n_lists lists. novelty: bits. diversity: 1 - mean Jaccard of genres, 0
    where no genre is known. from_model: share of the shown films that are the model's own and no
    filling. list_gains: float64 of shape (n_lists,), NDCG@k of each list, in the order of the
    split's users. shown: int64 of shape (n_lists, k), index among the active films, -1 for none.
    list_diversity: float64 of shape (n_lists,), NaN for a list that has none.
    """

    k: int
    n_lists: int
    active_items: int
    hit_rate: Measured
    ndcg: Measured
    recall: Measured
    mrr: Measured
    coverage: Measured
    gini: Measured
    novelty: Measured
    diversity: Measured
    from_model: float
    list_gains: Float64s = field(repr=False, compare=False)
    shown: Int64s = field(repr=False, compare=False)
    list_diversity: Float64s = field(repr=False, compare=False)

    def ndcg_of(self, rows: Bools) -> float:
        """Mean NDCG@k of those lists where `rows` (bool of shape (n_lists,)) holds, 0 of none."""
        chosen = self.list_gains[rows]
        return float(chosen.mean()) if len(chosen) else 0.0

    def measures(self) -> dict[str, Measured]:
        """Every measure by the name it has in manifests and reports."""
        k = self.k
        return {
            f"hit_rate_at_{k}": self.hit_rate, f"ndcg_at_{k}": self.ndcg,
            f"recall_at_{k}": self.recall, f"mrr_at_{k}": self.mrr,
            f"coverage_at_{k}": self.coverage, f"gini_at_{k}": self.gini,
            f"novelty_bits_at_{k}": self.novelty,
            f"intra_list_diversity_at_{k}": self.diversity,
        }


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
    """Rank all films for each user of the split and look where what they took later is.

    Args:
        split: histories and targets, in terms of its own films.
        active: its films with an entry are the catalogue for coverage and Gini. Same films as
            the split's training part.
        chain: reorders what the model ranks, as in serving; nothing was shown before.
    """
    lists = recommend_all(bundle, split.histories, split.users, k, chain)
    place = {item_id: index for index, item_id in enumerate(split.training.item_ids)}
    shown = metrics.with_places(
        [[place.get(item_id, -1) for item_id in answer.item_ids] for answer in lists], k)
    ranks = metrics.first_ranks(shown == split.targets[:, None])
    list_gains = metrics.gains(ranks, k)
    found = split.later.found_in(shown)
    is_active = active.item_counts() > 0
    among_active = np.where(is_active, np.cumsum(is_active) - 1, -1)
    shown_active = np.where(shown >= 0, among_active[shown], -1)
    n_active, n_shown = int(is_active.sum()), sum(len(answer.item_ids) for answer in lists)
    diversity = _diversity(bundle, split.training.item_ids, shown)
    mean = metrics.mean_with_interval
    return Evaluation(
        k=k, n_lists=len(lists), active_items=n_active,
        hit_rate=mean(metrics.hits(ranks, k)), ndcg=mean(list_gains),
        recall=mean(metrics.recall(found, split.later.counts, k)),
        mrr=mean(metrics.reciprocal_ranks(ranks, k)),
        coverage=metrics.exposure_interval(shown_active, n_active, metrics.coverage),
        gini=metrics.exposure_interval(shown_active, n_active, metrics.gini),
        novelty=mean(metrics.novelty(
            shown, split.training.item_counts(), split.training.n_users)),
        diversity=mean(diversity[~np.isnan(diversity)]),
        from_model=sum(answer.from_model for answer in lists) / n_shown if n_shown else 0.0,
        list_gains=list_gains, shown=shown_active, list_diversity=diversity,
    )


def _diversity(bundle: ModelBundle, item_ids: tuple[str, ...], shown: Int64s) -> Float64s:
    """Of each list, NaN for one that has none."""
    find, masks = bundle.index.get, bundle.catalogue.genre_masks
    places = np.array([find(item_id, -1) for item_id in item_ids], np.int64)
    of_films = np.zeros((len(masks), len(places)), np.bool_)
    of_films[:, places >= 0] = masks[:, places[places >= 0]]
    return metrics.intra_list_diversity(shown, of_films)
