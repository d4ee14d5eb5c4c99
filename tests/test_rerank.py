"""Laws that every reranker keeps, and each one recomputed by hand."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recommender.errors import InvalidField
from recommender.models.model import EncodedHistory
from recommender.ranking import Neighbours
from recommender.rerank import DIVERSITY, RERANKERS
from recommender.rerank.calibration import SMOOTHING
from recommender.rerank.chain import AS_RANKED, RerankChain, chain_of
from recommender.rerank.features import features_of
from recommender.rerank.reranker import Shortlist, Situation, shortlist_of
from recommender.rerank.seeds import seed_of, uniform
from recommender.rerank.tail_slots import ROTATION, slot_places

N_ITEMS, N_GENRES = 60, 6
RANDOM = np.random.default_rng(7)
MASKS = RANDOM.random((N_GENRES, N_ITEMS)) < 0.3
MASKS[:, :4] = False  # some films have no genre
GENRES = [frozenset(np.flatnonzero(MASKS[:, film]).tolist()) for film in range(N_ITEMS)]
POPULARITY = np.round(200 / (1 + RANDOM.permutation(N_ITEMS))).astype(np.float32)
DENSE = np.where(RANDOM.random((N_ITEMS, N_ITEMS)) < 0.2,
                 RANDOM.random((N_ITEMS, N_ITEMS)), 0).astype(np.float32)
np.fill_diagonal(DENSE, 0)
CONTENT = Neighbours(
    np.concatenate(([0], np.cumsum((DENSE > 0).sum(axis=1)))).astype(np.int64),
    np.concatenate([np.flatnonzero(row) for row in DENSE]).astype(np.int32), DENSE[DENSE > 0])
FEATURES = features_of(POPULARITY, MASKS, CONTENT)
NAMES = list(RERANKERS)
STAGES = [name for name, spec in RERANKERS.items() if spec.rerank is not None]


def situation(seed: int = 1, history: tuple[int, ...] = (5, 9, 13, 20),
              exposures: np.ndarray | None = None) -> Situation:
    shown = np.zeros(N_ITEMS) if exposures is None else exposures
    items = np.array(history, np.int32)
    return Situation(FEATURES, EncodedHistory(items, np.ones(len(items), np.float32)), shown, seed)


def shortlist(n: int, seed: int = 0) -> Shortlist:
    random = np.random.default_rng(seed)
    scores = np.sort(random.exponential(1.0, n).astype(np.float32))[::-1].copy()
    return shortlist_of(random.permutation(N_ITEMS)[:n].astype(np.int32), scores)


SHORTLISTS = st.builds(shortlist, st.integers(0, 50), st.integers(0, 500))
SITUATIONS = st.builds(
    situation, st.integers(0, 2**64 - 1),
    st.lists(st.integers(0, N_ITEMS - 1), unique=True, max_size=8).map(tuple),
    st.sampled_from([None, POPULARITY.astype(np.float64), np.ones(N_ITEMS)]))
STRENGTHS = st.one_of(st.just(0.0), st.just(1.0), st.floats(0, 1))


def rerank(name: str, given_list: Shortlist, strength: float, k: int, here: Situation) -> Shortlist:
    stage = RERANKERS[name].rerank
    assert stage is not None
    return stage(given_list, strength, k, here)


# --- laws of all


@pytest.mark.parametrize("name", STAGES)
@given(SHORTLISTS, STRENGTHS, st.integers(1, 20), SITUATIONS)
@settings(max_examples=60, deadline=None)
def test_no_candidate_is_added_lost_or_repeated(
    name: str, before: Shortlist, strength: float, k: int, here: Situation
) -> None:
    after = rerank(name, before, strength, k, here)
    assert sorted(after.items.tolist()) == sorted(before.items.tolist())
    assert after.items.tolist() == before.items[after.places].tolist()
    assert len(after.propensities) == len(after.scores) == len(before.items)
    assert ((after.propensities > 0) & (after.propensities <= 1)).all() or strength in (0.0, 1.0)
    assert 0 <= after.undrawn <= len(before.items)


@pytest.mark.parametrize("name", STAGES)
@given(SHORTLISTS, st.integers(1, 20), SITUATIONS)
@settings(max_examples=40, deadline=None)
def test_strength_0_changes_nothing(
    name: str, before: Shortlist, k: int, here: Situation
) -> None:
    after = rerank(name, before, 0.0, k, here)
    assert after.items.tolist() == before.items.tolist()
    assert after.propensities[:k].tolist() == before.propensities[:k].tolist()


@given(st.dictionaries(st.sampled_from(NAMES), st.floats(0, 1), max_size=4), SHORTLISTS,
       st.integers(1, 20), SITUATIONS)
@settings(max_examples=100, deadline=None)
def test_a_chain_of_any_rerankers_keeps_the_candidates(
    strengths: dict[str, float], before: Shortlist, k: int, here: Situation
) -> None:
    chain = chain_of(strengths)
    after = chain.apply(before, k, here)
    assert sorted(after.items.tolist()) == sorted(before.items.tolist())
    again = chain.apply(before, k, here)
    assert again.items.tolist() == after.items.tolist()
    if not chain.draws:
        assert (after.propensities == 1).all()


def test_a_chain_is_a_value_in_one_order_without_what_is_0() -> None:
    one = chain_of({"tail_slots": 0.2, "mmr": 0.3, "xquad": 0.0})
    assert one == chain_of({"mmr": 0.3, "tail_slots": 0.2}) and hash(one)
    assert one.strengths == (("mmr", 0.3), ("tail_slots", 0.2)) and one.draws
    assert not one.reads_exposures and chain_of({"exposure_cap": 0.1}).reads_exposures
    assert one.with_strength("tail_slots", 0) == chain_of({"mmr": 0.3})
    assert not AS_RANKED and chain_of({"mmr": 0.0}) == AS_RANKED == RerankChain()


@pytest.mark.parametrize(("strengths", "says"), [
    ({"magic": 0.5}, "no reranker named magic"), ({"mmr": 1.1}, "from 0 to 1"),
    ({"mmr": -0.1}, "from 0 to 1"), ({"mmr": math.nan}, "from 0 to 1")])
def test_a_chain_that_cannot_be_is_refused(strengths: dict[str, float], says: str) -> None:
    with pytest.raises(InvalidField, match=says):
        chain_of(strengths)


# --- each by hand


def greedy(before: Shortlist, k: int, value) -> list[int]:  # type: ignore[no-untyped-def]
    """Films by the highest value(film, films chosen), the earlier of equals."""
    left, chosen = before.items.tolist(), []
    while left and len(chosen) < k:
        best = max(left, key=lambda film: (value(film, chosen), -left.index(film)))
        left.remove(best)
        chosen.append(best)
    return chosen + left


def relevance(before: Shortlist) -> dict[int, float]:
    return {film: float(score / before.scores.max())
            for film, score in zip(before.items.tolist(), before.scores, strict=True)}


@pytest.mark.parametrize("strength", [0.05, 0.4, 1.0])
def test_popularity_divides_the_scores(strength: float) -> None:
    factor = chain_of({"popularity_division": strength}).factor(FEATURES)
    assert factor is not None and not factor.flags.writeable
    assert factor.tolist() == pytest.approx(
        [max(float(count), 1.0) ** -strength for count in POPULARITY], rel=1e-5)
    assert chain_of({"mmr": 0.5}).factor(FEATURES) is AS_RANKED.factor(FEATURES) is None


def test_a_model_ranks_more_than_the_list_only_for_stages_that_choose() -> None:
    assert AS_RANKED.candidates(10) == chain_of({"popularity_division": 0.5}).candidates(10) == 10
    chosen = chain_of({"popularity_division": 0.5, "mmr": 0.2}, pool=50)
    assert chosen.candidates(10) == 50 and chosen.candidates(80) == 80


def test_every_reranker_is_a_stage_or_a_factor() -> None:
    assert all((spec.rerank is None) != (spec.factor is None) for spec in RERANKERS.values())
    assert all(name in STAGES for name in DIVERSITY)


def test_a_chain_is_told_in_words() -> None:
    assert str(chain_of({"tail_slots": 0.2, "mmr": 0.3})) == "mmr 0.3, tail_slots 0.2"
    assert str(AS_RANKED) == "none"


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("name", ["mmr", "mmr_content"])
def test_mmr_takes_the_film_of_most_relevance_less_likeness(name: str, seed: int) -> None:
    before = shortlist(30, seed)
    worth = relevance(before)

    def likeness(film: int, other: int) -> float:
        if name == "mmr_content":
            return float(DENSE[other, film])
        either = GENRES[film] | GENRES[other]
        return len(GENRES[film] & GENRES[other]) / len(either) if either else 0.0

    def value(film: int, chosen: list[int]) -> float:
        return 0.6 * worth[film] - 0.4 * max((likeness(film, other) for other in chosen), default=0)

    assert rerank(name, before, 0.4, 10, situation()).items.tolist() == greedy(before, 10, value)


def wanted_genres(history: tuple[int, ...]) -> dict[int, float]:
    shares: Counter[int] = Counter()
    with_genres = [film for film in history if GENRES[film]]
    for film in with_genres:
        for genre in GENRES[film]:
            shares[genre] += 1 / len(GENRES[film]) / len(with_genres)  # type: ignore[assignment]
    return dict(shares)


@pytest.mark.parametrize("seed", range(5))
def test_xquad_covers_the_genres_of_the_history(seed: int) -> None:
    before, history = shortlist(30, seed), (6, 11, 31)
    worth, wanted = relevance(before), wanted_genres(history)

    def of_genre(film: int, genre: int) -> float:
        return worth[film] / len(GENRES[film]) if genre in GENRES[film] else 0.0

    def value(film: int, chosen: list[int]) -> float:
        covered = sum(
            share * of_genre(film, genre) * math.prod(1 - of_genre(other, genre)
                                                      for other in chosen)
            for genre, share in wanted.items())
        return 0.3 * worth[film] + 0.7 * covered

    after = rerank("xquad", before, 0.7, 10, situation(history=history))
    assert after.items.tolist() == greedy(before, 10, value)


@pytest.mark.parametrize("seed", range(5))
def test_calibration_keeps_the_list_near_the_genres_of_the_history(seed: int) -> None:
    before, history = shortlist(30, seed), (6, 11, 31)
    worth, wanted = relevance(before), wanted_genres(history)

    def divergence(films: list[int]) -> float:
        shares: Counter[int] = Counter()
        for film in films:
            for genre in GENRES[film]:
                shares[genre] += 1 / len(GENRES[film]) / len(films)  # type: ignore[assignment]
        return sum(share * math.log(
            share / ((1 - SMOOTHING) * shares[genre] + SMOOTHING * share))
            for genre, share in wanted.items())

    def value(film: int, chosen: list[int]) -> float:
        films = [*chosen, film]
        return 0.5 * sum(map(worth.__getitem__, films)) - 0.5 * divergence(films)

    after = rerank("calibrated_genres", before, 0.5, 10, situation(history=history))
    assert after.items.tolist() == greedy(before, 10, value)


def test_without_genres_in_the_history_nothing_is_calibrated_or_covered() -> None:
    before, here = shortlist(30), situation(history=(0, 1))
    for name in ("xquad", "calibrated_genres"):
        assert rerank(name, before, 0.9, 10, here).items.tolist() == before.items.tolist()


def test_films_over_the_cap_stand_behind_the_others_in_their_order() -> None:
    before, exposures = shortlist(20), np.ones(N_ITEMS)
    over = before.items[[0, 3, 7]]
    exposures[over] = 30.0
    after = rerank("exposure_cap", before, 0.2, 10, situation(exposures=exposures))
    under = [film for film in before.items.tolist() if film not in over]
    assert after.items.tolist() == under + over.tolist()
    even = exposures.sum() / N_ITEMS
    kept = rerank("exposure_cap", before, even / 30.0 * 0.999, 10, situation(exposures=exposures))
    assert kept.items.tolist() == before.items.tolist()


# --- chance


def test_the_reserved_places_hold_tail_films_and_the_rest_keeps_its_order() -> None:
    tail = set(np.flatnonzero(FEATURES.tail).tolist())
    assert len(tail) == N_ITEMS - int(0.2 * N_ITEMS)
    before = shortlist(50, 3)
    after = rerank("tail_slots", before, 0.3, 10, situation(seed=5))
    places = slot_places(10, 3)
    listed = after.items[:10].tolist()
    assert all(listed[place] in tail for place in places)
    others = [film for place, film in enumerate(listed) if place not in places]
    assert others == before.items[:7].tolist()


@pytest.mark.parametrize("name", ["tail_slots", "exploration"])
def test_logged_propensities_are_how_often_chance_puts_a_film_there(name: str) -> None:
    before = shortlist(50, 3)
    exposures = RANDOM.integers(0, 50, N_ITEMS).astype(np.float64)
    chain = chain_of({name: 0.3})
    told: dict[tuple[int, int], float] = {}
    found: Counter[tuple[int, int]] = Counter()
    draws = 4_000
    for draw in range(draws):
        here = situation(seed_of(f"u{draw}", 0), exposures=exposures)
        after = chain.apply(before, 10, here)
        for place in range(10):
            key = place, int(after.items[place])
            found[key] += 1
            assert told.setdefault(key, float(after.propensities[place])) == pytest.approx(
                float(after.propensities[place]))
    for key, count in found.items():
        spread = math.sqrt(told[key] * (1 - told[key]) / draws)
        assert abs(count / draws - told[key]) <= 5 * spread + 1e-9, key
    by_place: Counter[int] = Counter()
    for (place, _), propensity in told.items():
        by_place[place] += propensity  # type: ignore[assignment]
    assert all(total <= 1 + 1e-9 for total in by_place.values())
    if name == "tail_slots":
        assert {told[key] for key in told if key[0] in slot_places(10, 3)} == {1 / ROTATION}


def test_places_drawn_by_two_rerankers_are_independent() -> None:
    chain, before = chain_of({"tail_slots": 0.2, "exploration": 0.9}), shortlist(50, 4)
    drawn: list[set[int]] = [set(), set(), set()]
    for draw in range(500):
        listed = chain.apply(before, 10, situation(seed_of(f"u{draw}", 1))).items[:10]
        for films, place in zip(drawn, (3, 6, 9), strict=True):
            films.add(int(listed[place]))
    assert all(drawn[a].isdisjoint(drawn[b]) for a, b in ((0, 1), (0, 2), (1, 2)))


def test_exploration_prefers_films_that_were_shown_less() -> None:
    before, exposures = shortlist(50, 3), np.zeros(N_ITEMS)
    shown = before.items[10:30]
    exposures[shown] = 99.0
    last = Counter(int(chain_of({"exploration": 1.0}).apply(
        before, 10, situation(seed_of(f"u{n}", 0), exposures=exposures)).items[9])
        for n in range(1_000))
    often = sum(count for film, count in last.items() if film in shown)
    assert often / 1_000 == pytest.approx(20 * 0.1 / (20 * 0.1 + 20), abs=0.04)


def test_a_seed_hangs_on_user_and_period_and_streams_are_apart() -> None:
    assert seed_of("u1", 5) == seed_of("u1", 5)
    seeds = {seed_of(user, period) for user in ("u1", "u2", "1u") for period in range(50)}
    assert len(seeds) == 150
    numbers = np.array([uniform(seed_of(f"u{n}", 0), stream)
                        for n in range(5_000) for stream in (0, 1)])
    assert numbers.min() >= 0 and numbers.max() < 1
    assert numbers.mean() == pytest.approx(0.5, abs=0.015)
    assert np.corrcoef(numbers[::2], numbers[1::2])[0, 1] == pytest.approx(0, abs=0.05)


@given(st.integers(2, 100), st.integers(1, 99))
def test_reserved_places_are_apart_and_never_the_first(k: int, slots: int) -> None:
    slots = min(slots, k - 1)
    places = slot_places(k, slots)
    assert len(set(places)) == slots == len(places) and places == sorted(places)
    assert all(0 < place < k for place in places)
    if slots <= k // 2:
        assert places[-1] < k - 1 or k == 2
