"""What bad input gets: never a 5xx, and a problem that names what was wrong."""

from __future__ import annotations

import io
import json
import string
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.web_world import NOW_MS, World, options
from web.strict_json import DEPTH_MAX, MalformedJson, parse_object

RATING = {"user_id": "u1", "item_id": "m1", "rating": 4.5}


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    made = World()
    yield made
    assert not made.outbox.events, "bad input was stored"


def body_with(field: str, raw: str) -> str:
    fields = {**{name: json.dumps(value) for name, value in RATING.items()}, field: raw}
    return "{" + ", ".join(f'"{name}": {value}' for name, value in fields.items()) + "}"


def post(world: World, body: str | bytes, **kwargs: Any) -> Any:
    return world.client.post("/rate", data=body, content_type="application/json", **kwargs)


@pytest.mark.parametrize(("field", "raw"), [
    *(("rating", raw) for raw in (
        "NaN", "Infinity", "-Infinity", "1e400", "-1e400", "true", '"5"', "7", "0", "-1", "4.3",
        "null", "[]", "{}", "1" * 4000)),
    *(("user_id", raw) for raw in (
        '""', '"a b"', "true", "null", "1.5", "[]", '"é"', f'"{"x" * 129}"', "9" * 4000,
        r'"a\n"', r'"a\u0000"')),
    ("item_id", '"<script>"'),
    *(("timestamp", raw) for raw in (
        str(NOW_MS + 300_001), str(NOW_MS // 1000 + 301), "-1", "-0.5", "-1e308", "1e308", "1e400",
        "NaN", '"1969-12-31T23:59:59Z"', '"0001-01-01T00:00:00+23:59"',
        '"9999-12-31T23:59:59-23:59"', '"yesterday"', '""', '"1763978400"', "true", "[]",
        "99999999999", "-" + "9" * 4000, "9" * 4000)),
    ("event_id", '"no spaces"'),
    ("event_id", '""'),
])
def test_a_value_that_is_not_acceptable_is_422_and_its_field_named(
    world: World, field: str, raw: str
) -> None:
    answer = post(world, body_with(field, raw))
    assert answer.status_code == 422
    assert answer.mimetype == "application/problem+json"
    assert [error["field"] for error in answer.json["errors"]] == [field]
    assert answer.json["errors"][0]["reason"]


def test_every_bad_field_is_named_at_once(world: World) -> None:
    answer = post(world, '{"rating": 9, "timestamp": "never", "item_id": "x"}')
    fields = {error["field"] for error in answer.json["errors"]}
    assert answer.status_code == 422 and fields == {"user_id", "rating", "timestamp"}


def nested(depth: int) -> str:
    return body_with("extra", "[" * depth + "]" * depth)


@pytest.mark.parametrize("body", [
    pytest.param('{"user_id": "a", "user_id": "b", "item_id": "m", "rating": 3}', id="duplicate"),
    pytest.param(body_with("extra", '{"a": 1, "a": 1}'), id="duplicate inside"),
    pytest.param(nested(2500), id="2,500 deep"),
    pytest.param('{"a":' * 2500 + "1" + "}" * 2500, id="objects 2,500 deep"),
    pytest.param("[" * 900_000, id="900,000 open"),
    pytest.param(body_with("rating", "9" * 5000), id="5,000 digits"),
    pytest.param(b'{"user_id": "\xff\xfe"}', id="not UTF-8"),
    pytest.param(body_with("user_id", '"a"').encode("utf-16"), id="UTF-16"),
    pytest.param(b"\xef\xbb\xbf{}", id="byte order mark"),
    pytest.param(b'{"user_id": "\xed\xa0\x80"}', id="surrogate as bytes"),
    pytest.param(body_with("user_id", r'"\ud800"'), id="lone surrogate"),
    pytest.param(body_with("extra", r'["ok", {"x": "\uDFFF"}]'), id="lone surrogate inside"),
    pytest.param(r'{"\ud800": 1}', id="lone surrogate as key"),
    pytest.param("", id="empty"),
    pytest.param("  \n", id="blank"),
    pytest.param("[1]", id="array"),
    pytest.param('"text"', id="string"),
    pytest.param("null", id="null"),
    pytest.param("{", id="cut off"),
    pytest.param('{"a": 1} {"b": 2}', id="two"),
    pytest.param("{'a': 1}", id="single quotes"),
    pytest.param('{"a": 01}', id="leading zero"),
])
def test_a_body_that_is_no_clear_json_object_is_400(world: World, body: str | bytes) -> None:
    answer = post(world, body)
    assert answer.status_code == 400
    assert answer.mimetype == "application/problem+json" and answer.json["detail"]


def test_a_surrogate_pair_is_one_character() -> None:
    assert parse_object(rb'{"film": "\ud83c\udfac"}') == {"film": "\N{CLAPPER BOARD}"}


def test_brackets_in_strings_are_no_nesting() -> None:
    assert parse_object(json.dumps({"a": '[{"' * 500, "b": "\\"}).encode())["b"] == "\\"


def test_many_short_lists_are_not_deep() -> None:
    assert len(parse_object(json.dumps({"a": [[]] * 5000}).encode())["a"]) == 5000


@given(st.integers(min_value=1, max_value=3 * DEPTH_MAX))
def test_nesting_is_taken_up_to_the_limit_and_no_deeper(depth: int) -> None:
    body = b'{"a":' * depth + b"1" + b"}" * depth
    if depth <= DEPTH_MAX:
        assert "a" in parse_object(body)
    else:
        with pytest.raises(MalformedJson):
            parse_object(body)


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inside: st.lists(inside, max_size=4)
    | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inside, max_size=4),
    max_leaves=20,
)


