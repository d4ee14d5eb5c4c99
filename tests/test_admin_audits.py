"""The administrators' pages on fairness and feedback loops."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

from recommender.audit.answers_audit import LoggedAnswer, audit_answers
from recommender.audit.catalogue_view import view_catalogue
from recommender.audit.documents import Origin, fairness_document, history_row, loops_document
from recommender.audit.model_audit import JudgedQuality, audit_model
from recommender.audit.verdicts import AuditPolicy
from recommender.types import Person
from tests.admin_desk import Desk, logged_in, text_of
from tests.small_data import bundle_of, clustered, films

POLICY = AuditPolicy(lists=60, group_least=10, coverage_min=0.99)


@pytest.fixture
def desk() -> Desk:
    """Over an audit of made-up lists."""
    interactions = clustered()
    people = [Person(f"u{n}", "FM"[n % 2], 20 + n) for n in range(60)]
    view = view_catalogue(interactions, films(), people, 0)
    bundle = bundle_of("popularity", interactions, films())
    quality = JudgedQuality(np.linspace(0, 1, 60), {"gender F": np.arange(60) % 2 == 0})
    report = audit_model(bundle, interactions, view, POLICY, quality)
    random = np.random.default_rng(0)
    answers = audit_answers(
        [LoggedAnswer(f"u{n % 60}", 1_000_000 * (n + 1), "AB"[n % 2], "v",
                      [f"f{film}" for film in random.choice(40, 10, replace=False)])
         for n in range(300)], view, {}, 60, POLICY, dropped=3)
    origin = Origin(1_795_000_000_000, "serving", "sha256:" + "a" * 64, "popularity",
                    "20260101T000000Z")
    desk = logged_in()
    audits: Any = desk.world.audits
    audits.reports = {
        "fairness_analysis_results": fairness_document(report, answers, origin, POLICY),
        "feedback_loop_analysis_results": loops_document(
            answers, origin, POLICY, {"models": 1, "status": "INSUFFICIENT_DATA", "slope": None,
                                      "rising_p": None}),
    }
    audits.rows = [history_row(report, origin)] * 3
    return desk


def test_the_table_of_requirements_tells_value_threshold_and_verdict(desk: Desk) -> None:
    text = desk.text("/admin/fairness")
    assert re.search(r"Catalogue coverage 0\.\d{3} \(0\.\d{3} to \d\.\d{3}\) at least 0\.99 "
                     r"not met refuses 60", text)
    assert re.search(r"Tail share 0\.\d{3} .*? at least 0\.7 (not )?met published target", text)
    assert "requirements are met; not met: Catalogue coverage" in text
    assert re.search(r"gender F 30 0\.\d{3} \(", text)
    assert "3 answers of the window were not logged" in text
    assert re.search(r"Variant .* A 150 30 ", text)


def test_every_link_to_a_definition_leads_to_one(desk: Desk) -> None:
    for path in ("/admin/fairness", "/admin/loops"):
        html = desk.get(path).text
        linked = set(re.findall(r'href="#(def-\w+)"', html))
        assert linked and linked <= set(re.findall(r'id="(def-\w+)"', html))


def test_the_loops_page_tells_of_echo_starvation_and_new_films(desk: Desk) -> None:
    text = desk.text("/admin/loops")
    assert "no echo The Gini changes by" in text
    assert "Over 1 trained models of this name: too few eight are needed" in text
    assert "Never shown" in text and "No film came in the window." in text


def test_without_an_audit_the_pages_say_how_to_get_one() -> None:
    desk = logged_in()
    assert "fairreel audit" in desk.text("/admin/fairness")
    assert "fairreel audit" in desk.text("/admin/loops")


def test_visitors_do_not_see_them(desk: Desk) -> None:
    stranger = Desk(desk.world)
    for path in ("/admin/fairness", "/admin/loops"):
        assert stranger.get(path).status_code in (303, 401)
        assert "Tail share" not in text_of(stranger.get(path).text)
