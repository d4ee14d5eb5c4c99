"""The invented world: reproducible, valid, and with something in it to find."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recommender.errors import InvalidField
from recommender.schemas import ID_PATTERN, validate
from recommender.simulate import World, WorldSpec, simulate_world
from recommender.simulate.catalogue import GENRES

DAY_MS = 86_400_000
MIDDLE = WorldSpec(seed=3, n_movies=600, n_users=300, n_events=24_000)


@cache
def middle() -> World:
    return simulate_world(MIDDLE)


def watches(world: World) -> pd.DataFrame:
    return world.events[world.events["type"] == "watch"]


def watched_genres(world: World) -> pd.DataFrame:
    """A row per watch and genre of the film."""
    genres = pd.DataFrame(
        [(m.item_id, genre) for m in world.movies for genre in m.genres],
        columns=["item_id", "genre"],
    )
    return watches(world).merge(genres, on="item_id")


def test_equal_specs_give_equal_worlds() -> None:
    again = simulate_world(MIDDLE)
    assert again.movies == middle().movies
    assert again.people == middle().people
    pd.testing.assert_frame_equal(again.events, middle().events)


def test_another_seed_gives_another_world() -> None:
    other = simulate_world(WorldSpec(seed=4, n_movies=600, n_users=300, n_events=24_000))
    assert other.movies != middle().movies
    assert list(other.events["user_id"]) != list(middle().events["user_id"])


def test_more_films_do_not_change_the_people() -> None:
    wider = simulate_world(WorldSpec(seed=3, n_movies=700, n_users=300, n_events=24_000))
    assert wider.people == middle().people


def test_the_demo_world_has_its_announced_size() -> None:
    world = simulate_world(WorldSpec())
    assert (len(world.movies), len(world.people), len(world.events)) == (2_000, 1_000, 100_000)
    assert set(world.events["type"]) == {"rate", "watch"}


def test_every_event_is_valid_and_they_are_in_the_order_of_time() -> None:
    events = middle().events
    good, bad = validate(events, MIDDLE.end_ms)
    assert bad == [] and len(good) == MIDDLE.n_events
    assert events["timestamp_ms"].is_monotonic_increasing
    assert events["event_id"].is_unique
    assert not events["event_id"].str.fullmatch(ID_PATTERN).any(), "a client could send them"
    start_ms = MIDDLE.end_ms - MIDDLE.days * DAY_MS
    assert events["timestamp_ms"].between(start_ms, MIDDLE.end_ms - 1).all()


def test_films_have_unique_titles_a_year_and_one_to_three_known_genres() -> None:
    movies = middle().movies
    assert len({m.title for m in movies}) == len(movies)
    for movie in movies:
        assert 1 <= len(movie.genres) <= 3 and set(movie.genres) <= set(GENRES)
        assert movie.year is not None and 1900 <= movie.year <= 2025


def test_the_parts_of_a_series_follow_each_other_in_years() -> None:
    by_id = {m.item_id: m for m in middle().movies}
    sequels = [
        (m, by_id[middle().successors[m.item_id][0]])
        for m in middle().movies
        if by_id[middle().successors[m.item_id][0]].title.startswith(f"{m.title} 2")
    ]
    assert len(sequels) >= 10
    for first, second in sequels:
        assert first.year is not None and second.year is not None and second.year > first.year


def test_nobody_watches_a_film_twice_or_before_it_is_there() -> None:
    seen = watches(middle())
    assert not seen.duplicated(["user_id", "item_id"]).any()
    added = seen["item_id"].map({m.item_id: m.added_at_ms for m in middle().movies})
    assert (seen["timestamp_ms"] >= added).all()
    assert added.nunique() > 10


@pytest.mark.parametrize("seed", [7, 3, 11])
def test_no_film_is_there_before_its_year(seed: int) -> None:
    world = middle() if seed == MIDDLE.seed else simulate_world(WorldSpec(seed=seed))
    years = {m.item_id: m.year for m in world.movies}
    when = pd.to_datetime(world.events["timestamp_ms"], unit="ms").dt.year
    assert (when >= world.events["item_id"].map(years)).all()
    for movie in world.movies:
        assert movie.added_at_ms is not None and movie.year is not None
        assert movie.added_at_ms >= datetime(movie.year, 1, 1, tzinfo=UTC).timestamp() * 1000


def test_nobody_starts_a_film_while_the_last_one_runs() -> None:
    seen = watches(middle()).sort_values(["user_id", "timestamp_ms"])
    ends = seen["timestamp_ms"] + seen["minute"].astype(int) * 60_000
    before = ends.groupby(seen["user_id"]).shift(1)
    assert not (seen["timestamp_ms"] < before).any()


@pytest.mark.parametrize("seed", [7, 3, 11])
def test_the_ten_most_watched_films_are_rated_above_the_mean(seed: int) -> None:
    events = simulate_world(WorldSpec(seed=seed)).events
    most = events.loc[events["type"] == "watch", "item_id"].value_counts().index[:10]
    means = events.groupby("item_id")["rating"].mean()
    assert means[most].mean() > events["rating"].mean()
    assert means[most[0]] > 3.2


def test_a_long_world_has_films_from_its_start() -> None:
    spec = WorldSpec(n_movies=200, n_users=20, n_events=1_000, days=9_000)
    world = simulate_world(spec)
    start_ms = spec.end_ms - spec.days * DAY_MS
    there = [m for m in world.movies if m.added_at_ms == start_ms]
    assert len(there) >= 100 and len(world.events) == 1_000


def test_a_rating_follows_the_watch_of_its_film() -> None:
    rates = middle().events[middle().events["type"] == "rate"]
    both = rates.merge(watches(middle()), on=["user_id", "item_id"], suffixes=("_rate", "_watch"))
    assert len(both) == len(rates)
    assert (both["timestamp_ms_rate"] > both["timestamp_ms_watch"]).all()
    assert (both["timestamp_ms_rate"] - both["timestamp_ms_watch"] < DAY_MS).all()


def test_a_tenth_of_the_films_gets_a_third_of_the_watches() -> None:
    counts = watches(middle())["item_id"].value_counts()
    share = counts.iloc[: len(middle().movies) // 10].sum() / counts.sum()
    assert 0.30 <= share <= 0.7


def test_people_stay_with_the_genres_they_like() -> None:
    genres = watched_genres(middle())
    early = genres["timestamp_ms"] < genres["timestamp_ms"].median()
    favourite = genres[early].groupby("user_id")["genre"].agg(lambda g: g.mode().iloc[0])
    late = genres[~early & genres["user_id"].isin(favourite.index)]
    own = (late["genre"] == late["user_id"].map(favourite)).mean()
    base = late["genre"].value_counts(normalize=True)
    by_chance = favourite.map(base).mean()
    assert own > 1.5 * by_chance


def test_what_people_watch_often_they_rate_higher() -> None:
    genres = watched_genres(middle())
    share = genres.groupby(["user_id", "genre"]).size() / genres.groupby("user_id").size()
    rates = middle().events.dropna(subset=["rating"])
    by_genre = {m.item_id: m.genres for m in middle().movies}
    affinity = [
        max(share.get((user, genre), 0.0) for genre in by_genre[item])
        for user, item in zip(rates["user_id"], rates["item_id"], strict=True)
    ]
    assert np.corrcoef(affinity, rates["rating"])[0, 1] > 0.2


def test_the_next_film_is_often_a_successor_of_the_last() -> None:
    seen = watches(middle())
    following = seen.groupby("user_id")["item_id"].shift(-1)
    pairs = [
        (a, b) for a, b in zip(seen["item_id"], following, strict=True) if isinstance(b, str)
    ]
    hit = np.mean([b in middle().successors[a] for a, b in pairs])
    shuffled = np.random.default_rng(0).permutation([b for _, b in pairs])
    by_chance = np.mean(
        [b in middle().successors[a] for (a, _), b in zip(pairs, shuffled, strict=True)]
    )
    assert hit > 0.2 and hit > 5 * by_chance


def test_further_events_join_in_the_order_of_time() -> None:
    more = middle().events.head(50).assign(
        event_id=[f"spam:{n}" for n in range(50)], user_id="spammer"
    )
    together = middle().with_events(more).events
    assert len(together) == MIDDLE.n_events + 50
    assert together["timestamp_ms"].is_monotonic_increasing
    assert (together["user_id"] == "spammer").sum() == 50
    assert len(middle().events) == MIDDLE.n_events


def test_too_many_events_for_the_people_and_films_are_refused_by_name() -> None:
    with pytest.raises(InvalidField, match="n_events"):
        simulate_world(WorldSpec(n_movies=10, n_users=2, n_events=1_000))
    with pytest.raises(InvalidField, match="n_users"):
        WorldSpec(n_users=0)


@settings(max_examples=25)
@given(
    st.integers(0, 50), st.integers(1, 40), st.integers(1, 20), st.integers(1, 12),
    st.integers(1, 60),
)  # fmt: skip
def test_small_worlds_hold_the_same_laws(
    seed: int, n_movies: int, n_users: int, each: int, days: int
) -> None:
    n_events = max(1, min(each, n_movies * 2 // 5) * n_users)
    spec = WorldSpec(seed, n_movies, n_users, n_events, days)
    world = simulate_world(spec)
    assert len(world.events) == n_events
    assert validate(world.events, spec.end_ms)[1] == []
    seen = watches(world)
    assert not seen.duplicated(["user_id", "item_id"]).any()
    assert world.events["timestamp_ms"].between(spec.end_ms - days * DAY_MS, spec.end_ms - 1).all()
