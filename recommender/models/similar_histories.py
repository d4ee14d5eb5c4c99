"""What people with a similar recent way took next: nearest neighbours of whole histories.

Ludewig and Jannach, Evaluation of session-based recommendation algorithms, UMUAI 2018 (V-SKNN);
Garg et al., Sequence and time aware neighborhood for session-based recommendations, SIGIR 2019
(STAN). Here similarity also asks for the same order: a further film in common counts the more the
nearer it lies to where the first one in common would put it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from recommender.interactions import Interactions
from recommender.models.model import ModelSpec, SearchRange, decay_of, hyperparameter
from recommender.models.sequence_model import SequenceModel, popularity_factor
from recommender.models.sequence_parts import ALL_ALIKE, Blocks, HistoryIndex, Logits

REACH_BACK = 5
"""Steps before a film in common that are looked at."""


@dataclass(frozen=True)
class HistoriesConfig:
    """Hyperparameters of similar histories."""

    to_power: float = hyperparameter(0.0, least=0)
    """Power of its popularity that divides a film's score. Changes results."""
    from_power: float = hyperparameter(0.2, least=0, search=SearchRange(0, 1))
    """Power of its popularity that divides what a film in common counts. Changes results."""
    recent: int = hyperparameter(10, least=1)
    """Newest films of the history at hand that are looked up. Changes results and the speed of
    ranking."""
    recent_half_life: float = hyperparameter(3.0, least=0, search=SearchRange(1, 10, log=True))
    """Films after which one of these counts half. Changes results."""
    order_bonus: float = hyperparameter(6.0, least=0)
    """How much more a further film in common counts where it lies exactly in order. Changes
    results."""
    order_scale: float = hyperparameter(10.0, least=0.1)
    """Steps off for which the bonus falls to 37 %. Changes results."""
    step_half_life: float = hyperparameter(2.0, least=0)
    """Steps after which a follower counts half. Changes results."""
    reach: int = hyperparameter(20, least=1)
    """Followers of a history that count. Changes results slightly."""
    before: float = hyperparameter(0.3, least=0)
    """What films just before the one in common count beside those after it. Changes results."""
    histories: int = hyperparameter(300, least=1)
    """Similar histories that count. Changes results slightly, and the speed of ranking."""
    similarity_power: float = hyperparameter(3.0, least=0, search=SearchRange(1, 6))
    """Power of the similarity of a history. Changes results."""
    users: int = hyperparameter(50_000, least=1)
    """Users, the last active ones, whose histories are looked at. Bounds size and the time of a
    list."""


def fit_similar_histories(interactions: Interactions, config: HistoriesConfig) -> SequenceModel:
    """Similar histories alone: nothing is estimated, the histories are the model."""
    return SequenceModel(Blocks.none(), index_histories(interactions, config), Logits.none(),
                         popularity_factor(interactions, config.to_power))


def index_histories(interactions: Interactions, config: HistoriesConfig) -> HistoryIndex:
    """The index of the users who were last active.

    A film in common that lies d steps off counts 1 + order_bonus * exp(-d / order_scale) times.
    Where entries are weighted, a film next to one in common is given the weight of its entry.
    """
    lengths = np.diff(interactions.user_offsets)
    newest = np.full(interactions.n_users, -1, np.int64)
    filled = lengths > 0
    newest[filled] = interactions.timestamps[interactions.user_offsets[1:][filled] - 1]
    active = np.argsort(-newest, kind="stable")[:min(config.users, np.count_nonzero(filled))]
    offsets = np.append(0, np.cumsum(lengths[active]))
    within = np.arange(offsets[-1]) - np.repeat(offsets[:-1], lengths[active])
    entries = np.repeat(interactions.user_offsets[active], lengths[active]) + within
    items = interactions.items[entries]
    weights = interactions.weights
    owners = np.repeat(np.arange(len(active), dtype=np.int32), lengths[active])
    by_film = np.argsort(items, kind="stable").astype(np.int32)
    starts = np.append(0, np.cumsum(np.bincount(items, minlength=interactions.n_items)))
    counts = interactions.item_counts()
    by_step = decay_of(config.step_half_life) ** np.arange(config.reach)
    steps = np.append(0.0, by_step).astype(np.float32)
    off = np.arange(max(int(8 * config.order_scale), 1))
    return HistoryIndex(
        items, offsets, starts, owners[by_film], by_film,
        (np.maximum(counts, 1) ** -config.from_power).astype(np.float32),
        (decay_of(config.recent_half_life) ** np.arange(config.recent)).astype(np.float32),
        (1.0 + config.order_bonus * np.exp(-off / config.order_scale)).astype(np.float32),
        steps, (config.before * steps[:REACH_BACK + 1]).astype(np.float32), config.histories,
        config.similarity_power, ALL_ALIKE if weights is None else weights[entries],
    )


SIMILAR_HISTORIES = ModelSpec("similar_histories", HistoriesConfig, fit_similar_histories)
