"""The OpenAPI document and the page made from it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any

import pytest
from flask import Response
from pydantic import BaseModel

from tests.web_world import World
from web.answers import json_answer
from web.documentation import at_root
from web.operations import Operation, Who
from web.surface import Surface


class Greeting(BaseModel):
    text: str


class Greeter(BaseModel):
    times: int = 1


def greet(name: str) -> Response:
    return json_answer({"text": name})


def greetings(surface: Surface) -> None:
    """A topic as others register theirs."""
    surface.table.topic("greetings", (
        (Operation("GET", "/greet/<name>", "Greet", Who.CLIENT, Greeting, query=Greeter), greet),
    ))


@pytest.fixture(scope="module")
def world() -> World:
    return World(further_topics=[greetings])


@pytest.fixture(scope="module")
def document(world: World) -> dict[str, Any]:
    found: dict[str, Any] = world.client.get("/openapi.json").json
    return found


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, described in methods.items():
            yield path, method, described


def test_every_call_of_the_application_is_described_and_no_page(
    world: World, document: dict[str, Any]
) -> None:
    routes = {
        (re.sub(r"<(?:[^:<>]+:)?([^<>]+)>", r"{\1}", rule.rule), method.lower())
        for rule in world.app.url_map.iter_rules()
        if rule.endpoint != "static" and rule.endpoint not in world.surface.table.pages
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    assert {(path, method) for path, method, _ in operations(document)} == routes


def test_every_endpoint_has_somebody_who_may_call_it(world: World) -> None:
    who = {rule.endpoint for rule in world.app.url_map.iter_rules()}
    surface_who: dict[str, Who] = {}
    World(further_topics=[lambda surface: surface_who.update(surface.table.who)])
    assert who - {"greetings.greet", "prometheus_metrics"} == set(surface_who)


def test_every_reference_leads_to_a_schema(document: dict[str, Any]) -> None:
    def references(value: Any) -> Iterator[str]:
        if isinstance(value, dict):
            if "$ref" in value:
                yield value["$ref"]
            for inner in value.values():
                yield from references(inner)
        elif isinstance(value, list):
            for inner in value:
                yield from references(inner)

    found = set(references(document))
    known = {f"#/components/schemas/{name}" for name in document["components"]["schemas"]}
    assert found and found <= known


def test_operation_ids_are_unique_and_path_parameters_described(document: dict[str, Any]) -> None:
    ids = [described["operationId"] for _, _, described in operations(document)]
    assert len(ids) == len(set(ids))
    for path, _, described in operations(document):
        named = {p["name"] for p in described["parameters"] if p["in"] == "path"}
        assert named == set(re.findall(r"{([^}]+)}", path))


def test_a_rating_is_described_with_its_bounds_and_other_names(document: dict[str, Any]) -> None:
    rate = document["paths"]["/rate"]["post"]
    reference = rate["requestBody"]["content"]["application/json"]["schema"]["$ref"]
    schema = document["components"]["schemas"][reference.rpartition("/")[2]]
    rating = schema["properties"]["rating"]
    assert (rating["minimum"], rating["maximum"], rating["multipleOf"]) == (0.5, 5, 0.5)
    assert set(schema["required"]) == {"user_id", "item_id", "rating"}
    assert "movie_id" in schema["properties"]["item_id"]["description"]
    assert {"400", "409", "413", "415", "422", "429", "503"} <= set(rate["responses"])


def test_problems_are_described_as_problem_json_with_retry_after(document: dict[str, Any]) -> None:
    limited = document["paths"]["/movies"]["get"]["responses"]["429"]
    assert list(limited["content"]) == ["application/problem+json"]
    assert "Retry-After" in limited["headers"]


def test_admin_calls_need_a_key_and_open_calls_none(document: dict[str, Any]) -> None:
    paths = document["paths"]
    assert paths["/models"]["get"]["security"] == [{"bearer": []}, {"api_key": []}]
    assert {} in paths["/movies"]["get"]["security"]
    assert paths["/health"]["get"]["security"] == []
    assert "429" not in paths["/health"]["get"]["responses"]


def test_query_parameters_are_described(document: dict[str, Any]) -> None:
    (k,) = [p for p in document["paths"]["/similar/{item_id}"]["get"]["parameters"]
            if p["in"] == "query"]
    assert (k["name"], k["required"]) == ("k", False)
    assert (k["schema"]["minimum"], k["schema"]["maximum"]) == (1, 100)


def test_a_further_topic_is_routed_and_described(world: World, document: dict[str, Any]) -> None:
    assert world.client.get("/greet/ada").json == {"text": "ada"}
    described = document["paths"]["/greet/{name}"]["get"]
    assert [p["name"] for p in described["parameters"]] == ["name", "times"]


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


def test_the_page_shows_every_call_without_scripts_or_third_parties(
    world: World, document: dict[str, Any]
) -> None:
    answer = world.client.get("/docs")
    page = _Page()
    page.feed(answer.text)
    names = {tag for tag, _ in page.tags}
    assert not names & {"script", "link", "img", "iframe", "form"}
    outside = [value for _, attrs in page.tags for value in attrs.values() if "//" in (value or "")]
    assert not outside
    for path, method, _ in operations(document):
        assert f"<code>{method.upper()} {path}</code></h2>" in re.sub(
            r" <span class=\"who\">\w+</span>", "", answer.text)


def test_the_page_fits_a_phone_and_its_policy_allows_its_style_only(world: World) -> None:
    answer = world.client.get("/docs")
    assert '<meta name="viewport" content="width=device-width' in answer.text
    policy = answer.headers["Content-Security-Policy"]
    (nonce,) = re.findall(r'<style nonce="([^"]+)">', answer.text)
    assert "default-src 'none'" in policy and f"style-src 'nonce-{nonce}'" in policy
    assert nonce not in world.client.get("/docs").text


def test_without_pages_for_visitors_the_root_leads_to_the_documentation() -> None:
    client = World(further_topics=[at_root]).client
    answer = client.get("/")
    assert (answer.status_code, answer.headers["Location"]) == (302, "/docs")
    assert "Visitors" not in client.get("/admin/login").text
