import numpy as np
from small_data import frame_of

from recommender.interactions import interactions_from_events
from recommender.models.model import EncodedHistory
from recommender.models.popularity import PopularityConfig, fit_popularity

WHOLE = interactions_from_events(frame_of([
    *(("watch", f"u{n}", "hit", None, n) for n in range(5)),
    *(("watch", f"u{n}", "some", None, n) for n in range(3)),
    ("watch", "u0", "rare", None, 9),
    ("rate", "u0", "rare", 5.0, 10),
])).with_items(["untaken"])
MODEL = fit_popularity(WHOLE, PopularityConfig())
NOBODY = EncodedHistory(np.zeros(0, np.int32), np.zeros(0, np.float32))
NONE = np.zeros(0, np.int32)


def named(ranked):
    return [WHOLE.item_ids[i] for i in ranked.items]


def test_films_are_ordered_by_the_number_of_users():
    ranked = MODEL.rank(NOBODY, NONE, 10)
    assert named(ranked) == ["hit", "some", "rare"]
    assert ranked.scores.tolist() == [5, 3, 1]


def test_within_genres_the_count_is_weighed_by_taste():
    masks = np.array([[i in ("hit", "untaken") for i in WHOLE.item_ids],
                      [i in ("some", "rare") for i in WHOLE.item_ids]])
    taste = np.array([0.2, 0.8], np.float32)
    assert named(MODEL.rank_in_genres(taste, masks, NONE, 10)) == ["some", "hit", "rare"]


def test_films_that_nobody_took_are_listed_apart():
    assert named(MODEL.rank_untaken(NONE, 10)) == ["untaken"]
