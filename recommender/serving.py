"""From a bundle and a user's history to a list with reasons. Evaluation takes the same way."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

import numpy as np

from recommender.arrays import Float32s, Int32s
from recommender.bundle import ModelBundle
from recommender.filling import fill, taste_of_browsing, taste_of_history
from recommender.interactions import fold_history, preference_weights
from recommender.models.model import EncodedHistory
from recommender.ranking import Ranked, rank_by_neighbours
from recommender.reasons import Reason, ReasonKind
from recommender.rerank.chain import AS_RANKED, RerankChain
from recommender.rerank.conditions import Conditions
from recommender.rerank.reranker import Situation, shortlist_of
from recommender.types import History

__all__ = [
    "EncodedUser",
    "Fallback",
    "Reason",
    "ReasonKind",
    "RecommendOptions",
    "Recommendation",
    "RecommendedItem",
    "SimilarBy",
    "SimilarItem",
    "encode",
    "encode_entries",
    "recommend",
    "recommend_encoded",
    "similar",
    "without_history",
]


_WITHOUT_SOURCE = {kind: Reason(kind) for kind in ReasonKind}


class Fallback(StrEnum):
    """Why a list is not all the model's. NO_MODEL is given by the web alone."""

    NEW_USER = "new_user"
    SHORT_LIST = "short_list"
    NO_MODEL = "no_model"


class SimilarBy(StrEnum):
    """What makes two films similar: the same people took them, or the same is written of them."""

    PEOPLE = "people"
    CONTENT = "content"


@dataclass(frozen=True, slots=True)
class RecommendOptions:
    """What one request asks for. `genre` keeps films of one genre (any case) only.

    `diversity` in [0, 1] asks for that strength of the reranker for diversity, None for that of
    the configuration: whoever makes the list applies it to the chain.
    """

    k: int = 10
    exclude_ids: tuple[str, ...] = ()
    genre: str | None = None
    include_seen: bool = False
    diversity: float | None = None


class RecommendedItem(NamedTuple):
    """A film and why."""

    item_id: str
    reason: Reason


class SimilarItem(NamedTuple):
    """A film that resembles another."""

    item_id: str
    by: SimilarBy


class Recommendation(NamedTuple):
    """A list, best first, and why each film is on it.

    `from_model` of the films are the model's own, the rest fills up. `propensities` are the
    probabilities with which chance put each film at its place (1: it had no part), None when the
    rerankers draw nothing.
    """

    item_ids: tuple[str, ...]
    reasons: tuple[Reason, ...]
    is_personalized: bool
    fallback: Fallback | None
    from_model: int
    propensities: tuple[float, ...] | None = None

    @property
    def items(self) -> tuple[RecommendedItem, ...]:
        """Films with their reasons."""
        return tuple(map(RecommendedItem, self.item_ids, self.reasons))


@dataclass(frozen=True, eq=False, slots=True)
class EncodedUser:
    """A history in terms of one bundle. May be kept under (bundle, history version).

    history: the films that the bundle knows. sources: for each of them the index in the bundle's
    `because` of the reason that it is. seen: int32, film indexes never shown. taste: float32 of
    shape (n_genres,), favourite genres by what was viewed and searched, for users without a known
    film, else None.
    is_new: nothing was ever rated or watched.
    """

    history: EncodedHistory
    sources: tuple[int, ...]
    seen: Int32s
    taste: Float32s | None
    is_new: bool


def encode(bundle: ModelBundle, history: History) -> EncodedUser:
    """The live history of a user in terms of the bundle; films it does not know are left out."""
    folded = fold_history(history)
    find = bundle.index.get
    items = np.array([find(item_id, -1) for item_id in folded.item_ids], np.int32)
    user = encode_entries(items, np.array(folded.ratings, np.float32))
    if len(user.seen):
        return user
    return EncodedUser(user.history, user.sources, user.seen, taste_of_browsing(bundle, history),
                       user.is_new)


def encode_entries(items: Int32s, ratings: Float32s) -> EncodedUser:
    """The same from arrays, oldest first.

    Args:
        items: int32 of shape (n,), film indexes of the bundle, -1 for a film it does not know.
        ratings: float32 of shape (n,), NaN = watched.
    """
    is_new = len(items) == 0
    known = items >= 0
    if not known.all():
        items, ratings = items[known], ratings[known]
    history = EncodedHistory(items, preference_weights(ratings))
    sources = tuple((2 * items + ~np.isnan(ratings)).tolist())
    return EncodedUser(history, sources, items, None, is_new)


def without_history(user: EncodedUser) -> EncodedUser:
    """The user as somebody of whom nothing is known but what not to show again."""
    return EncodedUser(EncodedHistory(user.seen[:0], preference_weights(np.zeros(0, np.float32))),
                       (), user.seen, None, is_new=True)


def recommend(bundle: ModelBundle, history: History, options: RecommendOptions,
              chain: RerankChain = AS_RANKED, conditions: Conditions | None = None,
              ) -> Recommendation:
    """The list for a user; see `recommend_encoded`."""
    return recommend_encoded(bundle, encode(bundle, history), options, chain, conditions)


