"""The scan of recommendations against a plain recomputation, for whatever a log holds."""

from __future__ import annotations

import itertools
import math
import zlib
from collections import Counter
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender.audit.bias_scan import BiasScan
from recommender.audit.log_records import items_of, seconds_of, segment_of

ITEMS = st.integers(0, 30)
GENRES = st.dictionaries(
    st.integers(0, 30).map(str), st.lists(st.sampled_from("ABCDE"), max_size=3, unique=True),
    min_size=1)


@st.composite
def records(draw: st.DrawFn) -> dict[str, Any]:
    films = draw(st.lists(ITEMS, max_size=8))
    written: Any = films
    form = draw(st.sampled_from(("ints", "texts", "nested", "mixed")))
    if form == "texts":
        written = [str(film) for film in films]
    elif form == "nested":
        written = [{"rank": n, "item_id": str(film)} for n, film in enumerate(films, 1)]
    elif form == "mixed":
        written = [film if n % 2 else str(film) for n, film in enumerate(films)]
    name = "recommendations" if form == "nested" else draw(
        st.sampled_from(("movie_ids", "item_ids")))
    record: dict[str, Any] = {name: written}
    user = draw(st.one_of(st.none(), st.integers(0, 99), st.integers(0, 99).map(str),
                          st.sampled_from(("u7", "ada", "9f0c-ü"))))
    if user is not None:
        record["user_id"] = user
    if (variant := draw(st.sampled_from((None, "A", "B", "")))) is not None:
        record["variant"] = variant
    return record


def films_of(record: dict[str, Any]) -> list[str]:
    for name in ("movie_ids", "item_ids"):
        if name in record:
            return [str(film) for film in record[name]]
    return [film["item_id"] for film in record["recommendations"]]


def gini_by_pairs(counts: list[int]) -> float:
    """Mean absolute difference of all pairs / twice the mean: another formula for the same."""
    n, total = len(counts), sum(counts)
    differences = sum(abs(a - b) for a in counts for b in counts)
    return float(Fraction(differences, 2 * n * total))


def segment_by_hand(record: dict[str, Any]) -> str:
    if record.get("variant"):
        return str(record["variant"])
    user = record.get("user_id")
    if user is None:
        return "unknown"
    if str(user).isdecimal():
        return "odd" if int(user) % 2 else "even"
    return "odd" if zlib.crc32(str(user).encode()) % 2 else "even"


def diversity_by_hand(lists: list[list[str]], genres: dict[str, list[str]]) -> float | None:
    found = []
    for films in lists:
        known = [set(genres[film]) for film in films if genres.get(film)]
        pairs = [len(a & b) / len(a | b) for a, b in itertools.combinations(known, 2)]
        if pairs:
            found.append(1 - sum(pairs) / len(pairs))
    return sum(found) / len(found) if found else None


def agree(found: float | None, expected: float | None) -> bool:
    if found is None or expected is None:
        return found is expected
    return math.isclose(found, expected, rel_tol=1e-12, abs_tol=1e-12)


@given(st.lists(records(), max_size=40), st.floats(0.01, 1.0), GENRES)
def test_the_scan_agrees_with_a_plain_recomputation(
    log: list[dict[str, Any]], share: float, genres: dict[str, list[str]]
) -> None:
    catalogue = [str(n) for n in range(35)]
    scan = BiasScan(share, catalogue, genres)
    for record in log:
        scan.add(record)
    lists = [films_of(record) for record in log]
    counts = Counter(film for films in lists for film in films)
    total = sum(counts.values())
    assert scan.usable == (total > 0)
    if not total:
        return
    report = scan.report(len(log), 3)
    ordered = sorted(counts.values(), reverse=True)
    head = sum(ordered[: max(1, math.floor(share * len(ordered)))])
    assert report["total_recommendations"] == total
    assert report["unique_items"] == len(counts)
    assert agree(report["top_pop_share"], head / total)
    assert agree(report["tail_share"], 1 - head / total)
    assert agree(report["gini_exposure"], gini_by_pairs(ordered))
    segments = Counter()
    for record, films in zip(log, lists, strict=True):
        segments[segment_by_hand(record)] += len(films)
    assert report["segment_exposure_share"].keys() == {s for s, n in segments.items() if n}
    for name, part in report["segment_exposure_share"].items():
        assert agree(part, segments[name] / total)
    assert (report["lines_read"], report["lines_unreadable"]) == (len(log), 3)
    assert agree(report["intra_list_diversity"], diversity_by_hand(lists, genres))
    whole = [counts[film] for film in catalogue]
    catalog = report["catalog"]
    assert agree(catalog["gini"], gini_by_pairs(whole))
    assert agree(catalog["coverage"], sum(n > 0 for n in whole) / 35)
    assert catalog["zero_exposure_items"] == whole.count(0)
    tiers = {tier["tier"]: tier for tier in catalog["tiers"]}
    assert sum(tier["items"] for tier in tiers.values()) == 35
    top = max(1, math.floor(0.1 * len(ordered)))
    assert tiers["top 10 %"]["items"] == top
    assert agree(tiers["top 10 %"]["amplification"], sum(ordered[:top]) / total / (top / 35))
    assert set(report["variants"]) == {r["variant"] for r, f in zip(log, lists, strict=True)
                                       if f and r.get("variant")}
    for name, row in report["variants"].items():
        own = [films for r, films in zip(log, lists, strict=True) if r.get("variant") == name]
        seen = Counter(film for films in own for film in films)
        assert row["lists"] == sum(map(bool, own))
        assert row["total_recommendations"] == sum(seen.values())
        assert agree(row["gini_exposure"], gini_by_pairs(list(seen.values())))
        assert agree(row["intra_list_diversity"], diversity_by_hand(own, genres))


