import time

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st
from small_data import clustered, frame_of, history_of

from recommender.interactions import (
    fold_history,
    interactions_from_events,
    order_item_ids,
    preference_weights,
)

ROWS = st.lists(
    st.tuples(
        st.sampled_from(["rate", "watch", "view", "undo"]), st.sampled_from(["u1", "u2", "U1"]),
        st.sampled_from(["a", "b", "c"]), st.none(), st.integers(0, 3),
    ),
    max_size=25,
).map(lambda rows: [
    (kind, user, item, (n % 10 + 1) / 2 if kind == "rate" else None, at)
    for n, (kind, user, item, _, at) in enumerate(rows)
])


def as_lists(interactions):
    found = {}
    for index, user in enumerate(interactions.user_ids):
        at = interactions.user_entries(index)
        found[user] = (
            [interactions.item_ids[i] for i in interactions.items[at]],
            [None if np.isnan(r) else float(r) for r in interactions.ratings[at]],
        )
    return found


@given(ROWS)
def test_the_fold_of_a_frame_equals_the_fold_of_each_live_history(rows):
    folded = as_lists(interactions_from_events(frame_of(rows)))
    for user in ("u1", "u2", "U1"):
        live = fold_history(history_of(rows, user))
        assert folded.get(user, ([], [])) == (live.item_ids, live.ratings)


@given(ROWS, st.randoms(use_true_random=False))
def test_the_fold_does_not_depend_on_the_order_of_rows(rows, random):
    frame = frame_of(rows)
    order = list(range(len(rows)))
    random.shuffle(order)
    once, again = interactions_from_events(frame), interactions_from_events(frame.iloc[order])
    assert as_lists(once) == as_lists(again)
    assert once.timestamps.tolist() == again.timestamps.tolist()
    assert once.first_timestamps.tolist() == again.first_timestamps.tolist()


@given(ROWS)
def test_the_fold_is_that_of_the_events_that_nobody_took_back(rows):
    frame = frame_of(rows)
    left = [
        n for n, (kind, user, item, _, at) in enumerate(rows)
        if kind != "undo" and not any(
            (other, who, film) == ("undo", user, item) and (at, n) < (until, m)
            for m, (other, who, film, _, until) in enumerate(rows))
    ]
    found, expected = interactions_from_events(frame), interactions_from_events(frame.iloc[left])
    assert (found.user_ids, found.item_ids) == (expected.user_ids, expected.item_ids)
    assert as_lists(found) == as_lists(expected)
    assert found.timestamps.tolist() == expected.timestamps.tolist()
    assert found.first_timestamps.tolist() == expected.first_timestamps.tolist()


def test_an_undo_takes_back_what_has_its_time_and_a_smaller_event_id():
    rows = [("rate", "u", "a", 1.0, 5), ("undo", "u", "a", None, 5), ("watch", "u", "b", None, 5),
            ("undo", "u", "b", None, 5), ("rate", "v", "a", 2.0, 5)]
    found = interactions_from_events(frame_of(rows, ["1", "2", "4", "3", "0"]))
    assert as_lists(found) == {"u": (["b"], [None]), "v": (["a"], [2.0])}
    assert interactions_from_events(frame_of(rows[:2])).n_users == 0


def test_a_film_taken_again_after_an_undo_is_first_known_from_then_on():
    found = interactions_from_events(frame_of([
        ("rate", "u", "a", 2.0, 10), ("undo", "u", "a", None, 20), ("watch", "u", "a", None, 30),
    ]))
    assert as_lists(found) == {"u": (["a"], [None])}
    assert found.timestamps.tolist() == found.first_timestamps.tolist() == [30]


def test_a_pair_keeps_its_rating_and_stands_at_the_later_of_rating_and_watch():
    found = interactions_from_events(frame_of([
        ("rate", "u", "a", 2.0, 10), ("rate", "u", "b", 5.0, 20), ("watch", "u", "a", None, 30),
    ]))
    assert as_lists(found) == {"u": (["b", "a"], [5.0, 2.0])}
    assert found.timestamps.tolist() == [20, 30]
    assert found.first_timestamps.tolist() == [20, 10]


def test_equal_times_are_ordered_by_event_id():
    rows = [("rate", "u", "a", 1.0, 5), ("rate", "u", "a", 4.0, 5), ("watch", "u", "b", None, 5)]
    found = interactions_from_events(frame_of(rows, ["z", "y", "x"]))
    assert as_lists(found) == {"u": (["b", "a"], [None, 1.0])}


def test_no_events_give_no_interactions():
    found = interactions_from_events(frame_of([("search", "u", "a", None, 1)]))
    assert (found.n_users, found.n_items, found.watermark_ms) == (0, 0, 0)
    assert found.user_offsets.tolist() == [0]


def test_item_order_does_not_follow_the_ids():
    ids = [str(n) for n in range(1, 1_001)]
    places = np.array([int(i) for i in order_item_ids(ids)])
    assert sorted(places) == list(range(1, 1_001))
    assert abs(np.corrcoef(places, np.arange(1_000))[0, 1]) < 0.1


def test_a_wider_catalogue_keeps_every_entry():
    narrow = clustered(10)
    wide = narrow.with_items(["new1", "new2"])
    assert wide.n_items == narrow.n_items + 2
    assert as_lists(wide) == as_lists(narrow)


def test_the_arrays_can_not_be_changed():
    found = clustered(4)
    arrays = (found.items, found.ratings, found.timestamps, found.user_offsets)
    assert not any(array.flags.writeable for array in arrays)


def test_weights_never_fall_with_the_rating_and_low_ratings_count_against():
    ratings = np.arange(0.5, 5.5, 0.5, dtype=np.float32)
    weights = preference_weights(ratings)
    assert (np.diff(weights) >= 0).all()
    assert (weights[ratings < 2] < 0).all() and (weights[ratings >= 2.5] == 1).all()
    assert np.abs(weights).max() <= 1
    assert preference_weights(np.array([np.nan], np.float32)).tolist() == [1.0]


def test_a_fold_of_many_events_takes_a_moment():
    n = 200_000
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({
        "event_id": [f"{i:x}" for i in range(n)], "type": "watch",
        "user_id": rng.integers(0, 2_000, n).astype(str),
        "item_id": rng.integers(0, 3_000, n).astype(str),
        "rating": np.nan, "timestamp_ms": rng.integers(0, 1_000, n),
    })
    start = time.perf_counter()
    whole = interactions_from_events(frame)
    assert time.perf_counter() - start < 3.0
    frame.loc[rng.random(n) < 0.1, "type"] = "undo"
    start = time.perf_counter()
    assert len(interactions_from_events(frame).items) < len(whole.items)
    assert time.perf_counter() - start < 3.0


def test_the_place_of_each_entry_counts_up_within_its_user():
    whole = clustered(7).select(np.arange(7 * 12) % 5 > 0)
    lengths = [len(whole.items[whole.user_entries(user)]) for user in range(whole.n_users)]
    assert whole.entry_places().tolist() == [place for n in lengths for place in range(n)]
