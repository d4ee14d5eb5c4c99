import numpy as np
import pytest
from small_data import clustered

from recommender.models.model import EncodedHistory, decay_of
from recommender.models.sequence_blend import SEQUENCE_BLEND
from recommender.models.sequence_softmax import SEQUENCE_SOFTMAX
from recommender.models.softmax_training import train_pass

DECAYS, RATES = np.array([0.5, 0.9], np.float32), np.array([0.2, 0.1], np.float32)


def passed_by_hand(whole, worth, order, dropped, bias, scale, rows, squares):
    """One pass with X built: logits = bias + sum of decayed rows, gradient by the chain rule."""
    n, losses, counted = whole.n_items, [], []
    for user in order:
        entries = whole.user_entries(user)
        way, out, weights = whole.items[entries], dropped[entries], worth[entries]
        gradient = np.zeros_like(rows)
        for t in range(len(way) - 1):
            inputs = np.zeros(len(rows))
            for block, decay in enumerate(DECAYS):
                for j in range(t + 1):
                    if not out[j]:
                        inputs[block * n + way[j]] += decay ** (t - j)
            logits = bias + scale * (inputs @ rows)
            logits[way[:t + 1]] = -np.inf
            p = np.exp(logits - logits.max())
            p /= p.sum()
            losses.append(-np.log(p[way[t + 1]]))
            counted.append(weights[t + 1])
            p[way[t + 1]] -= 1
            gradient += inputs[:, None] * p * weights[t + 1]
        touched = [block * n + film for block in (0, 1)
                   for film, gone in zip(way[:-1], out[:-1], strict=True) if not gone]
        squares[touched] += gradient[touched] ** 2
        rates = np.repeat(RATES, n)[touched, None]
        rows[touched] -= rates * gradient[touched] / np.sqrt(squares[touched])
    return np.average(losses, weights=counted)


@pytest.mark.parametrize("weighted", [False, True])
def test_a_pass_equals_one_computed_by_hand(weighted):
    whole = clustered(20, 30, 9)
    n = whole.n_items
    rng = np.random.default_rng(3)
    bias = np.log(whole.item_counts()).astype(np.float32)
    rows = rng.normal(0, 0.1, (2 * n, n)).astype(np.float32)
    squares = np.full((2 * n, n), 1e-3, np.float32)
    wanted_rows, wanted_squares = rows.astype(float), squares.astype(float)
    order = rng.permutation(whole.n_users)
    dropped = rng.random(len(whole.items)) < 0.3
    worth = np.ones(len(whole.items), np.float32)
    if weighted:
        worth = rng.uniform(0, 2, len(worth)).astype(np.float32)
    for _ in range(2):
        loss = train_pass(whole.items, whole.user_offsets, worth, order, dropped, DECAYS, RATES,
                          bias, np.float32(1.25), rows, squares)
        wanted = passed_by_hand(whole, worth, order, dropped, bias, 1.25, wanted_rows,
                                wanted_squares)
        assert loss == pytest.approx(wanted, rel=1e-4)
    # Adagrad divides by what may be nearly 0, so rounding shows a little.
    assert np.allclose(rows, wanted_rows, atol=5e-3)


def test_logits_multiply_the_blend():
    whole = clustered()
    settings = {"to_power": 0.3}
    full = SEQUENCE_SOFTMAX.fit_with(whole, settings)
    blend = SEQUENCE_BLEND.fit_with(whole, settings)
    history = whole.items[whole.user_entries(7)]
    one = EncodedHistory(history, np.ones(len(history), np.float32))
    plain = blend.rank(one, history, 8)
    found = full.rank(one, history, whole.n_items)
    logits = full.logits.bias.astype(float).copy()
    for block, decay in enumerate((decay_of(1.0), decay_of(13.5))):
        for age, film in enumerate(history[::-1]):
            if decay**age >= 2e-3:
                logits += decay**age * full.logits.rows[block * whole.n_items + film]
    by_item = dict(zip(found.items.tolist(), found.scores.tolist(), strict=True))
    for item, score in zip(plain.items.tolist(), plain.scores.tolist(), strict=True):
        wanted = score * np.exp((logits[item] - logits.max()) / 2)
        assert by_item[item] == pytest.approx(wanted, rel=1e-3)


def test_a_catalogue_too_large_for_logits_has_the_blend_alone():
    whole = clustered()
    model = SEQUENCE_SOFTMAX.fit_with(whole, {"logit_items": 10, "to_power": 0.3})
    assert model.logits.rows.size == 0
    history = whole.items[whole.user_entries(7)]
    one = EncodedHistory(history, np.ones(len(history), np.float32))
    blend = SEQUENCE_BLEND.fit_with(whole, {"to_power": 0.3})
    assert model.rank(one, history, 8).items.tolist() == blend.rank(one, history, 8).items.tolist()


def test_training_lowers_the_loss_of_the_next_film():
    whole = clustered()
    n = whole.n_items
    rows, squares = np.zeros((2 * n, n), np.float32), np.full((2 * n, n), 1e-3, np.float32)
    losses = [train_pass(whole.items, whole.user_offsets, whole.entry_weights(),
                         np.arange(whole.n_users), np.zeros(len(whole.items), np.bool_), DECAYS,
                         RATES, np.zeros(n, np.float32), np.float32(1), rows, squares)
              for _ in range(4)]
    assert losses == sorted(losses, reverse=True)
