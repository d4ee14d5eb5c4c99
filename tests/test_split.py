import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from small_data import clustered, frame_of

from recommender.interactions import interactions_from_events
from recommender.split import (
    LEAST_USERS,
    SplitName,
    leave_last_out,
    split_interactions,
    temporal,
)


def test_leave_last_out_takes_the_last_film_of_each_user_with_two():
    whole = interactions_from_events(frame_of([
        ("watch", "u1", "a", None, 1), ("watch", "u1", "b", None, 2), ("watch", "u1", "c", None, 3),
        ("watch", "u2", "a", None, 9),
    ]))
    split = leave_last_out(whole)
    assert [whole.user_ids[u] for u in split.users] == ["u1"]
    assert [whole.item_ids[i] for i in split.targets] == ["c"]
    assert [whole.item_ids[i] for i in split.training.items] == ["a", "b", "a"]
    assert split.cut_ms == 2


@given(st.integers(0, 50), st.integers(2, 12))
def test_the_temporal_split_never_trains_on_the_future(seed, length):
    whole = clustered(40, 40, length, seed)
    split = temporal(whole)
    assert (split.training.timestamps <= split.cut_ms).all()
    for user, target in zip(split.users, split.targets, strict=True):
        entries = whole.user_entries(int(user))
        later = whole.timestamps[entries] > split.cut_ms
        assert later.any() and not later.all()
        assert target == whole.items[entries][later][0]


def test_a_film_known_before_the_cut_is_no_target():
    rows = [("watch", "old", f"x{n}", None, n) for n in range(20)]
    rows += [("rate", "u", "a", 4.0, 1), ("rate", "u", "b", 4.0, 2),
             ("watch", "u", "a", None, 100), ("watch", "u", "c", None, 101)]
    whole = interactions_from_events(frame_of(rows))
    split = temporal(whole)
    targets = {whole.user_ids[u]: whole.item_ids[i]
               for u, i in zip(split.users, split.targets, strict=True)}
    assert targets["u"] == "c"


def test_too_few_users_after_the_cut_fall_back_to_leave_last_out_and_say_so():
    split = split_interactions(clustered(5, length=4), SplitName.TEMPORAL)
    assert split.requested is SplitName.TEMPORAL
    assert split.used is SplitName.LEAVE_LAST_OUT
    assert len(split.users) == 5


def test_enough_users_keep_the_temporal_split():
    split = split_interactions(clustered(400), SplitName.TEMPORAL)
    assert split.used is SplitName.TEMPORAL
    assert len(split.users) >= LEAST_USERS


def test_no_interactions_split_into_nothing():
    empty = interactions_from_events(frame_of([]))
    for name in SplitName:
        assert len(split_interactions(empty, name).users) == 0
    assert np.array_equal(temporal(empty).targets, [])
