"""Schemas change only so that readers go on, and every version that was ever written is kept."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import orjson
import pytest
from avro.compatibility import ReaderWriterCompatibilityChecker, SchemaCompatibilityType
from avro.schema import parse

from adapters.schema_files import SCHEMAS, read_schemas
from recommender.avro_codec import SchemaSet, schema_fingerprint
from recommender.topics import SUBJECT_OF, TOPICS

FINGERPRINTS = SCHEMAS / "fingerprints.json"
SUBJECTS = sorted(set(SUBJECT_OF.values()))
Change = Callable[[dict[str, Any]], None]


def reads(reader: Any, writer: Any) -> bool:
    """Whether data of the writer's schema can be read by the reader's."""
    found = ReaderWriterCompatibilityChecker().get_compatibility(
        parse(json.dumps(reader)), parse(json.dumps(writer)))
    return bool(found.compatibility is SchemaCompatibilityType.compatible)


def broken(schemas: SchemaSet) -> list[str]:
    """Subjects whose current schema cannot read one of its earlier versions."""
    return [subject for subject in schemas.current
            if not all(reads(schemas.current[subject], v) for v in schemas.versions(subject))]


def test_every_topic_has_a_schema_and_every_schema_a_topic() -> None:
    assert set(SUBJECT_OF) == set(TOPICS)
    assert sorted(read_schemas().current) == SUBJECTS


def test_every_version_can_be_read_by_the_current_one() -> None:
    assert broken(read_schemas()) == []


def test_each_version_that_was_written_is_kept_and_none_was_changed() -> None:
    # A changed schema: copy the one before to schemas/earlier/<subject>.v<number>.avsc and add the
    # fingerprint of the new one here.
    schemas = read_schemas()
    found = {subject: [schema_fingerprint(v).hex() for v in schemas.versions(subject)]
             for subject in schemas.current}
    assert found == orjson.loads(FINGERPRINTS.read_bytes())


def added_without_default(schema: dict[str, Any]) -> None:
    schema["fields"].append({"name": "device", "type": "string"})


def renamed(schema: dict[str, Any]) -> None:
    schema["fields"][3]["name"] = "person"


def another_type(schema: dict[str, Any]) -> None:
    schema["fields"][3]["type"] = "long"


def default_taken_away(schema: dict[str, Any]) -> None:
    schema["fields"] = [f for f in schema["fields"] if f["name"] != "minute"]
    schema["fields"].append({"name": "minute_of_film", "type": ["null", "int"]})


def narrowed(schema: dict[str, Any]) -> None:
    next(f for f in schema["fields"] if f["name"] == "rating")["type"] = ["null", "int"]


@pytest.mark.parametrize("change", [
    added_without_default, renamed, another_type, default_taken_away, narrowed])
def test_a_change_that_breaks_readers_is_found(change: Change) -> None:
    now = read_schemas()
    schema = copy.deepcopy(dict(now.current["user-interactions"]))
    change(schema)
    changed = SchemaSet({"user-interactions": schema},
                        {"user-interactions": [now.current["user-interactions"]]})
    assert broken(changed) == ["user-interactions"]


def test_a_new_field_with_a_default_breaks_nobody_in_either_direction() -> None:
    old = read_schemas().current["user-interactions"]
    new = copy.deepcopy(dict(old))
    new["fields"].append({"name": "device", "type": ["null", "string"], "default": None})
    assert reads(new, old) and reads(old, new)


@pytest.mark.parametrize("subject", SUBJECTS)
def test_schemas_are_documented(subject: str) -> None:
    schema = read_schemas().current[subject]
    assert schema["namespace"] == "fairreel" and schema["doc"]
