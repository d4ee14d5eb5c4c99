"""How often the tests of `recommender.experiments` err, in simulated experiments without effect.

Compared at every look with the z-test and with an exact bet on pairs (a user of each arm, ties
left out, a Beta(1/2, 1/2) mixture over who wins), which needs no central limit theorem but arms of
equal size.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import betaln, ndtri

from recommender.experiments.arm_sums import ArmSums
from recommender.experiments.sequential import USERS_MIN, always_valid


@dataclass(frozen=True, slots=True)
class Erred:
    """Experiments that called a difference at some look, by test."""

    experiments: int
    always_valid: int
    z_test: int
    z_test_at_end: int
    bet: int | None


def one_user_one_row(rates: tuple[float, float], share_b: float, look_users: int, looks: int,
                     experiments: int, scale: float, seed: int) -> Erred:
    """Each user counts once; `look_users` new ones come between two looks."""
    rng = np.random.default_rng(seed)
    calls = np.zeros((4, experiments), bool)
    for run in range(experiments):
        users_b = rng.binomial(look_users, share_b, looks).cumsum()
        users_a = look_users * np.arange(1, looks + 1) - users_b
        hits_a = _grown(rng, users_a, rates[0])
        hits_b = _grown(rng, users_b, rates[1])
        calls[0, run] = _always_valid_calls(users_a, hits_a, users_b, hits_b, scale)
        z = _z(users_a, hits_a, users_b, hits_b) > float(ndtri(0.975))
        calls[1, run], calls[2, run] = z.any(), z[-1]
        if share_b == 0.5:
            calls[3, run] = _bet_calls(rng, rates, look_users // 2, looks)
    return Erred(experiments, *calls[:3].sum(axis=1).tolist(),
                 int(calls[3].sum()) if share_b == 0.5 else None)


def users_who_return(mean_rate: float, users: int, looks: int, experiments: int, scale: float,
                     seed: int) -> Erred:
    """All users are there from the start, differ in their rates, and ask once a look on average."""
    rng = np.random.default_rng(seed)
    strength = 5.0  # Beta: users' own rates scatter with a standard deviation of about .19 at .3
    rates = rng.beta(mean_rate * strength, (1 - mean_rate) * strength, (experiments, users))
    in_b = rng.random((experiments, users)) < 0.5
    n = np.zeros((experiments, users))
    x = np.zeros((experiments, users))
    called = np.zeros((2, experiments), bool)
    for _ in range(looks):
        asked = rng.poisson(1.0, n.shape)
        n += asked
        x += rng.binomial(asked, rates)
        for run in range(experiments):
            a, b = (_sums(n[run, arm], x[run, arm]) for arm in (~in_b[run], in_b[run]))
            valid = always_valid(a, b, scale)
            called[0, run] |= valid is not None and valid.p_value < 0.05
            error = (a.variance + b.variance) ** 0.5
            last = abs((b.mean or 0.0) - (a.mean or 0.0)) / error > 1.96
            called[1, run] |= last
    return Erred(experiments, int(called[0].sum()), int(called[1].sum()), -1, None)


def _sums(n: np.ndarray, x: np.ndarray) -> ArmSums:
    came = n > 0
    return ArmSums(int(came.sum()), n.sum(), x.sum(), (n * n).sum(), (n * x).sum(), (x * x).sum())


def _grown(rng: np.random.Generator, users: np.ndarray, rate: float) -> np.ndarray:
    return rng.binomial(np.diff(users, prepend=0), rate).cumsum()


def _always_valid_calls(users_a: np.ndarray, hits_a: np.ndarray, users_b: np.ndarray,
                        hits_b: np.ndarray, scale: float) -> bool:
    for n_a, x_a, n_b, x_b in zip(users_a.tolist(), hits_a.tolist(), users_b.tolist(),
                                  hits_b.tolist(), strict=True):
        if min(n_a, n_b) < USERS_MIN:
            continue
        valid = always_valid(ArmSums(n_a, n_a, x_a, n_a, x_a, x_a),
                             ArmSums(n_b, n_b, x_b, n_b, x_b, x_b), scale)
        if valid is not None and valid.p_value < 0.05:
            return True
    return False


def _z(users_a: np.ndarray, hits_a: np.ndarray, users_b: np.ndarray,
       hits_b: np.ndarray) -> np.ndarray:
    pooled = (hits_a + hits_b) / (users_a + users_b)
    error = np.sqrt(np.maximum(pooled * (1 - pooled), 1e-12) * (1 / users_a + 1 / users_b))
    return np.abs(hits_b / users_b - hits_a / users_a) / error


def _bet_calls(rng: np.random.Generator, rates: tuple[float, float], pairs: int,
               looks: int) -> bool:
    """Whether the wealth of a bet on who wins in pairs that differ reaches 20."""
    rate_a, rate_b = rates
    won = rng.multinomial(
        pairs, [rate_b * (1 - rate_a), rate_a * (1 - rate_b),
                rate_a * rate_b + (1 - rate_a) * (1 - rate_b)], looks).cumsum(axis=0)
    b, a = won[:, 0], won[:, 1]
    log_wealth = betaln(b + 0.5, a + 0.5) - betaln(0.5, 0.5) + (a + b) * np.log(2.0)
    return bool((log_wealth >= np.log(20.0)).any())