@pytest.mark.parametrize(("record", "films"), [
    ({"movie_ids": [1, "2", 3.0]}, ["1", "2", "3"]),
    ({"movie_ids": [], "item_ids": ["7"]}, ["7"]),
    ({"movie_ids": "1, 2;3"}, ["1", "2", "3"]),
    ({"movie_ids": "[1, '2']"}, ["1", "2"]),
    ({"movie_id": "the matrix"}, ["the matrix"]),
    ({"item_id": 7}, ["7"]),
    ({"recommendations": [[5, 0.9], {"movie_id": 6}, {"id": " 8 "}, 9]}, ["5", "6", "8", "9"]),
    ({"response": {"recommendations": [{"item_id": "4"}]}}, ["4"]),
    ({"movie_ids": [None, True, "", float("nan"), {}, []]}, []),
    ({"movie_ids": None, "user_id": 3}, []),
    ({"movie_ids": {"a": 1}}, []),
])
def test_films_are_found_in_the_forms_that_logs_have(record: Any, films: list[str]) -> None:
    assert [str(film) for film in items_of(record)] == films


def test_ids_that_are_no_numbers_are_halved_the_same_way_everywhere() -> None:
    assert (segment_of(4), segment_of("7"), segment_of(-3), segment_of(8.0)) == (
        "even", "odd", "odd", "even")
    assert segment_of("12345678901234567890123") == "odd"
    assert segment_of(None) == segment_of("") == segment_of([1]) == "unknown"
    shares = Counter(segment_of(f"user-{n}") for n in range(4_000))
    assert abs(shares["even"] - 2_000) < 150


@pytest.mark.parametrize("value", [
    1731465600000, 1731465600, "1731465600", "2024-11-13T02:40:00Z", "2024-11-13 02:40:00",
    "2024-11-13T04:40:00+02:00", 1731465600.0])
@pytest.mark.parametrize("name", ["ts", "timestamp"])
def test_times_are_read_in_the_forms_that_logs_have(name: str, value: Any) -> None:
    assert seconds_of({name: value}) == 1731465600


@pytest.mark.parametrize("value", [None, "soon", [], True, float("nan"), float("inf"), "9" * 400])
def test_what_is_no_time_is_none(value: Any) -> None:
    assert seconds_of({"timestamp": value}) is None


def test_without_catalogue_genres_and_variants_their_fields_are_empty() -> None:
    scan = BiasScan()
    scan.add({"movie_ids": [1, 1, 2]})
    report = scan.report(1, 0)
    assert list(report) == [
        "total_recommendations", "unique_items", "top_percent", "top_pop_share", "tail_share",
        "gini_exposure", "segment_exposure_share", "lines_read", "lines_unreadable", "catalog",
        "intra_list_diversity", "variants"]
    assert (report["catalog"], report["intra_list_diversity"], report["variants"]) == (
        None, None, {})


def test_answers_that_failed_were_shown_to_nobody() -> None:
    scan = BiasScan()
    scan.add({"movie_ids": [1, 2], "variant": "A", "status": 500})
    assert not scan.usable
    scan.add({"movie_ids": [1, 2, 3], "variant": "A", "status": 200})
    assert scan.report(2, 0)["total_recommendations"] == 3
