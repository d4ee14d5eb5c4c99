import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_data import clustered, frame_of

from recommender.interactions import interactions_from_events
from recommender.models.model import EncodedHistory, decay_of
from recommender.models.sequence_blend import SEQUENCE_BLEND
from recommender.models.sequential import SEQUENTIAL
from recommender.models.similar_histories import SIMILAR_HISTORIES

E = 1e-3


def similar_by_hand(whole, history, weights, histories=300, recent=10, reach=20):
    """For each user: similarity, newest film in common, its age; then what is next to it."""
    counts = np.maximum(whole.item_counts(), 1)
    found = []
    for user in range(whole.n_users):
        way = whole.items[whole.user_entries(user)].tolist()
        similarity, anchor = 0.0, None
        for age in range(min(recent, len(history))):
            film, weight = history[len(history) - 1 - age], weights[len(history) - 1 - age]
            if film not in way or weight <= 0:
                continue
            part = weight * decay_of(3.0) ** age * counts[film] ** -0.2
            place = way.index(film)
            if anchor is None:
                anchor, since = place, age
            else:
                off = abs((anchor - place) - (age - since))
                part *= 1 + 6 * np.exp(-min(off, 79) / 10)
            similarity += part
        if anchor is not None:
            found.append((similarity**3, way, anchor, since))
    found.sort(key=lambda history: -history[0])
    assert len(found) <= histories or found[histories][0] < found[histories - 1][0] * (1 - 1e-5)
    parts = np.zeros((recent, whole.n_items))
    for size, way, anchor, since in found[:histories]:
        for step in range(1, reach + 1):
            if anchor + step < len(way):
                parts[since, way[anchor + step]] += size * decay_of(2.0) ** (step - 1)
            if step <= 5 and anchor - step >= 0:
                parts[since, way[anchor - step]] += 0.3 * size * decay_of(2.0) ** (step - 1)
    return parts


@given(st.integers(0, 59), st.integers(1, 12))
@settings(max_examples=25, deadline=None)
def test_a_list_of_similar_histories_equals_one_computed_by_hand(user, length):
    whole = clustered()
    model = SIMILAR_HISTORIES.fit_with(whole, {})
    history = whole.items[whole.user_entries(user)][:length]
    weights = np.where(np.arange(len(history)) % 5 == 2, -0.25, 1.0).astype(np.float32)
    parts = similar_by_hand(whole, history, weights)
    parts[:, history] = 0
    shares = parts.sum(axis=0) / max(parts.sum(), 1e-30)
    found = model.rank(EncodedHistory(history, weights), history, 6)
    wanted = E**2 * (shares + E)
    assert found.scores == pytest.approx(np.sort(wanted[shares > 0])[::-1][:6], rel=1e-3)
    for item, position in zip(found.items, found.because, strict=True):
        of_entry = parts[len(history) - 1 - position, item]
        assert of_entry == pytest.approx(parts[:, item].max(), rel=1e-4)


def test_the_blend_is_the_product_of_its_parts():
    whole = clustered()
    blend = SEQUENCE_BLEND.fit_with(whole, {"to_power": 0.3, "similarity_power": 3.0})
    closed = SEQUENTIAL.fit_with(whole, {"to_power": 0})
    rows, n = blend.blocks, whole.n_items
    assert np.allclose(np.sort(rows.weights), np.sort(closed.blocks.weights))
    history = whole.items[whole.user_entries(7)]
    ones = np.ones(len(history), np.float32)
    expected = np.zeros(n)
    for block, half in enumerate((0.01, 1.5, 20.0)):
        for age, film in enumerate(history[::-1]):
            places = slice(rows.starts[block * n + film], rows.starts[block * n + film + 1])
            if decay_of(half) ** age >= 2e-3:
                expected[rows.items[places]] += decay_of(half) ** age * rows.weights[places]
    expected[history] = 0
    parts = similar_by_hand(whole, history, ones, recent=8, reach=10)
    parts[:, history] = 0
    shares = parts.sum(axis=0) / parts.sum()
    c = np.maximum(expected, 0)
    wanted = np.where((c > 0) | (shares > 0), (c + E) ** 2 * (shares + E), 0)
    wanted *= whole.item_counts() ** -0.3
    found = blend.rank(EncodedHistory(history, ones), history, 8)
    assert found.scores == pytest.approx(np.sort(wanted)[::-1][:8], rel=1e-3)
    assert found.items.tolist() == np.argsort(-wanted, kind="stable")[:8].tolist()


