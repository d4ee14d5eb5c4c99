import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from recommender.ranking import top_films


@given(st.lists(st.integers(-2, 4), max_size=30), st.sets(st.integers(0, 29)),
       st.integers(0, 40), st.booleans(), st.integers(0, 99))
def test_the_best_come_first_and_of_equal_ones_the_lower_index(scores, excluded, k, masked, seed):
    n = len(scores)
    excluded = {film for film in excluded if film < n}
    allowed = np.random.default_rng(seed).random(n) < 0.6 if masked else None
    items, best = top_films(np.array(scores, np.float32), np.array(sorted(excluded), np.int32), k,
                            allowed)
    wanted = sorted((film for film in range(n) if scores[film] > 0 and film not in excluded
                     and (allowed is None or allowed[film])),
                    key=lambda film: (-scores[film], film))[:k]
    assert items.tolist() == wanted
    assert best.tolist() == [scores[film] for film in wanted]
