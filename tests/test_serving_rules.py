import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_data import bundle_of, clustered_rows, films, frame_of, history_of

from recommender.evaluate import recommend_all
from recommender.filling import SEARCHES_COUNTED
from recommender.interactions import interactions_from_events
from recommender.models import MODELS
from recommender.serving import (
    Fallback,
    Reason,
    ReasonKind,
    RecommendOptions,
    SimilarBy,
    encode,
    recommend,
    recommend_encoded,
    similar,
)
from recommender.types import EventType, History, HistoryEntry, Movie

ROWS = clustered_rows()
WHOLE = interactions_from_events(frame_of(ROWS))
UNRATED = [Movie("new1", "Fresh", 1985, ("Comedy",)), Movie("new2", "", None, ())]
MOVIES = [*films(), *UNRATED]
BUNDLES = {name: bundle_of(name, WHOLE, MOVIES) for name in MODELS}
BUNDLE = BUNDLES["transition_knn"]
ALL_IDS = set(BUNDLE.item_ids)
GENRES = {movie.item_id: movie.genres for movie in MOVIES}
COMEDIES = {i for i, genres in GENRES.items() if "Comedy" in genres}


def entry(item, kind="watch", rating=None, at=0):
    return HistoryEntry(item, EventType(kind), rating, at, f"e{at}")


def history(*entries, searches=(), user="someone"):
    return History(user, 1, tuple(entries), tuple(searches))


def ids(answer):
    return [item.item_id for item in answer.items]


HISTORIES = st.lists(
    st.tuples(st.sampled_from([*sorted(ALL_IDS), "stranger"]),
              st.sampled_from([None, 0.5, 2.0, 4.5]), st.booleans()), max_size=12,
).map(lambda rows: history(*(
    entry(item, "view" if is_view else "watch" if rating is None else "rate",
          None if is_view else rating, at)
    for at, (item, rating, is_view) in enumerate({r[0]: r for r in rows}.values()))))
OPTIONS = st.builds(
    RecommendOptions, k=st.integers(1, 100),
    exclude_ids=st.lists(st.sampled_from([*sorted(ALL_IDS), "stranger"])).map(tuple),
    genre=st.sampled_from([None, "Comedy", "drama", "Western"]), include_seen=st.booleans())


@pytest.mark.parametrize("name", MODELS)
@given(user=HISTORIES, options=OPTIONS)
@settings(max_examples=60, deadline=None)
def test_a_list_is_as_long_as_the_rules_allow_and_holds_nothing_they_forbid(name, user, options):
    answer = recommend(BUNDLES[name], user, options)
    right = set(ALL_IDS) - set(options.exclude_ids)
    taken = {e.item_id for e in user.entries if e.type is not EventType.VIEW}
    if not options.include_seen:
        right -= taken
    if options.genre:
        right = {i for i in right if options.genre.title() in GENRES[i]}
    found = ids(answer)
    assert set(found) <= right and len(set(found)) == len(found)
    assert len(found) == min(options.k, len(right))
    assert 0 <= answer.from_model <= len(found)
    assert (answer.fallback is Fallback.NEW_USER) == (not taken)
    if taken:
        assert (answer.fallback is Fallback.SHORT_LIST) == (answer.from_model < options.k)
    for item in answer.items:
        assert set(item.reason.item_ids) <= taken


@pytest.mark.parametrize("name", MODELS)
def test_the_evaluator_and_a_live_history_give_the_same_list(name):
    bundle = BUNDLES[name]
    offline = recommend_all(bundle, WHOLE, np.arange(WHOLE.n_users, dtype=np.int32), 10)
    for user, answer in zip(WHOLE.user_ids, offline, strict=True):
        live = history_of(ROWS, user)
        assert recommend(bundle, live, RecommendOptions(k=10)) == answer


def test_reasons_tell_rated_from_watched_films():
    for kind, rating, reason in (("rate", 4.5, ReasonKind.BECAUSE_YOU_RATED),
                                 ("watch", None, ReasonKind.BECAUSE_YOU_WATCHED)):
        answer = recommend(BUNDLE, history(entry("f3", kind, rating)), RecommendOptions(k=3))
        assert answer.is_personalized and answer.fallback is None
        assert set(answer.reasons) == {Reason(reason, ("f3",))}


def test_the_model_stays_within_the_half_that_a_user_likes():
    answer = recommend(BUNDLE, history(entry("f3"), entry("f5", at=1)), RecommendOptions(k=10))
    assert set(ids(answer)) <= COMEDIES


def test_a_new_rating_changes_the_list_without_another_fit():
    before = recommend(BUNDLE, history(entry("f3")), RecommendOptions(k=10))
    after = recommend(BUNDLE, history(entry("f3"), entry("f30", at=1)), RecommendOptions(k=10))
    assert not set(ids(before)) & set(ids(after)[:3])


def test_a_low_rating_counts_against_films_like_it():
    liked = history(entry("f3"), entry("f30", "rate", 5.0, at=1))
    disliked = history(entry("f3"), entry("f30", "rate", 1.0, at=1))
    options = RecommendOptions(k=10)
    assert not set(ids(recommend(BUNDLE, liked, options))[:3]) & COMEDIES
    assert set(ids(recommend(BUNDLE, disliked, options))) <= COMEDIES
    reasons = {i for item in recommend(BUNDLE, disliked, options).items
               for i in item.reason.item_ids}
    assert reasons == {"f3"}


