"""Films that someone new may pick from."""

from __future__ import annotations

from collections.abc import Callable

from recommender.onboarding import varied
from recommender.ports import Catalogue
from recommender.types import Movie

SHOWN = 24
SUGGESTED = 5
PICK_RATING = 5.0
_POPULAR = 400
_KEPT_MS = 600_000


class Starters:
    """Well-known films of many kinds, and the most popular ones; made anew every ten minutes."""

    def __init__(self, catalogue: Catalogue, now_ms: Callable[[], int]) -> None:
        self._catalogue = catalogue
        self._now_ms = now_ms
        self._kept: tuple[int, tuple[Movie, ...], tuple[Movie, ...]] = -_KEPT_MS, (), ()

    def films(self) -> tuple[Movie, ...]:
        """At most `SHOWN` films, no two much alike."""
        return self._current()[2]

    def popular(self) -> tuple[Movie, ...]:
        """Some hundred films, most taken first."""
        return self._current()[1]

    def _current(self) -> tuple[int, tuple[Movie, ...], tuple[Movie, ...]]:
        kept, now_ms = self._kept, self._now_ms()
        if now_ms - kept[0] >= _KEPT_MS or not kept[1]:
            found = self._catalogue.search("", _POPULAR)
            popular = tuple(film for film in found if not film.placeholder)
            kept = self._kept = now_ms, popular, varied(popular, SHOWN)
        return kept
