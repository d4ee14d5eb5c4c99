"""The list for a user, made by the configuration of that user and kept until something changes."""

from __future__ import annotations

from collections.abc import Callable, Hashable

from recommender.kept import KeptUser, KeptUsers
from recommender.rerank.conditions import Conditions
from recommender.serving import (
    EncodedUser,
    Fallback,
    Reason,
    ReasonKind,
    Recommendation,
    RecommendOptions,
    encode,
    recommend_encoded,
    without_history,
)
from recommender.serving_configuration import (
    CHOSEN_VARIANT,
    DEFAULT_VARIANT,
    Reranking,
    ServeNewest,
)
from recommender.types import History
from web.cards import Cards
from web.recommendation_answer import (
    EncodedAnswer,
    Origin,
    asked_of,
    encode_answer,
    origin_of,
)
from web.services import Configuration, ConfigurationChoice, ServedModel, ServingState

# What is kept or remembered has to be small and likely to come again: memory stays bounded.
KEPT_K_MAX = 20
ORIGINS_MAX = 64
Observe = Callable[[str, RecommendOptions, EncodedAnswer], None]


class Lists:
    """Makes and keeps the lists; knows nothing of HTTP.

    `choose` decides by which configuration a user is answered; by default it is the model that
    serves with the chain of `reranking`. `observe` is told of each answer that was given.
    """

    def __init__(self, kept: KeptUsers[EncodedUser, EncodedAnswer],
                 load: Callable[[str], History], cards: Cards, serving: ServingState,
                 keep_lists: bool, reranking: Reranking | None = None,
                 choose: ConfigurationChoice | None = None,
                 observe: Observe | None = None) -> None:
        self._kept = kept
        self._load = load
        self._cards = cards
        self._keep_lists = keep_lists
        self._reranking = reranking or Reranking()
        self._choose = choose or ServeNewest(serving, self._reranking.chain)
        self.observe = observe
        self._origins: dict[tuple[str, object], Origin] = {}

    def answer(self, user_id: str, options: RecommendOptions) -> EncodedAnswer:
        """The list of this user's configuration, or the newest films before the first model."""
        configuration = self._choose(user_id)
        if configuration is None:
            return self._newest(user_id, options)
        if options.diversity is not None:
            configuration = configuration.with_diversity(
                self._reranking.diversity, options.diversity, CHOSEN_VARIANT)
        served = configuration.served
        bundle = served.bundle
        user = self._kept.get(user_id, served.version, lambda history: encode(bundle, history))
        # Nothing is added to the way of a list that nobody reorders.
        key: Hashable = options
        conditions = None
        if configuration.key is not None:
            moment, conditions = self._reranking.conditions(
                configuration.chain, user_id, bundle.item_ids)
            key = options, configuration.key, moment
        if not self._keep_lists:
            return self._compute(configuration, user_id, user, options, conditions)
        answer = user.lists.get(key)
        if answer is None:
            answer = self._compute(configuration, user_id, user, options, conditions)
            if options.k <= KEPT_K_MAX and not options.exclude_ids:
                user.keep(key, answer)
        return answer

    def failure(self, user_id: str, options: RecommendOptions) -> EncodedAnswer:
        """What is logged of a list that could not be made: whose it was to be, and no films."""
        configuration = self._choose(user_id)
        variant = DEFAULT_VARIANT if configuration is None else configuration.variant
        nothing = Recommendation((), (), is_personalized=False, fallback=None, from_model=0)
        return encode_answer(user_id, options.k, nothing, origin_of(configuration), variant, 0, {})

    def forget(self, user_id: str) -> None:
        """Make the next list of a user from what the store then knows."""
        self._kept.forget([user_id])

    def of_model(self, served: ServedModel) -> Lists:
        """Lists of this model whatever serves; none is kept, and their variant tells them apart."""
        serving = ServingState(served)
        return Lists(KeptUsers(self._load, 0), self._load, self._cards, serving, False,
                     self._reranking,
                     ServeNewest(serving, self._reranking.chain, CHOSEN_VARIANT))

    def _compute(self, configuration: Configuration, user_id: str,
                 user: KeptUser[EncodedUser, EncodedAnswer], options: RecommendOptions,
                 conditions: Conditions | None) -> EncodedAnswer:
        personal = configuration.personal
        encoded = user.encoded if personal else without_history(user.encoded)
        recommendation = recommend_encoded(configuration.served.bundle, encoded, options,
                                           configuration.chain, conditions)
        if not personal:
            recommendation = recommendation._replace(fallback=None)
        answer = encode_answer(user_id, options.k, recommendation, self._origin(configuration),
                               configuration.variant, user.history_version, self._cards.encoded(),
                               asked_of(options))
        return answer if personal else answer._replace(kind=configuration.variant)

    def _origin(self, configuration: Configuration) -> Origin:
        key = configuration.served.version_id, configuration.chain
        origin = self._origins.get(key)
        if origin is None:
            if len(self._origins) >= ORIGINS_MAX:  # anyone may ask for any strength
                self._origins.clear()
            origin = self._origins[key] = origin_of(configuration)
        return origin

    def _newest(self, user_id: str, options: RecommendOptions) -> EncodedAnswer:
        history = self._load(user_id)
        seen = () if options.include_seen else [entry.item_id for entry in history.entries]
        hidden = frozenset((*options.exclude_ids, *seen))
        items = self._cards.newest(options.k, hidden, options.genre)
        recommendation = Recommendation(
            tuple(items), (Reason(ReasonKind.NEW),) * len(items),
            is_personalized=False, fallback=Fallback.NO_MODEL, from_model=0)
        return encode_answer(user_id, options.k, recommendation, origin_of(None),
                             DEFAULT_VARIANT, history.version, self._cards.encoded())
