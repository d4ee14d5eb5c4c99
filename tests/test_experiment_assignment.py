"""Who gets which arm."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender.experiments.assignment import Arm, arm_at, position
from recommender.experiments.sample_ratio import sample_ratio

USERS = [str(user) for user in range(4_000)]


def arms(percentage):
    return (Arm("B", percentage), Arm("A", 100.0 - percentage))


def test_a_user_stays_in_their_arm():
    assert {position("salt", "first", "42") for _ in range(3)} == {position("salt", "first", "42")}


def test_more_users_for_the_candidate_take_it_from_nobody():
    places = {user: position("salt", "canary", user) for user in USERS}
    had = {user for user, place in places.items() if arm_at(place, arms(5.0)) == "B"}
    have = {user for user, place in places.items() if arm_at(place, arms(25.0)) == "B"}
    assert had and had < have


def test_arms_are_filled_as_asked():
    counted = [0, 0]
    for user in USERS:
        counted[arm_at(position("salt", "x", user), arms(30.0)) == "A"] += 1
    assert not sample_ratio(counted, (30, 70)).blocks


def test_two_experiments_divide_users_independently():
    both = sum(position("salt", "one", u) < 0.5 and position("salt", "two", u) < 0.5 for u in USERS)
    assert both == pytest.approx(len(USERS) / 4, abs=4 * (len(USERS) * 3 / 16) ** 0.5)


def test_another_salt_divides_otherwise():
    same = sum((position("a", "x", u) < 0.5) == (position("b", "x", u) < 0.5) for u in USERS)
    assert same == pytest.approx(len(USERS) / 2, abs=4 * (len(USERS) / 4) ** 0.5)


@given(st.text(max_size=5), st.text(max_size=5), st.text(max_size=5))
def test_positions_lie_from_0_to_below_1(salt, experiment, user):
    assert 0.0 <= position(salt, experiment, user) < 1.0


def test_salt_and_experiment_do_not_run_into_each_other():
    assert position("ab", "c", "d") != position("a", "bc", "d") != position("a", "b", "cd")


def test_percentages_that_are_not_all_are_refused():
    with pytest.raises(ValueError, match="not to 100"):
        arm_at(0.5, (Arm("A", 50.0), Arm("B", 40.0)))
