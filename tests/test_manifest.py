"""A manifest is one sequence of bytes, and nothing but those bytes decodes to it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender.errors import InvalidField
from recommender.manifest import Candidate, Manifest, Metric, decode_manifest
from recommender.provenance import CodeState, GitState, next_version_id
from tests.sample_manifest import manifest

HEX = "0123456789abcdef"


def test_decoding_gives_back_what_was_encoded() -> None:
    assert decode_manifest(manifest().canonical()) == manifest()


@given(
    st.dictionaries(
        st.text(max_size=8),
        st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    ),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(alphabet=HEX, min_size=40, max_size=40),
)
def test_any_content_survives_the_round_trip(
    hyperparameters: dict[str, Any], value: float, sha: str
) -> None:
    try:
        one = manifest(
            hyperparameters=hyperparameters,
            metrics={"m": Metric(value=value)},
            code=CodeState(git=GitState(sha=sha), python_version="3.11"),
        )
        raw = one.canonical()
    except UnicodeEncodeError:
        return  # a lone surrogate is no text
    assert decode_manifest(raw) == one
    assert decode_manifest(raw).canonical() == raw


def test_the_bytes_are_sorted_and_without_spaces() -> None:
    raw = manifest().canonical()
    parsed = json.loads(raw)
    assert list(parsed) == sorted(parsed)
    assert raw == json.dumps(parsed, sort_keys=True, separators=(",", ":")).encode()


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_number_that_is_none_is_refused(value: float) -> None:
    with pytest.raises(ValueError, match="hyperparameters"):
        manifest(hyperparameters={"x": value})
    with pytest.raises(ValueError, match="value"):
        Metric(value=value)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("version", "3"), ("version", 0), ("version", True), ("version", 1.0),
        ("version_id", "../../etc/passwd"), ("name", ""), ("schema_version", 2),
        ("data_snapshot_id", "md5:1"), ("rows", -1), ("training_s", -1.0),
        ("trained_from_ms", None),
        ("files", [{"name": "../x", "size": 1, "sha256": "a" * 64}]), ("unknown", 1),
        ("metrics", {"m": 0.5}), ("verdict", None), ("code", {"git": {}}),
    ],
)  # fmt: skip
def test_a_bad_field_is_named(field: str, value: object) -> None:
    raw = json.loads(manifest().canonical()) | {field: value}
    with pytest.raises(InvalidField) as caught:
        decode_manifest(json.dumps(raw, sort_keys=True, separators=(",", ":")).encode())
    assert caught.value.field.split(".")[0] == field


def test_a_missing_field_is_named() -> None:
    raw = json.loads(manifest().canonical())
    del raw["watermark"]
    with pytest.raises(InvalidField, match="watermark"):
        decode_manifest(json.dumps(raw, sort_keys=True, separators=(",", ":")).encode())


@pytest.mark.parametrize(
    "change",
    [
        lambda raw: raw + b" ",
        lambda raw: raw.replace(b'"rows":9', b'"rows": 9'),
        lambda raw: raw.replace(b'"rows":9', b'"rows":8,"rows":9'),
        lambda raw: raw.replace(b'"training_s":1.5', b'"training_s":1.50'),
        lambda raw: raw[:-1],
        lambda raw: b"",
        lambda raw: b"\xff" + raw,
        lambda raw: b"[" * 100_000,
    ],
)
def test_bytes_that_are_not_canonical_are_refused(change: Any) -> None:
    with pytest.raises(InvalidField):
        decode_manifest(change(manifest().canonical()))


def test_two_versions_of_one_second_get_different_ids() -> None:
    first = next_version_id(1_795_221_059_900, set())
    second = next_version_id(1_795_221_059_950, {first})
    third = next_version_id(1_795_221_059_950, {first, second})
    assert (first, second, third) == (
        "20261121T003059Z", "20261121T003100Z", "20261121T003101Z",
    )  # fmt: skip


def test_a_manifest_from_before_a_field_existed_stays_valid() -> None:
    written = json.loads(manifest().canonical())
    newer = {"candidates", "weighting", "rerank", "trained_because"}
    assert not newer & written.keys() and "findings" not in written["verdict"]
    assert newer <= set(Manifest.model_fields)
    assert decode_manifest(manifest().canonical()).candidates == ()


def test_what_the_newer_fields_hold_is_signed() -> None:
    told = Candidate(name="knn", passed=False, reason="empty")
    one = manifest(candidates=(told,), weighting={"rare_balance": 0.1}, rerank={"mmr": 0.1},
                   trained_because="drift")
    assert decode_manifest(one.canonical()) == one
    for name in ("candidates", "weighting", "rerank", "trained_because"):
        assert name in json.loads(one.canonical())
