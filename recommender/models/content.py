"""Which films resemble each other by what is written about them: genres, title words, decade.

Needs nobody's ratings, so it covers new films and films that nobody rated.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from recommender.models.knn import cosine_neighbours
from recommender.models.model import hyperparameter
from recommender.ranking import Neighbours
from recommender.types import Movie

_WORD = re.compile(r"\w+")


@dataclass(frozen=True)
class ContentConfig:
    """Settings of the content neighbours."""

    neighbours: int = hyperparameter(20, least=1)
    """Neighbours kept per film. Changes results, size and speed."""
    threads: int = hyperparameter(2, least=1)
    """Threads of the fit. Changes speed only."""


def words_of(text: str) -> list[str]:
    """The words of a title or a query, in lower case."""
    return _WORD.findall(text.casefold())


def features_of(movie: Movie) -> list[str]:
    """What is known of a film as tokens; nothing for a placeholder."""
    if movie.placeholder:
        return []
    tokens = [f"genre:{genre.casefold()}" for genre in movie.genres]
    tokens += [f"title:{word}" for word in words_of(movie.title) if word != str(movie.year)]
    if movie.year is not None:
        tokens.append(f"decade:{movie.year // 10 * 10}")
    return tokens


def fit_content(movies: Mapping[str, Movie], item_ids: Sequence[str],
                config: ContentConfig | None = None) -> Neighbours:
    """Cosine neighbours by TF-IDF of `features_of`, a row for each of `item_ids`.

    Title words of one film only are left out: they link nothing and would dilute the rest.
    """
    chosen = config or ContentConfig()
    documents = [features_of(movies[i]) if i in movies else [] for i in item_ids]
    seen: dict[str, int] = {}
    for document in documents:
        for token in set(document):
            seen[token] = seen.get(token, 0) + 1
    vocabulary = sorted(token for token, films in seen.items() if films > 1)
    if not vocabulary:
        return Neighbours.empty(len(item_ids))
    # Here, since only fitting needs it: it would be a fifth of the server's start.
    from sklearn.feature_extraction.text import TfidfVectorizer

    vectorizer = TfidfVectorizer(analyzer=_itself, vocabulary=vocabulary, dtype=np.float32,
                                 sublinear_tf=True)
    return cosine_neighbours(vectorizer.fit_transform(documents).tocsr(), chosen.neighbours,
                             chosen.threads)


def _itself(tokens: list[str]) -> list[str]:
    return tokens
