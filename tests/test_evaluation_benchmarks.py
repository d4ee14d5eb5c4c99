import numpy as np
import pytest

from benchmarks.cold_start import KNOWN, of_enough, without_new_films
from benchmarks.evaluation_data import DataSet
from benchmarks.live_history import replay, replay_order
from benchmarks.weighting import described
from recommender.split import by_user
from recommender.weighting import UNWEIGHTED, Weighting
from tests.small_data import clustered, films


def test_the_same_people_are_asked_for_the_film_after_those_told():
    whole = of_enough(clustered(40))
    users = by_user(whole).users.tolist()
    for known in KNOWN:
        split = by_user(whole, known=known)
        assert split.users.tolist() == users
        for user, target in zip(users, split.targets, strict=True):
            every = whole.items[whole.user_entries(user)]
            told = split.histories.items[split.histories.user_entries(user)]
            assert told.tolist() == every[:known].tolist()
            assert target == every[known]


def test_new_films_are_in_no_history_and_are_all_that_is_asked_for():
    whole = clustered(200, 40, 12)
    split = without_new_films(whole)
    assert len(split.users)
    assert not np.isin(split.targets, split.training.items).any()
    assert not np.isin(split.targets, split.histories.items).any()


@pytest.mark.parametrize("has_times", [True, False])
def test_the_replay_goes_forward_in_time_and_through_each_entry_once(has_times):
    data = DataSet("made up", clustered(50), films(), [], has_times)
    order = replay_order(data)
    assert len(set(order.tolist())) == len(order)
    whole = data.interactions
    owners = whole.entry_users()[order]
    for user in range(whole.n_users):
        own = order[owners == user]
        assert own.tolist() == sorted(own)
        assert not len(own) or own[-1] == whole.user_offsets[user + 1] - 1
    if has_times:
        assert (np.diff(whole.timestamps[order]) >= 0).all()


def test_a_model_that_reads_no_history_gains_nothing_from_a_live_one():
    data = DataSet("made up", clustered(60), films(), [], True)
    found = replay(data, "popularity")
    assert found.gain_live.tolist() == found.gain_frozen.tolist()
    read = replay(data, "transition_knn")
    assert read.n_events == found.n_events and (read.gain_live != read.gain_frozen).any()


def test_options_are_told_by_name():
    assert described(UNWEIGHTED) == "none"
    assert described(Weighting(time_strata=5, rare_balance=0.3)) == (
        "time_strata 5, rare_balance 0.3")