@given(st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), PLAIN), st.booleans())
def test_every_clear_json_object_is_read_as_it_was_written(
    value: dict[str, Any], escaped: bool
) -> None:
    assert parse_object(json.dumps(value, ensure_ascii=escaped).encode()) == value


@pytest.mark.parametrize("path", ["/rate", "/watch", "/events"])
def test_a_body_over_the_limit_is_413(world: World, path: str) -> None:
    kind = "application/x-ndjson" if path == "/events" else "application/json"
    answer = world.client.post(path, data=b" " * ((1 << 20) + 1), content_type=kind)
    assert answer.status_code == 413 and answer.mimetype == "application/problem+json"


def post_chunked(world: World, body: bytes) -> Any:
    """Post as a server hands over a body whose length was not told."""
    return world.client.post(
        "/events", input_stream=io.BytesIO(body), content_type="application/x-ndjson",
        headers={"Transfer-Encoding": "chunked"},
        environ_overrides={"wsgi.input_terminated": True})


def test_a_body_over_the_limit_that_does_not_tell_its_length_is_413_and_not_cut() -> None:
    world = World()
    line = json.dumps({"type": "rate", **RATING}).encode() + b"\n"
    full = line.ljust((1 << 20) - 1) + b"\n"
    assert post_chunked(world, full).json["accepted"] == 1
    assert post_chunked(world, full + line).status_code == 413
    assert len(world.outbox.events) == 1


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", None,
                                  "application/x-ndjson", "application/jsonp"])
def test_another_media_type_is_415(world: World, kind: str | None) -> None:
    answer = world.client.post("/rate", data=json.dumps(RATING), content_type=kind)
    assert answer.status_code == 415 and answer.mimetype == "application/problem+json"


@pytest.mark.parametrize("kind", ["application/json", "text/plain", None])
def test_another_media_type_for_a_batch_is_415(world: World, kind: str | None) -> None:
    assert world.client.post("/events", data=b"{}", content_type=kind).status_code == 415


@pytest.mark.parametrize("k", ["0", "-1", "101", "1e9", "1000000000", "abc", "", "1.5", "+5", " 5",
                               "5_0", "\N{ARABIC-INDIC DIGIT FIVE}", "9" * 5000, "nan", "true"])
@pytest.mark.parametrize(("path", "name"), [("/similar/m1", "k"), ("/movies", "limit")])
def test_a_count_out_of_bounds_is_422(world: World, path: str, name: str, k: str) -> None:
    answer = world.client.get(path, query_string={name: k})
    assert answer.status_code == 422
    assert [error["field"] for error in answer.json["errors"]] == [name]


def test_a_parameter_given_twice_is_422(world: World) -> None:
    answer = world.client.get("/similar/m1?k=5&k=6")
    assert answer.status_code == 422 and answer.json["errors"][0]["field"] == "k"


@pytest.mark.parametrize("path", [
    "/movies/a%20b", "/movies/%00", "/movies/" + "x" * 129, "/users/%F0%9F%8E%AC/history",
    "/similar/a%0A", "/trace/%3Cb%3E", "/movies?query=%00", "/movies?genre=" + "g" * 501,
])
def test_ids_and_texts_of_other_characters_are_422(world: World, path: str) -> None:
    assert world.client.get(path).status_code == 422


def test_an_idempotency_key_that_is_no_id_is_422(world: World) -> None:
    answer = post(world, json.dumps(RATING), headers={"Idempotency-Key": "a b"})
    assert answer.status_code == 422
    assert answer.json["errors"][0]["field"] == "Idempotency-Key"


def test_no_such_path_and_no_such_method_are_problems_too(world: World) -> None:
    missing, method = world.client.get("/nowhere"), world.client.delete("/rate")
    assert (missing.status_code, method.status_code) == (404, 405)
    assert missing.mimetype == method.mimetype == "application/problem+json"
    assert set(method.headers["Allow"].split(", ")) == {"OPTIONS", "POST"}


@pytest.mark.parametrize(("method", "path", "detail"), [
    ("GET", "/nosuch", "there is nothing at /nosuch; all addresses: /docs"),
    ("GET", "/rate", "not by GET; /rate takes POST"),
    ("GET", "/users/a%20b/history",
     "user_id: must be 1 to 128 characters of A-Z a-z 0-9 . _ : -"),
    ("GET", "/movies?limit=0", "limit: Input should be greater than or equal to 1"),
])
def test_the_detail_of_a_problem_says_what_to_change(
    world: World, method: str, path: str, detail: str
) -> None:
    assert world.client.open(path, method=method).json["detail"] == detail