def test_only_the_users_last_active_are_looked_at():
    rows = [("watch", f"u{user}", film, None, 100 * user + at)
            for user in range(4) for at, film in enumerate(("a", f"next-{user}"))]
    whole = interactions_from_events(frame_of(rows))
    a = np.array([whole.item_ids.index("a")], np.int32)
    one = EncodedHistory(a, np.ones(1, np.float32))
    for users in (1, 2, 4):
        model = SIMILAR_HISTORIES.fit_with(whole, {"users": users})
        shown = {whole.item_ids[item] for item in model.rank(one, a, 9).items}
        assert shown == {f"next-{user}" for user in range(4 - users, 4)}


@given(st.integers(1, 4))
@settings(deadline=None)
def test_of_equally_similar_histories_those_last_active_count(histories):
    rows = [("watch", f"u{user}", film, None, (user * 7) % 5 * 100 + at)
            for user in range(5) for at, film in enumerate(("a", f"next-{(user * 7) % 5}"))]
    whole = interactions_from_events(frame_of(rows))
    a = np.array([whole.item_ids.index("a")], np.int32)
    model = SIMILAR_HISTORIES.fit_with(whole, {"histories": histories})
    shown = model.rank(EncodedHistory(a, np.ones(1, np.float32)), a, 9).items
    assert {whole.item_ids[item] for item in shown} == {
        f"next-{at}" for at in range(5 - histories, 5)}


def test_the_most_similar_histories_count():
    rows = [("watch", user, film, None, at) for user, way in
            {"both": "abx", "one": "ay", "none": "z"}.items() for at, film in enumerate(way)]
    whole = interactions_from_events(frame_of(rows))
    history = np.array([whole.item_ids.index(film) for film in "ab"], np.int32)
    model = SIMILAR_HISTORIES.fit_with(whole, {"histories": 1})
    shown = model.rank(EncodedHistory(history, np.ones(2, np.float32)), history, 9).items
    assert [whole.item_ids[item] for item in shown] == ["x"]


def test_the_same_order_makes_a_history_more_similar():
    ways = {"same": "abcx", "turned": "cbay"}
    rows = [("watch", user, film, None, at)
            for user, way in ways.items() for at, film in enumerate(way)]
    whole = interactions_from_events(frame_of(rows))
    history = np.array([whole.item_ids.index(film) for film in "abc"], np.int32)
    model = SIMILAR_HISTORIES.fit_with(whole, {"order_scale": 1.0})
    shown = model.rank(EncodedHistory(history, np.ones(3, np.float32)), history, 2)
    assert whole.item_ids[shown.items[0]] == "x"


@pytest.mark.parametrize("spec", [SIMILAR_HISTORIES, SEQUENCE_BLEND], ids=lambda s: s.name)
def test_one_or_two_users_are_enough(spec):
    for n in (1, 2, 3):
        rows = [("watch", "u1", "a", None, 1), ("rate", "u1", "b", 1.0, 2),
                ("watch", "u2", "b", None, 3)][:n]
        whole = interactions_from_events(frame_of(rows))
        model = spec.fit_with(whole, {})
        assert model.is_finite()
        one = EncodedHistory(whole.items[:1], np.ones(1, np.float32))
        assert len(model.rank(one, whole.items[:1], 5).items) <= 1
        empty = EncodedHistory(whole.items[:0], np.ones(0, np.float32))
        assert len(model.rank(empty, whole.items[:0], 5).items) == 0
