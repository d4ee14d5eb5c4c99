"""How often the echo detector is wrong, and how often it finds an echo that is there.

Lists are drawn from films whose popularity follows Zipf's law. Stationary: the exponent stays. An
echo: it rises so that the Gini of a window rises by the slope given. --slope-max 0 looks at the
trend test alone, --lists 240 at the smallest windows that are judged.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from recommender.audit.echo import WINDOWS, detect_echo
from recommender.audit.verdicts import AuditStatus
from recommender.metrics import exposures_of, gini

FILMS, K, EXPONENT = 500, 10, 0.5
Shown = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Rate:
    """A share of runs with its 95 % interval (Wilson 1927)."""

    value: float
    low: float
    high: float


def wilson(hits: int, n: int) -> Rate:
    """Interval of a proportion."""
    z = 1.959964
    share, scale = hits / n, 1 + z * z / n
    centre = (share + z * z / (2 * n)) / scale
    reach = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n)) / scale
    return Rate(share, max(0.0, centre - reach), min(1.0, centre + reach))


def draw(random: np.random.Generator, exponents: Sequence[float]) -> Shown:
    """One list an exponent: K films without repetition by Zipf weights (Gumbel's trick)."""
    weights = -np.log(np.arange(1, FILMS + 1))
    scores = np.outer(exponents, weights) * -1.0
    noise = random.gumbel(size=scores.shape)
    return np.argpartition(-(noise - scores), K, axis=1)[:, :K].astype(np.int64)


def stationary(random: np.random.Generator, lists: int, returning: bool) -> Shown:
    """A history without any echo; with `returning`, 300 people whose lists change half."""
    if not returning:
        return draw(random, [EXPONENT] * lists)
    people = draw(random, [EXPONENT] * 300)
    fresh = draw(random, [EXPONENT] * lists)
    usual = people[random.integers(0, len(people), lists)]
    half = random.permuted(np.tile(np.arange(K) < K // 2, (lists, 1)), axis=1)
    return np.where(half, usual, fresh)


def exponent_of_gini(targets: Sequence[float], size: int) -> list[float]:
    """Exponents whose expected Gini of `size` lists are the targets, by a table of means."""
    random, grid = np.random.default_rng(0), np.linspace(0.0, 2.0, 41)
    table = [np.mean([gini(exposures_of(draw(random, [x] * size), FILMS)) for _ in range(8)])
             for x in grid]
    return [float(x) for x in np.interp(targets, table, grid)]


def measure(histories: int, lists: int, slope: float, slope_max: float) -> dict[str, Rate]:
    """Rates of flags in three kinds of history of so many lists."""
    size = lists // WINDOWS
    start = float(np.mean([gini(exposures_of(draw(np.random.default_rng(n), [EXPONENT] * size),
                                             FILMS)) for n in range(20)]))
    exponents = np.repeat(
        exponent_of_gini([start + slope * n for n in range(WINDOWS)], size), size).tolist()
    random = np.random.default_rng(7)
    kinds = {
        "stationary": lambda: stationary(random, lists, returning=False),
        "stationary, people return": lambda: stationary(random, lists, returning=True),
        f"echo, slope {slope}": lambda: draw(random, exponents),
    }
    return {
        name: wilson(sum(detect_echo(make(), FILMS, slope_max).status is AuditStatus.FAIL
                         for _ in range(histories)), histories)
        for name, make in kinds.items()}


def main() -> None:
    """Print the rates."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--histories", type=int, default=500)
    parser.add_argument("--lists", type=int, default=1_200, help="at least 20 a window")
    parser.add_argument("--slope", type=float, default=0.02)
    parser.add_argument("--slope-max", type=float, default=0.01)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    rates = measure(given.histories, given.lists, given.slope, given.slope_max)
    if given.json:
        print(json.dumps({name: [r.value, r.low, r.high] for name, r in rates.items()}))
        return
    for name, rate in rates.items():
        print(f"{name:<28} flagged {rate.value:.3f} [{rate.low:.3f}, {rate.high:.3f}] "
              f"of {given.histories}")


if __name__ == "__main__":
    main()
