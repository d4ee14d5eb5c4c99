import numpy as np
from small_data import films

from recommender.models.content import features_of, fit_content
from recommender.types import Movie


def rows_of(neighbours, ids):
    return {
        ids[row]: {ids[i]: float(w) for i, w in zip(
            neighbours.items[neighbours.starts[row]:neighbours.starts[row + 1]],
            neighbours.weights[neighbours.starts[row]:neighbours.starts[row + 1]], strict=True)}
        for row in range(len(ids))
    }


def test_features_are_genres_title_words_and_the_decade():
    film = Movie("1", "Star Wars 1977", 1977, ("Sci-Fi",))
    assert features_of(film) == ["genre:sci-fi", "title:star", "title:wars", "decade:1970"]


def test_a_placeholder_says_nothing():
    assert features_of(Movie("x", "x", placeholder=True)) == []


def test_films_of_a_kind_are_nearer_than_others():
    movies = {m.item_id: m for m in [
        Movie("a", "Night Train", 1994, ("Crime",)), Movie("b", "Night Bus", 1996, ("Crime",)),
        Movie("c", "Sunny Day", 1996, ("Comedy",)), Movie("d", "Sunny Walk", 1955, ("Comedy",)),
    ]}
    ids = list(movies)
    rows = rows_of(fit_content(movies, ids), ids)
    assert max(rows["a"], key=rows["a"].get) == "b"
    assert max(rows["d"], key=rows["d"].get) == "c"
    assert all(film not in near for film, near in rows.items())


def test_every_described_film_has_neighbours_and_unknown_ids_have_none():
    movies = {m.item_id: m for m in films()}
    ids = [*movies, "unknown"]
    near = fit_content(movies, ids)
    lengths = np.diff(near.starts)
    assert (lengths[:-1] > 0).all() and (lengths <= 21).all() and lengths[-1] == 0


def test_no_films_give_no_neighbours():
    assert len(fit_content({}, ["a", "b"]).items) == 0
