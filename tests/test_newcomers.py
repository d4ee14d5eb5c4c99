from dataclasses import replace

import numpy as np
import pytest
from small_data import clustered, frame_of

from recommender.interactions import interactions_from_events
from recommender.models.model import EncodedHistory
from recommender.models.newcomers import (
    EVIDENCE_ALONE,
    Trust,
    choose_trust,
    early_shares,
    short_histories,
)
from recommender.models.sequence_als import SEQUENCE_ALS
from recommender.models.sequence_blend import SEQUENCE_BLEND
from recommender.models.similar_histories import index_histories
from recommender.split import by_user

ALONE = {"newcomers": 0}


def short_of(whole, trust):
    """Short histories under this trust, popularity divided by its power .6."""
    return short_histories(early_shares(whole, 11), whole.item_counts(), 0.6, trust)


def trust_in(whole):
    """What is chosen for the default model on these interactions."""
    config = SEQUENCE_BLEND.configure({})
    model = SEQUENCE_BLEND.fit_with(whole, ALONE)
    return choose_trust(model, whole, config.to_power,
                        lambda others: index_histories(others, config))


def ways(n_users, first, n_items=120, length=14, seed=1):
    """People whose first films are those of `first(rng)`, and who then go round from a random film.

    Films of the way round and films taken first are not the same ones.
    """
    rng = np.random.default_rng(seed)
    rows = []
    for user in range(n_users):
        start = int(rng.integers(n_items))
        way = [*first(rng), *(f"f{(start + step) % n_items}" for step in range(length))]
        rows += [("watch", f"u{user:04d}", film, None, 1_000 * user + at)
                 for at, film in enumerate(way)]
    return interactions_from_events(frame_of(rows))


def fame_of_the_way_round(rng):
    """Nothing before the way round: where it begins says all that is to come."""
    return []


def page_of_popular_films(rng):
    """Six of two hundred films, each by its fame alone and independent of the others."""
    fame = 1.0 / np.arange(1, 201)
    return [f"p{film}" for film in rng.choice(200, 6, replace=False, p=fame / fame.sum())]


def hit_rate(model, whole, known, k=10):
    """Of the film after the first `known` ones, over people whom the model has not seen."""
    split = by_user(whole, known=known)
    hits = []
    for user, target in zip(split.users, split.targets, strict=True):
        told = split.histories.items[split.histories.user_entries(user)]
        ones = np.ones(len(told), np.float32)
        hits.append(target in model.rank(EncodedHistory(told, ones), told, k).items)
    return np.mean(hits)


def test_the_share_taken_early_counts_near_places_by_how_far_they_lie_off():
    whole = clustered(30)
    weights = np.linspace(0.5, 1.5, len(whole.items)).astype(np.float32)
    whole = replace(whole, weights=weights)
    found = early_shares(whole, 4)
    for row, known in ((found[0], 1), (found[3], 4)):
        sums = np.zeros(whole.n_items)
        for user in range(whole.n_users):
            entries = whole.user_entries(user)
            for place, at in enumerate(range(entries.start, entries.stop)):
                sums[whole.items[at]] += weights[at] * 0.5 ** (abs(place - known) / 2)
        assert row == pytest.approx(sums / sums.sum(), rel=1e-6)


@pytest.mark.parametrize("known", [1, 3, 7])
def test_the_score_of_a_short_history_is_evidence_times_what_is_early(known):
    whole = clustered(80)
    trust, to_power = Trust(9, 0.6), 0.6
    plain = SEQUENCE_BLEND.fit_with(whole, ALONE | {"to_power": 0})
    model = replace(plain, short=short_of(whole, trust))
    told = whole.items[whole.user_entries(5)][:known]
    history = EncodedHistory(told, np.ones(known, np.float32))
    evidence = np.zeros(whole.n_items)
    ranked = plain.rank(history, told, whole.n_items)
    evidence[ranked.items] = ranked.scores / (whole.item_counts()[ranked.items] > 0)
    w = 1 - (known / 9) ** 2
    popular = whole.item_counts() / len(whole.items)
    early = early_shares(whole, known)[-1] + 0.1 * popular
    wanted = evidence ** (1 - 0.6 * w) * early**w * popular ** (-to_power * (1 - w))
    found = model.rank(history, told, whole.n_items)
    assert found.items.tolist() == np.argsort(-wanted, kind="stable")[:len(found.items)].tolist()
    assert found.scores == pytest.approx(wanted[found.items], rel=1e-3)


def test_from_as_many_films_on_a_history_is_ranked_as_by_the_model_alone():
    whole = clustered(80)
    plain = SEQUENCE_BLEND.fit_with(whole, ALONE)
    model = replace(plain, short=short_of(whole, Trust(6, 0.8)))
    for known, alike in ((5, False), (6, True), (11, True)):
        told = whole.items[whole.user_entries(3)][:known]
        history = EncodedHistory(told, np.ones(known, np.float32))
        one, other = (m.rank(history, told, 20) for m in (plain, model))
        assert (one.scores.tolist() == other.scores.tolist()) == alike
    empty = EncodedHistory(told[:0], np.ones(0, np.float32))
    assert len(model.rank(empty, told[:0], 5).items) == 0


