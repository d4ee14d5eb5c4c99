import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from small_data import clustered, frame_of

from recommender.interactions import interactions_from_events
from recommender.split import (
    LEAST_USERS,
    Part,
    SplitName,
    by_user,
    held_out,
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


def pairs_of(interactions):
    return set(zip(interactions.entry_users().tolist(), interactions.items.tolist(), strict=True))


def answers_of(split):
    owners = np.repeat(split.users, split.later.counts)
    return set(zip(owners.tolist(), split.later.items.tolist(), strict=True))


@given(st.integers(0, 20))
def test_no_history_holds_what_is_to_be_foreseen_and_the_target_comes_first(seed):
    whole = clustered(80, 40, 12, seed)
    for name in SplitName:
        for part in Part:
            split = held_out(whole, name, part)
            assert len(split.users) and len(split.later.counts) == len(split.users)
            answers = answers_of(split)
            assert not answers & (pairs_of(split.histories) | pairs_of(split.training))
            first = split.later.items[split.later.offsets[:-1]]
            assert first.tolist() == split.targets.tolist()
            assert answers <= pairs_of(whole)


@given(st.integers(0, 20))
def test_nothing_of_the_test_part_is_in_the_validation_part(seed):
    whole = clustered(400, 40, 12, seed)
    for name in SplitName:
        validation, test = (held_out(whole, name, part) for part in Part)
        seen = pairs_of(validation.training) | pairs_of(validation.histories)
        assert not answers_of(test) & (seen | answers_of(validation))
    early, late = (held_out(whole, SplitName.TEMPORAL, part) for part in Part)
    assert early.used is late.used is SplitName.TEMPORAL and early.cut_ms < late.cut_ms


def test_users_held_out_are_kept_from_training_and_known_by_their_first_films():
    whole = clustered(50, 40, 12)
    split = by_user(whole, share=0.2, known=3)
    assert len(split.users) == 10
    assert not np.isin(split.training.entry_users(), split.users).any()
    lengths = np.diff(split.histories.user_offsets)
    assert lengths[split.users].tolist() == [3] * 10 and lengths.sum() == 30
    for user in split.users.tolist():
        assert split.histories.items[split.histories.user_entries(user)].tolist() == (
            whole.items[whole.user_entries(user)][:3].tolist())


def test_the_later_films_of_some_users_are_theirs():
    split = temporal(clustered(100, 40, 12))
    rows = np.arange(len(split.users)) % 2 == 0
    half = split.only(rows)
    assert answers_of(half) == {
        (user, item) for user, item in answers_of(split) if user in set(split.users[rows])}
    shown = np.arange(5)[None].repeat(len(half.users), axis=0)
    for user, row in zip(half.users.tolist(), half.later.found_in(shown), strict=True):
        assert row.tolist() == [(user, film) in answers_of(half) for film in range(5)]
