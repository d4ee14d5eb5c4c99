import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from recommender.ranking import SMALLEST_DECAY, Neighbours, rank_by_neighbours

N = 12


@st.composite
def neighbour_rows(draw):
    seed = draw(st.integers(0, 10_000))
    rng = np.random.default_rng(seed)
    dense = np.where(rng.random((N, N)) < 0.4, rng.integers(1, 4, (N, N)), 0).astype(np.float32)
    rows = [np.flatnonzero(row) for row in dense]
    starts = np.concatenate(([0], np.cumsum([len(row) for row in rows]))).astype(np.int64)
    items = np.concatenate(rows).astype(np.int32)
    return dense, Neighbours(starts, items, dense[dense > 0].astype(np.float32))


@given(neighbour_rows(), st.lists(st.integers(0, N - 1), unique=True, max_size=N),
       st.sampled_from([1.0, 0.5]), st.integers(1, N), st.integers(0, 999))
@settings(max_examples=200)
def test_the_kernel_equals_a_dense_product(made, history, decay, k, seed):
    dense, neighbours = made
    rng = np.random.default_rng(seed)
    weights = rng.choice([1.0, 0.5, -0.25], len(history)).astype(np.float32)
    factor = rng.choice([1.0, 2.0], N).astype(np.float32)
    allowed = rng.random(N) < 0.8
    items = np.array(history, np.int32)
    found = rank_by_neighbours(items, weights, neighbours, factor, items, k, allowed, decay)
    decays = decay ** np.arange(len(history))[::-1]
    decayed = weights * np.where(decays < SMALLEST_DECAY, 0.0, decays)
    parts = decayed[:, None] * dense[history].reshape(len(history), N)
    scores = parts.sum(axis=0) * factor
    right = [i for i in range(N) if scores[i] > 0 and allowed[i] and i not in history]
    right.sort(key=lambda i: (-scores[i], i))
    assert found.items.tolist() == right[:k]
    assert np.allclose(found.scores, scores[right[:k]])
    for item, position in zip(found.items, found.because, strict=True):
        assert parts[position, item] == parts[:, item].max()


def test_equal_scores_are_ordered_by_index_whatever_their_number():
    every = np.arange(N, dtype=np.int32)
    starts = np.concatenate(([0], np.full(N, N))).astype(np.int64)
    neighbours = Neighbours(starts, every, np.ones(N, np.float32))
    one = np.zeros(1, np.int32)
    found = rank_by_neighbours(one, np.ones(1, np.float32), neighbours, np.ones(N, np.float32),
                               one[:0], 5)
    assert found.items.tolist() == [0, 1, 2, 3, 4]


def test_numbers_that_are_not_numbers_are_not_shown():
    neighbours = Neighbours(np.array([0, 2, 2, 2]), np.array([1, 2], np.int32),
                            np.array([np.nan, 1.0], np.float32))
    assert not neighbours.is_finite()
    one = np.zeros(1, np.int32)
    found = rank_by_neighbours(one, np.ones(1, np.float32), neighbours, np.ones(3, np.float32),
                               one, 3)
    assert found.items.tolist() == [2]
