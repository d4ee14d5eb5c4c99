"""Invented films: titles, years, genres, series, and what makes one watched more than another."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recommender.simulate.titles import base_title, sequel_title
from recommender.types import Movie

GENRES = (
    "Action", "Adventure", "Animation", "Children's", "Comedy", "Crime", "Documentary", "Drama",
    "Fantasy", "Film-Noir", "Horror", "Musical", "Mystery", "Romance", "Sci-Fi", "Thriller", "War",
    "Western",
)  # fmt: skip

# What is filmed together; a cluster of taste is one of these rows.
CLUSTERS: tuple[tuple[str, ...], ...] = (
    ("Action", "Adventure", "Sci-Fi"),
    ("Action", "Crime", "Thriller"),
    ("Animation", "Children's", "Fantasy"),
    ("Comedy", "Romance"),
    ("Comedy", "Children's", "Adventure"),
    ("Drama", "Romance"),
    ("Drama", "War"),
    ("Crime", "Mystery", "Film-Noir"),
    ("Horror", "Mystery", "Thriller"),
    ("Sci-Fi", "Fantasy", "Adventure"),
    ("Documentary", "Drama"),
    ("Musical", "Comedy", "Animation"),
    ("Western", "Drama", "Action"),
)
_CLUSTER_SHARES = (12, 12, 7, 13, 7, 14, 5, 6, 8, 6, 4, 3, 3)
_SERIES_SHARE = 0.12
_NEW_SHARE = 0.08
_POPULARITY_EXPONENT = 1.15
# Correlation of the rank of a film with its quality, and the spread of quality in rating points.
_QUALITY_IN_RANK = 0.6
_QUALITY_SPREAD = 0.45
# At most this share of the films that are not new may come out after the start.
_LATE_SHARE = 0.4
_SHORTEST_MIN = 62
RUNTIME_MAX_MIN = 165


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Films and the hidden properties that the simulated people follow.

    `clusters`, `popularity` (sums to 1), `quality` (rating steps above or below the mean),
    `runtimes` (minutes) and `added_at_ms` are arrays of shape (n_movies,), in the order of
    `movies`. `successors` of shape (n_movies, 3) holds row numbers of what people tend to watch
    next, likeliest first; for a film of a series the first is its next part.
    """

    movies: tuple[Movie, ...]
    clusters: NDArray[np.int64]
    popularity: NDArray[np.float64]
    quality: NDArray[np.float64]
    runtimes: NDArray[np.int64]
    added_at_ms: NDArray[np.int64]
    successors: NDArray[np.int64]


def simulate_catalogue(
    n_movies: int, start_ms: int, end_ms: int, random: np.random.Generator
) -> Catalogue:
    """`n_movies` films, of which some are added between `start_ms` and `end_ms` (UTC ms).

    None is there before the first of January of its year. Popularity falls with the rank like a
    power law (Zipf); quality goes with it a little.
    """
    shares = np.array(_CLUSTER_SHARES, dtype=np.float64)
    clusters = random.choice(len(CLUSTERS), size=n_movies, p=shares / shares.sum())
    first_year, last_year = _years(np.array([start_ms, end_ms - 1])).tolist()
    years = last_year - np.minimum(random.exponential(14.0, n_movies).astype(np.int64), 95)
    titles, next_part = _titles(n_movies, clusters, years, random)

    alone = next_part < 0
    alone[next_part[next_part >= 0]] = False
    new = random.permutation(np.flatnonzero(alone))[: int(n_movies * _NEW_SHARE)]
    old = np.setdiff1d(np.arange(n_movies), new)
    # In a long world few films would be there at its start: then all are of older years.
    there = np.sort(years[old])[math.ceil((1 - _LATE_SHARE) * len(old)) - 1]
    years[old] -= max(0, int(there) - first_year)
    added = np.maximum(start_ms, _new_year_ms(years))
    added[new] = random.integers(start_ms, end_ms, len(new))
    years[new] = _years(added[new])

    quality = random.standard_normal(n_movies)
    chance = math.sqrt(1 - _QUALITY_IN_RANK**2) * random.standard_normal(n_movies)
    ranks = np.empty(n_movies, dtype=np.int64)
    ranks[np.argsort(-(_QUALITY_IN_RANK * quality + chance), kind="stable")] = np.arange(n_movies)
    popularity = np.power(ranks + 1.0 + n_movies * 0.008, -_POPULARITY_EXPONENT, dtype=np.float64)
    movies = tuple(
        Movie(
            item_id=f"m{row + 1}",
            title=titles[row],
            year=int(years[row]),
            genres=_genres(int(clusters[row]), random),
            added_at_ms=int(added[row]),
        )
        for row in range(n_movies)
    )
    return Catalogue(
        movies=movies,
        clusters=clusters,
        popularity=popularity / popularity.sum(),
        quality=_QUALITY_SPREAD * quality,
        runtimes=np.clip(
            random.normal(108, 17, n_movies), _SHORTEST_MIN, RUNTIME_MAX_MIN
        ).astype(np.int64),
        added_at_ms=added,
        successors=_successors(clusters, popularity, next_part, random),
    )