def test_a_detail_stays_short_and_the_errors_are_all_there(world: World) -> None:
    answer = post(world, '{"user_id": "", "item_id": "", "event_id": "", "rating": 9}').json
    rule = {"field": "user_id", "reason": "must be 1 to 128 characters of A-Z a-z 0-9 . _ : -"}
    assert len(answer["errors"]) == 4 and rule in answer["errors"]
    assert answer["detail"].endswith("; and 1 more")


def test_a_body_that_is_too_large_is_told_the_limit() -> None:
    small = World(options(request_body_max_bytes=2_000))
    assert post(small, "x" * 2_001).json["detail"] == "the body is larger than 2000 bytes"


def test_a_problem_has_the_members_of_rfc_9457_and_the_request_id(world: World) -> None:
    answer = world.client.get("/nowhere")
    request_id = answer.headers["X-Request-ID"]
    assert answer.json["type"] == "about:blank" and answer.json["status"] == 404
    assert answer.json["title"] == "Not Found"
    assert answer.json["instance"] == f"urn:uuid:{request_id}"
    assert answer.json["request_id"] == request_id


def test_an_unexpected_error_is_a_500_that_tells_nothing_of_the_inside() -> None:
    world = World()

    def broken(item_id: str) -> None:
        raise RuntimeError("secret path /etc/keys")

    world.catalogue.movie = broken  # type: ignore[method-assign]
    answer = world.client.get("/movies/m1")
    assert answer.status_code == 500 and answer.mimetype == "application/problem+json"
    assert "secret" not in answer.text and answer.json["request_id"]
    assert world.telemetry.requests["/movies/<item_id>", 500] == 1


FUZZED = World(options(batch_lines_max=5))
IDS = st.text(string.ascii_letters + string.digits + "._:-", min_size=1, max_size=128)
ANYTHING = PLAIN | st.floats() | st.integers() | IDS
NAMES = ("type", "user_id", "item_id", "movie_id", "rating", "timestamp", "ts", "minute", "query",
         "event_id")
EVENTS = st.fixed_dictionaries({}, optional=dict.fromkeys(NAMES, ANYTHING))
BODIES = (
    EVENTS.map(lambda value: json.dumps(value).encode())
    | EVENTS.map(lambda value: json.dumps({
        "type": "rate", "user_id": "u", "item_id": "m", "rating": 3, **value}).encode())
    | st.binary(max_size=200)
    | st.text(max_size=200).map(lambda text: text.encode("utf-8", "surrogatepass"))
)


@settings(max_examples=400, deadline=None)
@given(
    path=st.sampled_from(["/rate", "/watch", "/events", "/switch", "/models/retrain"]),
    body=st.lists(BODIES, min_size=1, max_size=7).map(b"\n".join),
    kind=st.sampled_from(["application/json", "application/x-ndjson", "text/plain"]),
    headers=st.fixed_dictionaries({}, optional={
        "Idempotency-Key": st.text(st.characters(codec="latin-1", exclude_categories=["Cc"])),
        "Authorization": st.text(st.characters(codec="latin-1", exclude_categories=["Cc"]))}),
)
def test_no_posted_bytes_make_a_5xx(
    path: str, body: bytes, kind: str, headers: dict[str, str]
) -> None:
    answer = FUZZED.client.post(path, data=body, content_type=kind, headers=headers)
    assert answer.status_code < 500
    if answer.status_code >= 400:
        assert answer.mimetype == "application/problem+json"
        assert answer.json["status"] == answer.status_code


@settings(max_examples=300, deadline=None)
@given(
    path=st.sampled_from(["/movies", "/movies/", "/similar/", "/users/", "/trace/", "/"]),
    rest=st.text(max_size=40),
    query=st.dictionaries(st.sampled_from(["query", "genre", "limit", "k", "x"]),
                          st.text(max_size=40) | st.integers().map(str)),
)
def test_no_path_or_query_makes_a_5xx(path: str, rest: str, query: dict[str, str]) -> None:
    encoded = quote(rest.encode("utf-8", "surrogatepass"), safe="")
    pairs = {k: v.encode("utf-8", "surrogatepass") for k, v in query.items()}
    answer = FUZZED.client.get(f"{path}{encoded}?{urlencode(pairs)}")
    assert answer.status_code < 500


@pytest.mark.parametrize("host", [
    "", "fairreel.example", "fairreel.example:99999", "x:y:z", "a b", "[::1", "é",
    "'\"<>", "." * 300])
def test_a_route_is_found_whatever_the_host_header_says_and_no_answer_repeats_it(
    world: World, host: str
) -> None:
    for path in ("/health", "/movies", "/recommend?user_id=u1", "/movies/"):
        answer = world.client.get(path, environ_overrides={"HTTP_HOST": host})
        known = world.client.get(path)
        assert answer.status_code == known.status_code
        assert not host or host not in answer.text + str(answer.headers)
