"""What is judged is what is served: the evaluator's list for a history and /recommend's are one."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
import pytest

from adapters.catalogue import SqlCatalogue
from adapters.event_store import SqlEventStore
from recommender.evaluate import recommend_all
from recommender.interactions import interactions_from_events
from recommender.kept import KeptUsers
from recommender.models import MODELS
from recommender.rerank import RERANKERS
from recommender.rerank.chain import AS_RANKED, RerankChain, chain_of
from recommender.rerank.conditions import ExposureBoard
from recommender.schemas import Columns
from recommender.serving import EncodedUser
from recommender.serving_configuration import Reranking
from recommender.simulate import World as Simulated
from recommender.simulate import WorldSpec, simulate_world
from recommender.types import ModelStatus
from tests.small_data import bundle_of
from tests.store_of_tests import new_store
from tests.web_world import NOW_MS, World, served_model
from web.cards import Cards
from web.lists import Lists
from web.model_lists import ModelLists
from web.recommend import topic
from web.recommendation_answer import EncodedAnswer
from web.surface import Surface

HISTORIES = 1_000
SPEC = WorldSpec(seed=11, n_movies=400, n_users=HISTORIES, n_events=20_000)
K = 10
EVERY_RERANKER = chain_of(dict.fromkeys(RERANKERS, 0.3))
DAY_MS = 86_400_000


@pytest.fixture(scope="module")
def simulated() -> Simulated:
    """A world whose clock knows days only, so that event ids decide, with ratings changed and
    films taken back."""
    world = simulate_world(SPEC)
    world.events[Columns.TIMESTAMP] -= world.events[Columns.TIMESTAMP] % DAY_MS
    random = np.random.default_rng(1)
    rated = world.events[world.events[Columns.RATING].notna()]
    again = rated.sample(1_500, random_state=1).reset_index(drop=True)
    again[Columns.EVENT_ID] = [f"{place}-again" for place in random.permutation(len(again))]
    again[Columns.RATING] = random.integers(1, 11, len(again)) / 2
    again.loc[again.index[:700], Columns.TIMESTAMP] += DAY_MS
    films_of = world.events.groupby(Columns.USER)[Columns.ITEM].transform("nunique")
    many = world.events[films_of > 10]  # everybody keeps a history
    back = many.sample(1_200, random_state=3).reset_index(drop=True)
    back[Columns.EVENT_ID] = [f"{place}-undo" for place in random.permutation(len(back))]
    back[Columns.TYPE], back[Columns.RATING] = "undo", np.nan
    back.loc[back.index[:400], Columns.TIMESTAMP] += DAY_MS
    return world.with_events(pd.concat([again, back], ignore_index=True))


@pytest.fixture(scope="module")
def store(
    simulated: Simulated, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[SqlEventStore, SqlCatalogue]]:
    """The world, applied in another order than that of time."""
    engine = new_store(tmp_path_factory.mktemp("store"))
    events, catalogue = SqlEventStore(engine), SqlCatalogue(engine)
    catalogue.add_movies(simulated.movies)
    shuffled = simulated.events.sample(frac=1.0, random_state=2).reset_index(drop=True)
    for start in range(0, len(shuffled), 10_000):
        events.apply(shuffled.iloc[start : start + 10_000])
    yield events, catalogue
    engine.dispose()


@pytest.mark.parametrize("keep_lists", [True, False], ids=["kept", "computed"])
@pytest.mark.parametrize(("name", "chain"), [
    *((name, AS_RANKED) for name in MODELS), ("transition_knn", EVERY_RERANKER)])
def test_the_evaluator_and_the_route_give_the_same_list_for_each_of_1000_histories(
    name: str, chain: RerankChain, keep_lists: bool, simulated: Simulated,
    store: tuple[SqlEventStore, SqlCatalogue],
) -> None:
    events, catalogue = store
    board = ExposureBoard()
    board.post({movie.item_id: float(place) for place, movie in enumerate(simulated.movies)})
    reranking = Reranking(chain, period_ms=DAY_MS, board=board, now_ms=lambda: NOW_MS)
    early = simulated.events.iloc[: len(simulated.events) * 7 // 10]
    # Fitted on the first part only: the histories hold films that the model does not know.
    bundle = bundle_of(name, interactions_from_events(early), simulated.movies[::2])
    frame = pd.concat(list(events.event_chunks(0, 7_000)), ignore_index=True)
    histories = interactions_from_events(frame)
    assert not set(histories.item_ids) <= set(bundle.item_ids)
    users = np.arange(histories.n_users, dtype=np.int32)
    judged = recommend_all(bundle, histories, users, K, chain, NOW_MS // DAY_MS,
                           board.of(bundle.item_ids))
    assert len(judged) == HISTORIES
    assert len(histories.items) < len(frame[[Columns.USER, Columns.ITEM]].drop_duplicates())

    kept: KeptUsers[EncodedUser, EncodedAnswer] = KeptUsers(events.history, HISTORIES)
    cards = Cards(catalogue)

    def recommend(surface: Surface) -> None:
        lists = Lists(kept, events.history, cards, surface.services.serving, keep_lists, reranking)
        topic(lists, ModelLists(surface.services.allow_list, lists, served_model))(surface)

    world = World(further_topics=[recommend])
    world.add_model("20260101T000000Z", ModelStatus.SERVING, name, bundle)
    for user_id, expected in zip(histories.user_ids, judged, strict=True):
        answer = world.client.get(f"/recommend?user_id={user_id}&k={K}").json
        served = [(film["item_id"], film["reason"]["kind"], tuple(film["reason"]["item_ids"]))
                  for film in answer["recommendations"]]
        assert served == [(i.item_id, i.reason.kind.value, i.reason.item_ids)
                          for i in expected.items], user_id
        assert answer["is_personalized"] is expected.is_personalized
        assert answer["fallback"] == expected.fallback
        propensities = answer["provenance"].get("propensities")
        assert propensities == (None if expected.propensities is None
                                else list(expected.propensities))
    assert len({tuple(i.item_id for i in answer.items) for answer in judged}) > 1
