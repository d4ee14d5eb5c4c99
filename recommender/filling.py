"""What fills a list when the model has too little to say: content, favourite genres, popularity."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Set
from itertools import islice

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
VIEWS_COUNTED = 100
"""Newest views that tell the taste of a user who took no film yet."""
SEARCHES_COUNTED = 50
"""Newest searches that do."""
QUERY_COUNTED = 200
"""Characters of a search that are read."""
CONTENT_DECAY = decay_of(5.0)
"""Older entries of the history count less when films are found by content."""


def taste_of_history(bundle: ModelBundle, history: EncodedHistory) -> Float32s:
    """Share of each favourite genre in what the user liked: float32 of shape (n_genres,)."""
    spread = bundle.catalogue.genre_masks[:, history.items]
    return favourites(spread @ history.weights)


def taste_of_browsing(bundle: ModelBundle, history: History) -> Float32s:
    """The same from films viewed and from searches, for a user who took no film yet.

    A search speaks for the genres it names and, shared, for the genres of the films whose titles
    hold all of its words. The newest views and searches count, so that nobody can make this long.
    """
    amounts = np.zeros(len(bundle.catalogue.genres), np.float32)
    masks = bundle.catalogue.genre_masks
    views = (entry for entry in reversed(history.entries) if entry.type is EventType.VIEW)
    for entry in islice(views, VIEWS_COUNTED):
        index = bundle.index.get(entry.item_id)
        if index is not None:
            amounts += masks[:, index] / max(int(masks[:, index].sum()), 1)
    genres_named = [(set(words_of(genre)), row) for genre, row in bundle.genre_index.items()]
    searches = Counter(history.searches[-SEARCHES_COUNTED:])
    for query, times in searches.items():
        words = set(words_of(query[:QUERY_COUNTED]))
        for named, row in genres_named:
            if named <= words:
                amounts[row] += times
        films = _films_titled(bundle, words)
        if films:
            genres = masks[:, films].sum(axis=1)
            amounts += times * genres / max(int(genres.sum()), 1)
    return favourites(amounts)


def _films_titled(bundle: ModelBundle, words: Set[str]) -> list[int]:
    """Films whose titles hold all of the words, none for no word."""
    holding = sorted((bundle.title_words.get(word, ()) for word in words), key=len)
    if not holding:
        return []
    found = set(holding[0])
    for films in holding[1:]:
        if not found:
            break
        found.intersection_update(films)
    return sorted(found)


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
