"""What was shown, on a page: films, reasons in words, model, code, data."""

from __future__ import annotations

import pytest

from recommender.answer_text import AnswerText
from recommender.types import AnsweredRecord, Movie, Role
from tests.admin_desk import Desk, text_of
from tests.recommend_site import USER, Site
from web.services import WebOptions


class SiteDesk(Desk):
    """The pages over a site that recommends."""

    def __init__(self) -> None:
        self.site = Site(WebOptions(rate_limit_per_minute=10**9))
        super().__init__(self.site)


@pytest.fixture
def desk() -> SiteDesk:
    made = SiteDesk()
    made.log_in()
    return made


def ask(desk: SiteDesk, user_id: str = USER) -> dict[str, object]:
    answer: dict[str, object] = desk.site.ask(f"user_id={user_id}&k=5").json
    return answer


def test_an_answer_is_shown_with_titles_reasons_and_origin(desk: SiteDesk) -> None:
    answer = ask(desk)
    provenance = answer["provenance"]
    text = desk.text(f"/admin/trace?request_id={provenance['request_id']}")
    for film in answer["recommendations"]:
        assert f"{film['title']} ({film['year']})" in text
        for item_id in film["reason"]["item_ids"]:
            movie = desk.world.catalogue.movie(item_id)
            assert f"of {movie.title}" in text or f"watched {movie.title}" in text
    for said in (provenance["model_version"], provenance["git_sha"], provenance["data_snapshot_id"],
                 f"User {USER}", "Personal yes"):
        assert said in text, said


def test_what_reordered_the_list_is_told(desk: SiteDesk) -> None:
    plain = ask(desk)["provenance"]["request_id"]
    assert "Reordered by nothing" in desk.text(f"/admin/trace?request_id={plain}")
    answer = desk.site.ask(f"user_id={USER}&k=5&diversity=0.5").json
    told = desk.text(f"/admin/trace?request_id={answer['provenance']['request_id']}")
    assert "Reordered by mmr 0.5" in told


def test_a_users_last_answers_lead_to_each(desk: SiteDesk) -> None:
    ids = []
    for _ in range(3):
        desk.world.clock.now_ms += 1_000
        ids.append(ask(desk)["provenance"]["request_id"])
    ask(desk, "u2")
    page = desk.get(f"/admin/trace?user_id={USER}").text
    places = [page.index(f"request_id={each}") for each in ids]
    assert places == sorted(places, reverse=True)
    assert page.count("/admin/trace?request_id=") == 3


def test_a_user_without_answers_and_an_unknown_request_are_told(desk: SiteDesk) -> None:
    assert "None among the newest" in desk.text("/admin/trace?user_id=nobody")
    answer = desk.get("/admin/trace?request_id=unknown")
    assert answer.status_code == 404 and "No answer was logged under unknown" in answer.text
    assert desk.get("/admin/trace?request_id=%3Cscript%3E").status_code == 422
    assert "The answer" not in desk.text("/admin/trace")
    assert desk.get("/admin/trace?request_id=&user_id=").status_code == 200


def test_titles_are_escaped(desk: SiteDesk) -> None:
    evil = Movie("evil", "<img src=x onerror=alert(1)>", 2001, ("Drama",))
    desk.world.add_movies(evil)
    body = (b'{"k":1,"recommendations":[{"rank":1,"item_id":"evil","title":"<img src=x>",'
            b'"year":null,"genres":[],"reason":{"kind":"because_you_rated","item_ids":["evil"]}}],'
            b'"fallback":null,"provenance":{"request_id":"')
    text = AnswerText(body, b'","model":null,"model_version":null,"git_sha":null,'
                       b'"data_snapshot_id":null,"history_version":0,"generated_at":"')
    desk.world.response_log.record(
        AnsweredRecord("r1", 1_000, "u1", "A", "", 0, False, 200, 900, text))
    page = desk.get("/admin/trace?request_id=r1").text
    assert "<img" not in page and "&lt;img src=x&gt;" in page
    assert "Model none" in text_of(page)


def test_only_administrators_may_look(desk: SiteDesk) -> None:
    request_id = ask(desk)["provenance"]["request_id"]
    stranger = desk.world.app.test_client()
    _, secret = desk.world.api_keys.create(Role.CLIENT, "shop", 1)
    answer = stranger.get(f"/admin/trace?request_id={request_id}",
                          headers={"Authorization": f"Bearer {secret}"})
    assert answer.status_code == 303
