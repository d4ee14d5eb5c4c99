"""Films to show to someone new: well known, but not all of a kind."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

from recommender.types import Movie


def varied(films: Sequence[Movie], n: int) -> tuple[Movie, ...]:
    """Up to n of the films, spread over genres and decades; the same for the same films.

    One after the other: the film with the highest 1 / log2(rank + 1), divided by one plus how
    often its decade and, on average, its genres were chosen before. So the first is the most
    popular one, and what is much the same as those chosen waits.

    Args:
        films: most popular first, none twice.
    """
    chosen: list[Movie] = []
    genres: Counter[str] = Counter()
    decades: Counter[int | None] = Counter()
    left = dict(enumerate(films, 1))
    while left and len(chosen) < n:

        def worth(rank: int) -> float:
            film = left[rank]
            kinds = film.genres or ("",)
            repeated = decades[_decade(film)] + sum(genres[kind] for kind in kinds) / len(kinds)
            return 1 / math.log2(rank + 1) / (1 + repeated)

        best = left.pop(max(left, key=worth))
        chosen.append(best)
        genres.update(best.genres or ("",))
        decades[_decade(best)] += 1
    return tuple(chosen)


def _decade(film: Movie) -> int | None:
    return None if film.year is None else film.year // 10