def test_behind_a_page_of_popular_films_newcomers_get_what_others_took_so_early():
    whole = ways(1_500, page_of_popular_films, n_items=30)
    assert trust_in(whole).first_films > 0
    training = by_user(whole).training
    alone = SEQUENCE_BLEND.fit_with(training, ALONE)
    model = SEQUENCE_BLEND.fit_with(training, {})
    for known in (1, 3):
        counts = training.item_counts()
        split = by_user(whole, known=known)
        popular = np.mean(np.isin(split.targets, np.argsort(-counts)[:10]))
        found = hit_rate(model, whole, known)
        assert found > max(popular, hit_rate(alone, whole, known)) + 0.05


def test_where_the_first_films_say_what_comes_next_they_are_trusted():
    whole = ways(800, fame_of_the_way_round)
    assert trust_in(whole) == EVIDENCE_ALONE
    model = SEQUENCE_BLEND.fit_with(by_user(whole).training, {})
    assert all(hit_rate(model, whole, known, k=1) > 0.9 for known in (1, 3, 6))


def test_too_few_people_choose_nothing():
    assert trust_in(clustered(400)) == EVIDENCE_ALONE
    assert len(SEQUENCE_BLEND.fit_with(clustered(400), {}).short.trusts) == 0


def test_a_factor_multiplies_the_score_of_a_short_history_too():
    whole = clustered(80)
    model = replace(SEQUENCE_BLEND.fit_with(whole, ALONE),
                    short=short_of(whole, Trust(6, 0.8)))
    told = whole.items[whole.user_entries(3)][:2]
    history = EncodedHistory(told, np.ones(2, np.float32))
    factor = np.linspace(0.5, 2, whole.n_items).astype(np.float32)
    plain, changed = (model.rank(history, told, whole.n_items, None, f) for f in (None, factor))
    scores = dict(zip(plain.items.tolist(), plain.scores, strict=True))
    assert changed.scores == pytest.approx(
        [scores[item] * factor[item] for item in changed.items.tolist()], rel=1e-3)


def test_a_model_stored_before_short_histories_were_apart_still_loads():
    whole = clustered(80)
    plain = SEQUENCE_BLEND.fit_with(whole, ALONE)
    model = replace(plain, short=short_of(whole, Trust(6, 0.8)))
    state = {name: value for name, value in model.__dict__.items() if name != "short"}
    older = object.__new__(type(model))
    older.__setstate__(state)
    told = whole.items[whole.user_entries(3)][:2]
    history = EncodedHistory(told, np.ones(2, np.float32))
    assert older.rank(history, told, 5).scores.tolist() == plain.rank(
        history, told, 5).scores.tolist() != model.rank(history, told, 5).scores.tolist()


def test_no_place_is_doubted_that_was_not_judged():
    whole = ways(1_500, page_of_popular_films, length=0)
    assert 0 < trust_in(whole).first_films <= 6


def test_taste_is_doubted_as_much_as_the_rest_of_the_evidence():
    whole = clustered(80)
    config = {"newcomers": 0, "row_power": 0.3, "to_power": 0.7}
    plain = SEQUENCE_ALS.fit_with(whole, config)
    model = replace(plain, blend=replace(plain.blend, short=short_of(whole, Trust(9, 0.6))))
    told = whole.items[whole.user_entries(5)][:3]
    history = EncodedHistory(told, np.ones(3, np.float32))
    ranked, found = (m.rank(history, told, whole.n_items) for m in (plain, model))
    evidence = np.zeros(whole.n_items)
    counts = whole.item_counts()
    evidence[ranked.items] = ranked.scores * counts[ranked.items] ** 0.7
    w = 1 - (3 / 9) ** 2
    popular = counts / len(whole.items)
    early = early_shares(whole, 3)[-1] + 0.1 * popular
    wanted = evidence ** (1 - 0.6 * w) * early**w * popular ** (-0.6 * (1 - w))
    assert found.scores == pytest.approx(wanted[found.items], rel=1e-3)
    assert len(found.items) == len(ranked.items)


def test_the_extremes_of_doubt_and_of_taste_lose_no_film():
    whole = clustered(80)
    model = SEQUENCE_ALS.fit_with(whole, {"newcomers": 0, "als_power": 4.0})
    doubting = replace(model, blend=replace(model.blend, short=short_of(whole, Trust(12, 0.8))))
    told = whole.items[:1]
    history = EncodedHistory(told, np.ones(1, np.float32))
    few = np.full(whole.n_items, 1e-3, np.float32)
    assert len(doubting.rank(history, told, whole.n_items, None, few).items) == len(
        model.rank(history, told, whole.n_items).items)


def test_a_configuration_stored_before_there_was_a_field_is_fitted_as_it_was():
    defaults = SEQUENCE_BLEND.hyperparameters({})
    fields = ("prior_entries", "alone_weight", "newcomers")
    older = {name: value for name, value in defaults.items() if name not in fields}
    stored = SEQUENCE_BLEND.as_stored(older)
    assert [stored[name] for name in fields] == [0.0, 1.0, 0]
    assert SEQUENCE_BLEND.as_stored(defaults) == defaults