def _years(times_ms: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.asarray(times_ms.astype("datetime64[ms]").astype("datetime64[Y]").astype(int) + 1970)


def _new_year_ms(years: NDArray[np.int64]) -> NDArray[np.int64]:
    first_days = (years - 1970).astype("datetime64[Y]").astype("datetime64[ms]")
    return np.asarray(first_days.astype(np.int64))


def _titles(
    n_movies: int,
    clusters: NDArray[np.int64],
    years: NDArray[np.int64],
    random: np.random.Generator,
) -> tuple[list[str], NDArray[np.int64]]:
    """Unique titles, and for each film the row of its next part (-1 for none).

    The parts of a series are neighbours, of one cluster, and two to four years apart.
    """
    titles: list[str] = []
    taken: set[str] = set()
    next_part = np.full(n_movies, -1, dtype=np.int64)
    newest = int(years.max())
    while len(titles) < n_movies:
        first = base_title(random)
        if first in taken:
            continue
        row, parts = len(titles), 1
        if random.random() < _SERIES_SHARE:
            parts = min(int(random.integers(2, 5)), n_movies - row)
        years[row] = min(int(years[row]), newest - 4 * (parts - 1))
        for part in range(1, parts + 1):
            titles.append(first if part == 1 else sequel_title(first, part, random))
            taken.add(titles[-1])
            if part > 1:
                here = row + part - 1
                next_part[here - 1] = here
                clusters[here] = clusters[row]
                years[here] = years[here - 1] + int(random.integers(2, 5))
    return titles, next_part


def _genres(cluster: int, random: np.random.Generator) -> tuple[str, ...]:
    """One to three genres: mostly those of the cluster, at times one from outside."""
    own = CLUSTERS[cluster]
    count = min(int(random.choice(3, p=(0.3, 0.45, 0.25))) + 1, len(own))
    chosen = {own[0], *random.choice(own, size=count, replace=False).tolist()}
    if len(chosen) < 3 and random.random() < 0.08:
        chosen.add(GENRES[int(random.integers(len(GENRES)))])
    return tuple(sorted(chosen))[:3]


def _successors(
    clusters: NDArray[np.int64],
    popularity: NDArray[np.float64],
    next_part: NDArray[np.int64],
    random: np.random.Generator,
) -> NDArray[np.int64]:
    """Three films of the same cluster for each film, drawn by popularity; a sequel comes first."""
    successors = np.empty((len(clusters), 3), dtype=np.int64)
    for cluster in range(len(CLUSTERS)):
        members = np.flatnonzero(clusters == cluster)
        if len(members) == 0:
            continue
        # Flattened, so that films of the middle are somebody's successor too.
        weights = popularity[members] ** 0.7
        drawn = random.choice(members, size=(len(members), 3), p=weights / weights.sum())
        successors[members] = drawn
    follows = next_part >= 0
    successors[follows, 0] = next_part[follows]
    return successors
