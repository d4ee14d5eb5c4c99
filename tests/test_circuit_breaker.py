"""A circuit opens after failures, lets trials through, and closes again."""

from __future__ import annotations

from recommender.circuit_breaker import CircuitBreaker


def test_calls_are_made_until_so_many_have_failed_in_a_row() -> None:
    breaker = CircuitBreaker(failures_max=3, pause_s=2)
    for _ in range(2):
        breaker.failed(10)
        assert breaker.wait_s(10) == 0 and not breaker.open
    breaker.succeeded()
    for _ in range(2):
        breaker.failed(10)
    assert not breaker.open
    breaker.failed(10)
    assert breaker.open and breaker.wait_s(10) == 2 and breaker.wait_s(11.5) == 0.5


def test_after_the_pause_a_trial_is_made_and_each_failed_one_doubles_the_pause_up_to_a_bound() -> (
    None
):
    breaker = CircuitBreaker(failures_max=1, pause_s=1, pause_max_s=5)
    now_s, pauses = 100.0, []
    for _ in range(5):
        breaker.failed(now_s)
        pauses.append(breaker.wait_s(now_s))
        now_s += pauses[-1]
        assert breaker.wait_s(now_s) == 0 and breaker.open
    assert pauses == [1, 2, 4, 5, 5]


def test_a_trial_that_succeeds_closes_the_circuit_and_forgets_the_pauses() -> None:
    breaker = CircuitBreaker(failures_max=1, pause_s=1)
    breaker.failed(0)
    breaker.failed(1)
    breaker.succeeded()
    assert not breaker.open and breaker.wait_s(1) == 0
    breaker.failed(2)
    assert breaker.wait_s(2) == 1
