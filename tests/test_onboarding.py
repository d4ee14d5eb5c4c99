"""Films for someone new: popular ones first, spread over genres and decades."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from recommender.onboarding import varied
from recommender.types import Movie

GENRES = ("Comedy", "Drama", "Horror", "War")


def film(n: int, genres: tuple[str, ...] = ("Drama",), year: int | None = 1999) -> Movie:
    return Movie(f"f{n}", f"Film {n}", year, genres)


films = st.lists(
    st.builds(lambda n, genres, year: film(n, tuple(genres), year), st.integers(0, 10**6),
              st.lists(st.sampled_from(GENRES), max_size=3, unique=True),
              st.none() | st.integers(1920, 2030)),
    max_size=40, unique_by=lambda movie: movie.item_id)


@given(films, st.integers(0, 30))
def test_they_are_some_of_the_films_none_twice_and_always_the_same(
    movies: list[Movie], n: int
) -> None:
    chosen = varied(movies, n)
    assert len(chosen) == min(n, len(movies))
    assert set(chosen) <= set(movies) and len(set(chosen)) == len(chosen)
    assert varied(movies, n) == chosen
    assert not chosen or chosen[0] == movies[0]


@given(films, st.integers(0, 20))
def test_showing_more_keeps_those_shown_before(movies: list[Movie], n: int) -> None:
    assert varied(movies, n + 5)[:n] == varied(movies, n)


def test_films_that_are_alike_come_in_the_order_of_their_popularity() -> None:
    alike = [film(n) for n in range(20)]
    assert varied(alike, 5) == tuple(alike[:5])


def test_a_known_film_of_another_kind_comes_before_one_more_of_the_same() -> None:
    dramas = [film(n) for n in range(10)]
    other = film(99, ("Comedy",), 1972)
    assert varied([*dramas, other], 2) == (dramas[0], other)


def test_genres_and_decades_are_covered_better_than_by_the_most_popular() -> None:
    popular = [film(n, ("Drama", "War"), 2010 + n % 3) for n in range(40)]
    rest = [film(100 + n, (GENRES[n % 4],), 1930 + 10 * (n % 8)) for n in range(60)]
    chosen = varied([*popular, *rest], 24)
    assert {genre for movie in chosen for genre in movie.genres} == set(GENRES)
    assert len({(movie.year or 0) // 10 for movie in chosen}) == 9
    assert len(set(chosen) & set(popular[:24])) >= 2


def test_the_choice_follows_the_formula() -> None:
    movies = [film(0, ("Drama",), 1991), film(1, ("Drama",), 1995), film(2, ("War",), 2005),
              film(3, ("Drama", "War"), 2011)]
    # After film 0: film 1 is worth 0.63/3, film 2 is worth 0.5/1, film 3 is worth 0.43/1.5.
    # After film 2 as well: film 1 is worth 0.63/3 = 0.21, film 3 is worth 0.43/2 = 0.215.
    assert [movie.item_id for movie in varied(movies, 4)] == ["f0", "f2", "f3", "f1"]
