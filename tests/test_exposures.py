import pytest

from recommender.errors import StoreUnavailable
from recommender.rerank.conditions import ExposureBoard
from tests.recommend_site import OTHER, USER, Site
from workers.exposures import ExposureCount

HOUR_MS = 3_600_000


class Counted:
    """The job over the answers of a site."""

    def __init__(self, half_life_s=3_600.0):
        self.site, self.board, self.down = Site(), ExposureBoard(), False
        self.job = ExposureCount(self.answers, self.board, half_life_s, self.site.clock)

    def answers(self, after):
        if self.down:
            raise StoreUnavailable("away")
        log = self.site.response_log
        records = [log.trace(request)._replace(status=self.status) for request in self.requests]
        return iter(sorted((r for r in records if r.request_id > after),
                           key=lambda r: r.request_id))

    requests = ()
    status = 200

    def ask(self, user):
        answer = self.site.ask(f"user_id={user}&k=5")
        self.requests = (*self.requests, answer.headers["X-Request-ID"])
        self.site.clock.now_ms += 1
        return [film["item_id"] for film in answer.json["recommendations"]]


def test_each_showing_counts_once_whether_kept_or_computed():
    world = Counted()
    shown = [world.ask(user) for user in (USER, USER, OTHER)]
    world.job.run()
    world.job.run()
    counts = world.board.newest.counts
    for film in {*shown[0], *shown[2]}:
        assert counts[film] == pytest.approx(sum(film in films for films in shown), rel=1e-3)
    assert world.board.newest.epoch == 1  # the second run found nothing new
    array = world.board.of(("no-such-film", shown[0][0]))
    assert array.tolist() == [0.0, counts[shown[0][0]]]
    assert world.board.of(("another", "order")).tolist() == [0.0, 0.0]


def test_a_showing_counts_half_after_a_half_life():
    world = Counted()
    film = world.ask(USER)[0]
    world.job.run()
    world.site.clock.now_ms += HOUR_MS
    others = world.ask("nobody-yet")
    world.job.run()
    counts = world.board.newest.counts
    assert counts[film] == pytest.approx(0.5 + (film in others), rel=1e-2)


def test_while_the_log_is_away_nothing_is_lost_or_counted_twice():
    world = Counted()
    film = world.ask(USER)[0]
    world.down = True
    with pytest.raises(StoreUnavailable):
        world.job.run()
    world.down = False
    world.job.run()
    assert world.board.newest.counts[film] == pytest.approx(1.0, rel=1e-3)


def test_a_list_that_failed_was_shown_to_nobody():
    world = Counted()
    world.ask(USER)
    world.status = 500
    world.job.run()
    assert not world.board.newest.counts and world.board.newest.epoch == 0
