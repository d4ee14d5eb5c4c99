"""What a model file holds: the fitted model and all that serving needs beside it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np

from recommender.arrays import Bools
from recommender.models.content import fit_content, words_of
from recommender.models.model import Model
from recommender.models.popularity import PopularityModel
from recommender.ranking import Neighbours
from recommender.reasons import Reason, reasons_of
from recommender.rerank.features import ItemFeatures, features_of
from recommender.types import Movie

FORMAT_VERSION = 1
"""Grows when an older reader could not use the file."""


@dataclass(frozen=True)
class CatalogueTables:
    """What serving needs of the films, in the order of the item indexes.

    titles: n_items titles, empty for a placeholder. genres: names in alphabetical order.
    genre_masks: bool of shape (n_genres, n_items). content: neighbours by what is written.
    """

    titles: tuple[str, ...]
    genres: tuple[str, ...]
    genre_masks: Bools
    content: Neighbours


def tabulate(movies: Iterable[Movie], item_ids: Sequence[str]) -> CatalogueTables:
    """Tables over `item_ids`; ids without a film get an empty title and no genre."""
    by_id = {movie.item_id: movie for movie in movies}
    films = [by_id.get(item_id) for item_id in item_ids]
    genres = sorted({genre for film in films if film for genre in film.genres})
    row = {genre: index for index, genre in enumerate(genres)}
    masks = np.zeros((len(genres), len(item_ids)), np.bool_)
    for index, film in enumerate(films):
        for genre in film.genres if film else ():
            masks[row[genre], index] = True
    titles = tuple(film.title if film and not film.placeholder else "" for film in films)
    return CatalogueTables(titles, tuple(genres), masks, fit_content(by_id, item_ids))


@dataclass(frozen=True, eq=False)
class ModelBundle:
    """Immutable; a swap of the served model is one assignment of a bundle.

    name: the model's name in `MODELS`. settings: its hyperparameters as (name, value).
    item_ids: n_items ids; all indexes in the bundle point into it.
    model: ranks by history. popularity: users per film. catalogue: see `CatalogueTables`.
    watermark_ms: time of the newest entry it was fitted on, UTC ms.
    index: item id -> index; title_words: word -> indexes of films; genre_index: genre in lower
        case -> row; because: the two reasons of `reasons_of`, by film; features: what rerankers
        read. All of them are rebuilt on load.
    """

    name: str
    settings: tuple[tuple[str, float | int], ...]
    item_ids: tuple[str, ...]
    model: Model
    popularity: PopularityModel
    catalogue: CatalogueTables
    watermark_ms: int
    format_version: int = FORMAT_VERSION
    index: Mapping[str, int] = field(init=False, repr=False)
    title_words: Mapping[str, tuple[int, ...]] = field(init=False, repr=False)
    genre_index: Mapping[str, int] = field(init=False, repr=False)
    because: tuple[Reason, ...] = field(init=False, repr=False)
    features: ItemFeatures = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self.catalogue.genre_masks.setflags(write=False)
        words: dict[str, list[int]] = {}
        for index, title in enumerate(self.catalogue.titles):
            for word in set(words_of(title)):
                words.setdefault(word, []).append(index)
        derived = {
            "index": {item_id: i for i, item_id in enumerate(self.item_ids)},
            "title_words": {word: tuple(films) for word, films in words.items()},
            "genre_index": {g.casefold(): i for i, g in enumerate(self.catalogue.genres)},
            "because": reasons_of(self.item_ids),
            "features": features_of(self.popularity.counts, self.catalogue.genre_masks,
                                    self.catalogue.content),
        }
        self.__dict__.update(derived)

    def __getstate__(self) -> dict[str, Any]:
        return {f.name: self.__dict__[f.name] for f in fields(self) if f.init}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.__post_init__()

    @property
    def n_items(self) -> int:
        """Number of films, those that nobody took too."""
        return len(self.item_ids)

    @property
    def hyperparameters(self) -> dict[str, float | int]:
        """The model's hyperparameters by name."""
        return dict(self.settings)

    def genre_mask(self, genre: str) -> Bools:
        """Bool of shape (n_items,): films of the genre (any case); none for an unknown genre."""
        row = self.genre_index.get(genre.casefold())
        if row is None:
            return np.zeros(self.n_items, np.bool_)
        mask: Bools = self.catalogue.genre_masks[row]
        return mask