def test_after_nothing_but_a_low_rating_films_like_it_come_late():
    answer = recommend(BUNDLE, history(entry("f30", "rate", 0.5)), RecommendOptions(k=15))
    assert answer.fallback is Fallback.SHORT_LIST
    content = BUNDLE.catalogue.content
    row = BUNDLE.index["f30"]
    like_it = {BUNDLE.item_ids[i]
               for i in content.items[content.starts[row]:content.starts[row + 1]]}
    assert not set(ids(answer)) & like_it


def test_a_user_whom_nobody_knows_gets_popular_films():
    answer = recommend(BUNDLE, history(), RecommendOptions(k=5))
    assert (answer.fallback, answer.is_personalized) == (Fallback.NEW_USER, False)
    assert {item.reason.kind for item in answer.items} == {ReasonKind.POPULAR}
    counts = WHOLE.item_counts()
    most = sorted(counts.tolist(), reverse=True)[:5]
    assert [int(counts[WHOLE.item_ids.index(i)]) for i in ids(answer)] == most


@pytest.mark.parametrize("browsed", [
    history(entry("f1", "view"), entry("f4", "view", at=1)),
    history(searches=("a good comedy",)),
    history(searches=("ALPHA 7",)),
])
def test_views_and_searches_choose_the_genre_for_a_new_user(browsed):
    answer = recommend(BUNDLE, browsed, RecommendOptions(k=8))
    assert answer.fallback is Fallback.NEW_USER and set(ids(answer)) <= COMEDIES
    assert {item.reason.kind for item in answer.items} == {ReasonKind.POPULAR_IN_GENRE}


def test_a_genre_asked_for_is_named_as_the_reason():
    answer = recommend(BUNDLE, history(), RecommendOptions(k=8, genre="drama"))
    assert {item.reason.kind for item in answer.items} == {ReasonKind.POPULAR_IN_GENRE}
    assert not set(ids(answer)) & COMEDIES


def test_a_history_of_films_that_nobody_else_took_is_answered_by_content():
    answer = recommend(BUNDLE, history(entry("new1")), RecommendOptions(k=5))
    assert answer.fallback is Fallback.SHORT_LIST and answer.is_personalized
    assert set(answer.reasons) == {Reason(ReasonKind.SIMILAR_CONTENT, ("new1",))}
    assert set(ids(answer)) <= COMEDIES


def test_a_history_of_unknown_films_is_answered_by_popularity():
    answer = recommend(BUNDLE, history(entry("stranger")), RecommendOptions(k=5))
    assert (answer.fallback, answer.is_personalized) == (Fallback.SHORT_LIST, False)
    assert {item.reason.kind for item in answer.items} == {ReasonKind.POPULAR}


def test_films_that_nobody_took_come_last_and_are_called_new():
    answer = recommend(BUNDLE, history(), RecommendOptions(k=100))
    assert {item.item_id for item in answer.items if item.reason.kind is ReasonKind.NEW} == {
        "new1", "new2"}
    assert set(ids(answer)[-2:]) == {"new1", "new2"}


def test_an_encoded_history_serves_many_requests():
    live = history_of(ROWS, "u3")
    kept = encode(BUNDLE, live)
    for options in (RecommendOptions(), RecommendOptions(k=3, genre="Drama")):
        assert recommend_encoded(BUNDLE, kept, options) == recommend(BUNDLE, live, options)


def test_a_pickled_bundle_answers_alike_and_can_not_be_changed():
    copy = pickle.loads(pickle.dumps(BUNDLE))
    live = history_of(ROWS, "u5")
    assert recommend(copy, live, RecommendOptions()) == recommend(BUNDLE, live, RecommendOptions())
    assert copy.index == BUNDLE.index and copy.hyperparameters == BUNDLE.hyperparameters
    arrays = (copy.model.similar.weights, copy.model.factor, copy.popularity.counts,
              copy.catalogue.genre_masks, copy.catalogue.content.items)
    assert not any(array.flags.writeable for array in arrays)


def test_similar_films_come_from_people_first_then_from_content():
    found = similar(BUNDLE, "f3", 100)
    kinds = [item.by for item in found]
    assert kinds == sorted(kinds, key=[SimilarBy.PEOPLE, SimilarBy.CONTENT].index)
    assert found[0].by is SimilarBy.PEOPLE
    names = [item.item_id for item in found]
    assert "f3" not in names and len(set(names)) == len(names)


def test_a_film_that_nobody_took_is_similar_by_content():
    found = similar(BUNDLE, "new1", 5)
    assert {item.by for item in found} == {SimilarBy.CONTENT}
    assert {item.item_id for item in found} <= COMEDIES


def test_an_unknown_film_is_similar_to_none():
    assert similar(BUNDLE, "stranger", 5) == ()


def test_the_newest_searches_choose_the_genre_and_older_ones_count_no_more():
    old, new = ["drama"] * 10_000, ["comedy"] * SEARCHES_COUNTED
    answer = recommend(BUNDLE, history(searches=(*old, *new)), RecommendOptions(k=5))
    assert set(ids(answer)) <= COMEDIES
    assert ids(answer) == ids(recommend(BUNDLE, history(searches=tuple(new)),
                                        RecommendOptions(k=5)))


def test_a_search_without_any_word_chooses_nothing():
    answer = recommend(BUNDLE, history(searches=("!!", "?")), RecommendOptions(k=5))
    assert ids(answer) == ids(recommend(BUNDLE, history(), RecommendOptions(k=5)))