def recommend_encoded(bundle: ModelBundle, user: EncodedUser, options: RecommendOptions,
                      chain: RerankChain = AS_RANKED, conditions: Conditions | None = None,
                      ) -> Recommendation:
    """The model's list as the chain orders it, filled up to k where the model has fewer.

    Never holds a seen film (unless asked to), an excluded one or one twice. Shorter than k only
    when no more films are allowed. What fills up is not reranked: it holds the place of films
    that the model would rank if it could. `conditions` are needed by chains that draw or read
    exposures.
    """
    excluded = _excluded(bundle, user, options)
    allowed = None if options.genre is None else bundle.genre_mask(options.genre)
    films: list[int] = []
    reasons: list[Reason] = []
    propensities: tuple[float, ...] | None = None
    personal = False
    if not user.is_new:
        ranked = bundle.model.rank(user.history, excluded, chain.candidates(options.k), allowed,
                                   chain.factor(bundle.features))
        if chain.stages:
            ranked, propensities = _reranked(bundle, user, ranked, options.k, chain,
                                             conditions or Conditions())
        films, reasons = ranked.items.tolist(), _reasons(bundle, user, ranked, _popular(options))
        personal = any(reason.item_ids for reason in reasons)
    from_model = len(films)
    if from_model < options.k:
        if from_model:
            excluded = np.concatenate((excluded, ranked.items))
        taste = taste_of_history(bundle, user.history) if user.taste is None else user.taste
        for kind, more in fill(bundle, user.history, taste, excluded,
                               options.k - from_model, allowed):
            shown = _popular(options) if kind is ReasonKind.POPULAR else kind
            films += more.items.tolist()
            reasons += _reasons(bundle, user, more, shown)
            personal |= kind is ReasonKind.SIMILAR_CONTENT and len(more.items) > 0
    fallback = Fallback.SHORT_LIST if from_model < options.k else None
    ids = bundle.item_ids
    if propensities is not None:
        propensities += (1.0,) * (len(films) - from_model)
    return Recommendation(tuple([ids[film] for film in films]), tuple(reasons), personal,
                          Fallback.NEW_USER if user.is_new else fallback, from_model,
                          propensities)


def _reranked(bundle: ModelBundle, user: EncodedUser, ranked: Ranked, k: int, chain: RerankChain,
              conditions: Conditions) -> tuple[Ranked, tuple[float, ...] | None]:
    """The first k of the model's candidates as the chain orders them, with their propensities."""
    situation = Situation(bundle.features, user.history, conditions.shown(bundle.n_items),
                          conditions.seed)
    order = chain.apply(shortlist_of(ranked.items, ranked.scores), k, situation)
    places = order.places[:k]
    chosen = Ranked(order.items[:k], order.scores[:k], ranked.because[places])
    return chosen, tuple(order.propensities[:k].tolist()) if chain.draws else None


def similar(bundle: ModelBundle, item_id: str, k: int) -> tuple[SimilarItem, ...]:
    """Up to k films like this one: by who took both, then by content. Empty when unknown."""
    index = bundle.index.get(item_id)
    if index is None:
        return ()
    people = bundle.model.neighbours(index, k).items
    found = [SimilarItem(bundle.item_ids[i], SimilarBy.PEOPLE) for i in people.tolist()]
    if len(found) < k:
        one = np.array([index], np.int32)
        by_content = rank_by_neighbours(
            one, np.ones(1, np.float32), bundle.catalogue.content,
            np.ones(bundle.n_items, np.float32), np.concatenate((one, people)), k - len(found),
        )
        found += [SimilarItem(bundle.item_ids[i], SimilarBy.CONTENT)
                  for i in by_content.items.tolist()]
    return tuple(found)


def _excluded(bundle: ModelBundle, user: EncodedUser, options: RecommendOptions) -> Int32s:
    seen = user.seen[:0] if options.include_seen else user.seen
    if not options.exclude_ids:
        return seen
    asked = [bundle.index[i] for i in options.exclude_ids if i in bundle.index]
    return np.concatenate((seen, np.array(asked, np.int32)))


def _popular(options: RecommendOptions) -> ReasonKind:
    return ReasonKind.POPULAR if options.genre is None else ReasonKind.POPULAR_IN_GENRE


def _reasons(bundle: ModelBundle, user: EncodedUser, ranked: Ranked,
             otherwise: ReasonKind) -> list[Reason]:
    """For each film the entry of the history that led to it; `otherwise` where none did."""
    positions = ranked.because.tolist()
    sources = user.sources
    if otherwise is ReasonKind.SIMILAR_CONTENT:
        ids = bundle.item_ids
        return [Reason(otherwise, (ids[sources[at] // 2],) if at >= 0 else ())
                for at in positions]
    because = bundle.because
    rest = _WITHOUT_SOURCE[otherwise]
    return [because[sources[at]] if at >= 0 else rest for at in positions]
