"""What fills a list when the model has too little to say: content, favourite genres, popularity."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import numpy as np

from recommender.arrays import Bools, Float32s, Int32s
from recommender.bundle import ModelBundle
from recommender.models.content import words_of
from recommender.models.model import EncodedHistory, decay_of
from recommender.ranking import NONE_EXCLUDED, Ranked, rank_by_neighbours
from recommender.reasons import ReasonKind
from recommender.types import EventType, History

FAVOURITES = 3
"""Genres that count as favourite."""
CONTENT_DECAY = decay_of(5.0)
"""Older entries of the history count less when films are found by content."""


def taste_of_history(bundle: ModelBundle, history: EncodedHistory) -> Float32s:
    """Share of each favourite genre in what the user liked: float32 of shape (n_genres,)."""
    spread = bundle.catalogue.genre_masks[:, history.items]
    return favourites(spread @ history.weights)


def taste_of_browsing(bundle: ModelBundle, history: History) -> Float32s:
    """The same from films viewed and from searches, for a user who took no film yet.

    A search speaks for the genres it names and, shared, for the genres of the films whose titles
    hold all of its words.
    """
    amounts = np.zeros(len(bundle.catalogue.genres), np.float32)
    masks = bundle.catalogue.genre_masks
    for entry in history.entries:
        index = bundle.index.get(entry.item_id)
        if entry.type is EventType.VIEW and index is not None:
            amounts += masks[:, index] / max(int(masks[:, index].sum()), 1)
    for query in history.searches:
        words = words_of(query)
        for genre, row in bundle.genre_index.items():
            if set(words_of(genre)) <= set(words):
                amounts[row] += 1
        matches = Counter(i for word in set(words) for i in bundle.title_words.get(word, ()))
        films = [i for i, hits in matches.items() if hits == len(set(words))]
        if films:
            genres = masks[:, films].sum(axis=1)
            amounts += genres / max(int(genres.sum()), 1)
    return favourites(amounts)


def favourites(amounts: Float32s) -> Float32s:
    """The largest few positive amounts as shares, the rest 0."""
    shares = np.zeros(len(amounts), np.float32)
    largest = np.argsort(-amounts, kind="stable")[:FAVOURITES]
    shares[largest] = np.maximum(amounts[largest], 0)
    total = shares.sum()
    return shares / total if total > 0 else shares


def fill(bundle: ModelBundle, history: EncodedHistory, taste: Float32s, excluded: Int32s,
         missing: int, allowed: Bools | None) -> list[tuple[ReasonKind, Ranked]]:
    """Up to `missing` films with the reason for each group, none excluded, none twice.

    In this order: by content, popular in favourite genres, popular, popular although like
    something disliked, not taken by anyone yet.
    """
    popularity = bundle.popularity
    rows = np.flatnonzero(taste)
    avoided = _like_disliked(bundle, history)

    def by_content(without: Int32s, k: int) -> Ranked:
        ones = np.ones(bundle.n_items, np.float32)
        return rank_by_neighbours(history.items, history.weights, bundle.catalogue.content, ones,
                                  without, k, allowed, CONTENT_DECAY)

    def in_favourites(without: Int32s, k: int) -> Ranked:
        return popularity.rank_in_genres(taste[rows], bundle.catalogue.genre_masks[rows],
                                         np.concatenate((without, avoided)), k, allowed)

    def popular(without: Int32s, k: int) -> Ranked:
        return popularity.rank(history, np.concatenate((without, avoided)), k, allowed)

    def popular_anyway(without: Int32s, k: int) -> Ranked:
        return popularity.rank(history, without, k, allowed)

    def untaken(without: Int32s, k: int) -> Ranked:
        return popularity.rank_untaken(without, k, allowed)

    steps: tuple[tuple[ReasonKind, Callable[[Int32s, int], Ranked]], ...] = (
        (ReasonKind.SIMILAR_CONTENT, by_content),
        (ReasonKind.POPULAR_IN_GENRE, in_favourites),
        (ReasonKind.POPULAR, popular),
        (ReasonKind.POPULAR, popular_anyway),
        (ReasonKind.NEW, untaken),
    )
    groups = []
    for kind, step in steps:
        ranked = step(excluded, missing)
        groups.append((kind, ranked))
        excluded = np.concatenate((excluded, ranked.items))
        missing -= len(ranked.items)
        if missing == 0:
            break
    return groups


def _like_disliked(bundle: ModelBundle, history: EncodedHistory) -> Int32s:
    """Films that resemble what the user rated low more than what they liked."""
    if not (history.weights < 0).any():
        return NONE_EXCLUDED
    ones = np.ones(bundle.n_items, np.float32)
    return rank_by_neighbours(history.items, -history.weights, bundle.catalogue.content, ones,
                              NONE_EXCLUDED, bundle.n_items, None, CONTENT_DECAY).items
