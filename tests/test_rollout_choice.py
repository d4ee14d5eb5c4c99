"""Who is answered by what while a rollout runs."""

from __future__ import annotations

from collections import Counter

from recommender.experiments.rollout_choice import RolloutChoice, RolloutPlan
from recommender.experiments.sample_ratio import sample_ratio

USERS = [f"u{n}" for n in range(3_000)]


def plan(share: float, name: str = "x") -> RolloutPlan[str]:
    return RolloutPlan(name, "salt", share, "candidate", "stable")


def counted(choice: RolloutChoice[str]) -> Counter[str | None]:
    return Counter(choice(user) for user in USERS)


def test_without_a_rollout_the_newest_answers_everybody() -> None:
    assert counted(RolloutChoice(lambda user: "newest")) == {"newest": len(USERS)}
    assert RolloutChoice(lambda user: None)("u") is None


def test_a_plan_divides_users_as_asked_and_sticks() -> None:
    choice = RolloutChoice(lambda user: "newest")
    choice.use(plan(0.25))
    found = counted(choice)
    assert not sample_ratio((found["candidate"], found["stable"]), (25, 75)).blocks
    first = {user: choice(user) for user in USERS}
    choice.use(plan(0.5))
    assert all(choice(user) == "candidate" for user, arm in first.items() if arm == "candidate")
    choice.use(None)
    assert counted(choice) == {"newest": len(USERS)}


def test_the_holdout_is_the_same_group_at_all_times() -> None:
    choice = RolloutChoice(lambda user: "newest", lambda of: f"{of} without history", 0.1, "h")
    apart = {user for user in USERS if choice(user) == "newest without history"}
    assert 0.07 < len(apart) / len(USERS) < 0.13
    choice.use(plan(0.5))
    assert {user for user in USERS if choice(user) == "stable without history"} == apart
    others = Counter(choice(user) for user in USERS if user not in apart)
    assert not sample_ratio((others["candidate"], others["stable"]), (50, 50)).blocks
