"""What a history of few films can't tell: which films others took at the same point of theirs.

    score = evidence ^ (1 - doubt w) * early^w * popularity^(-to_power (1 - w)),  w = 1 - (n / N)^2

n films are known; evidence is what the model scores before popularity divides it; early is the
share of the film among those taken as (n + 1)th, near places counting too. From N films on it is
the model's own score. Where the first films of a person say little, as behind a page of popular
films to rate, trust in the evidence has to grow; where they say much it must not be asked to. So
N and doubt are chosen by how well they foresee the first films of some users of the training, whose
histories are neither looked up nor counted as early meanwhile. The closed form, and the
popularity that divides evidence alone, have seen them: evidence looks better than it is, so less is
doubted than would be best (on ML-100K, where a fifth of the users judges, its NDCG by a quarter).
Logits and what ALS gives are not asked: the choice is that of the blend.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from recommender.arrays import Float64s, Int32s, Int64s
from recommender.interactions import Interactions, preference_weights
from recommender.metrics import first_ranks, gains, with_places
from recommender.models.model import EncodedHistory, decay_of
from recommender.models.sequence_model import SequenceModel
from recommender.models.sequence_parts import HistoryIndex, ShortHistories

FIRST_FILMS = (3, 6, 9, 12)
"""What N is chosen from, beside none."""
DOUBTS = (0.4, 0.6, 0.8)
"""What doubt is chosen from."""
JUDGED_AT = (1, 2, 3, 4, 6, 8, 11)
"""Films known when a choice is judged by the next film."""
USERS_JUDGED = 500
LEAST_USERS_JUDGED = 100
"""With fewer who have taken more films than are known, that place is not judged by."""
NEAR_HALF_LIFE = 2.0
"""Places off after which a film taken counts half as an early one."""
POPULARITY_SHARE = 0.1
"""Of popularity in what is early: a film that nobody took so early is not out of the question."""
LIST_LENGTH = 10


@dataclass(frozen=True, slots=True)
class Trust:
    """first_films: N; 0 stands for every history alike. doubt: of evidence, in [0, 1)."""

    first_films: int
    doubt: float


EVIDENCE_ALONE = Trust(0, 0.0)


def with_newcomers(model: SequenceModel, interactions: Interactions, to_power: float,
                   index: Callable[[Interactions], HistoryIndex]) -> SequenceModel:
    """The model with what foresees the first films of people best.

    Args:
        model: fitted on the interactions.
        to_power: the power of popularity that its factor divides by.
        index: how the histories of interactions are indexed.
    """
    chosen = choose_trust(model, interactions, to_power, index)
    if chosen == EVIDENCE_ALONE:
        return model
    early, counts = early_shares(interactions, max(FIRST_FILMS) - 1), interactions.item_counts()
    return replace(model, short=short_histories(early, counts, to_power, chosen))


def choose_trust(model: SequenceModel, interactions: Interactions, to_power: float,
                 index: Callable[[Interactions], HistoryIndex]) -> Trust:
    """The trust of the best mean NDCG over all places judged; of equal ones that of least N."""
    users = _drawn(interactions)
    with_next = [(films, users[_lengths(interactions)[users] > films]) for films in JUDGED_AT]
    judged = [(films, able) for films, able in with_next if len(able) >= LEAST_USERS_JUDGED]
    if not judged:
        return EVIDENCE_ALONE
    others = interactions.select(~np.isin(interactions.entry_users(), users))
    apart = replace(model, index=index(others), short=ShortHistories.none())
    alone = {films: _gain(apart, interactions, able, films) for films, able in judged}
    best, most = EVIDENCE_ALONE, sum(alone.values())
    early, counts = early_shares(others, max(FIRST_FILMS) - 1), others.item_counts()
    # No further than one place beyond those judged: nothing is known of what lies there.
    reached = [n for n in FIRST_FILMS if n <= judged[-1][0] + 1]
    for trust in (Trust(n, doubt) for n in reached for doubt in DOUBTS):
        tried = replace(apart, short=short_histories(early, counts, to_power, trust))
        gain = sum(_gain(tried, interactions, able, films) if films < trust.first_films
                   else alone[films] for films, able in judged)
        if gain > most:
            best, most = trust, gain
    return best


def short_histories(early: Float64s, counts: Int64s, to_power: float,
                    trust: Trust) -> ShortHistories:
    """Factors and trusts for histories of 1 to N - 1 films.

    Args:
        early: as of `early_shares`, of at least N - 1 rows.
        counts: int64 of shape (n_items,), entries per film.
    """
    n_short = max(trust.first_films - 1, 0)
    if n_short == 0 or not counts.any():
        return ShortHistories.none()
    strength = 1.0 - (np.arange(1, n_short + 1) / trust.first_films) ** 2
    taken = counts > 0
    popular = np.where(taken, counts, 1) / counts.sum()
    shares = np.where(taken, early[:n_short] + POPULARITY_SHARE * popular, 1.0)
    factors = (shares ** strength[:, None]
               * popular ** (-to_power * (1.0 - strength))[:, None] * taken)
    return ShortHistories(factors.astype(np.float32),
                          (1.0 - trust.doubt * strength).astype(np.float32))


def early_shares(interactions: Interactions, n_short: int) -> Float64s:
    """Share of each film among those taken next after 1 to `n_short`: shape (n_short, n_items).

    Each entry counts by its weight, halved with every `NEAR_HALF_LIFE` places that it lies off.
    """
    n_items, places = interactions.n_items, n_short + int(8 * NEAR_HALF_LIFE)
    place = interactions.entry_places()
    near = place < places
    counted = np.bincount(
        place[near] * n_items + interactions.items[near],
        interactions.entry_weights()[near], places * n_items).reshape(places, n_items)
    off = np.abs(np.arange(places) - np.arange(1, n_short + 1)[:, None])
    sums: Float64s = decay_of(NEAR_HALF_LIFE) ** off @ counted
    shares: Float64s = sums / np.maximum(sums.sum(axis=1, keepdims=True), 1e-30)
    return shares


def _lengths(interactions: Interactions) -> Int64s:
    return np.diff(interactions.user_offsets)


def _drawn(interactions: Interactions) -> Int32s:
    """Of those with a film to foresee at most `USERS_JUDGED`, and no more than a fifth."""
    able = np.flatnonzero(_lengths(interactions) > JUDGED_AT[0]).astype(np.int32)
    n_drawn = min(USERS_JUDGED, len(able) // 5)
    drawn: Int32s = np.sort(np.random.default_rng(0).choice(able, n_drawn, replace=False))
    return drawn


def _gain(model: SequenceModel, interactions: Interactions, users: Int32s, known: int) -> float:
    """Mean NDCG of the film after the first `known` ones."""
    starts = interactions.user_offsets[users]
    lists = []
    for start in starts.tolist():
        told = slice(start, start + known)
        films = interactions.items[told]
        history = EncodedHistory(films, preference_weights(interactions.ratings[told]))
        lists.append(model.rank(history, films, LIST_LENGTH).items.tolist())
    found = with_places(lists, LIST_LENGTH) == interactions.items[starts + known][:, None]
    return float(gains(first_ranks(found), LIST_LENGTH).mean())
