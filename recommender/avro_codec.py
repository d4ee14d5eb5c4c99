"""Records on topics as Avro, and back to the JSON that is used everywhere else.

Two encodings, told apart by their first bytes (JSON begins with neither):

- with a schema registry that of Confluent: 0x00, the id of the schema (4 bytes, big-endian), data;
- without one Avro's single-object encoding: 0xC3 0x01, the CRC-64-AVRO fingerprint of the schema
  (8 bytes, little-endian), data. Readers know the schemas of the repository, earlier ones too.

Data is resolved from the writer's schema to ours, which has a default for what older ones lack.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any, Protocol

import orjson
from fastavro import parse_schema, schemaless_reader, schemaless_writer
from fastavro.schema import fingerprint, to_parsing_canonical_form

from recommender.event_codec import time_ms, wire_time
from recommender.topics import SUBJECT_OF

CONFLUENT, SINGLE_OBJECT = b"\x00", b"\xc3\x01"
_CONFLUENT_HEAD, _SINGLE_HEAD = struct.Struct(">bI"), 10
_TIME = "timestamp"
Schema = Mapping[str, Any]


class Registry(Protocol):
    """A schema registry. Ids are kept: each is asked for once."""

    def id_of(self, topic: str, schema: Schema) -> int:
        """The id of the schema for values on the topic; registers it when it is new.

        Raises:
            BusUnavailable: the registry does not answer, or refuses the schema.
        """
        ...

    def schema_of(self, schema_id: int) -> Schema | None:
        """The schema of an id, None when the registry has none.

        Raises:
            BusUnavailable: the registry does not answer.
        """
        ...


@dataclass(frozen=True, slots=True)
class SchemaSet:
    """The schemas of the subjects: those written now, and earlier ones that are read."""

    current: Mapping[str, Schema]
    earlier: Mapping[str, Sequence[Schema]] = field(default_factory=dict)

    def versions(self, subject: str) -> list[Schema]:
        """All of a subject, the current one last."""
        return [*self.earlier.get(subject, ()), self.current[subject]]


class AvroCodec:
    """Between JSON and Avro, by topic. Topics without a schema are left as they are.

    Args:
        schemas: what is written and read.
        registry: gives ids; without one the single-object encoding is written.
        writes: False leaves what is written as JSON; Avro is read all the same.
    """

    def __init__(
        self, schemas: SchemaSet, registry: Registry | None = None, writes: bool = True
    ) -> None:
        self._registry = registry
        self._writes = writes
        self._schemas = {s: parse_schema(dict(schema)) for s, schema in schemas.current.items()}
        self._raw = schemas.current
        self._prints = {s: schema_fingerprint(schema) for s, schema in schemas.current.items()}
        self._known = {
            schema_fingerprint(schema): parse_schema(dict(schema))
            for subject in schemas.current for schema in schemas.versions(subject)
        }  # fmt: skip
        self._by_id: dict[int, Any] = {}

    def to_wire(self, topic: str, value: bytes) -> bytes:
        """The record (one JSON object) as it is written to the topic.

        Raises:
            BusUnavailable: the registry does not answer or refuses the schema.
            ValueError: the record has not the fields of its schema.
        """
        subject = SUBJECT_OF.get(topic)
        if subject is None or not self._writes:
            return value
        if self._registry is not None:
            number = self._registry.id_of(topic, self._raw[subject])
            head = _CONFLUENT_HEAD.pack(0, number)
        else:
            head = SINGLE_OBJECT + self._prints[subject]
        out = BytesIO()
        out.write(head)
        schemaless_writer(out, self._schemas[subject], _with_ms(orjson.loads(value)))
        return out.getvalue()

    def from_wire(self, topic: str, value: bytes) -> bytes:
        """The record as JSON; what is no Avro, or cannot be read as such, stays as it is.

        Raises:
            BusUnavailable: the registry does not answer: reading it later may do.
        """
        if value[:1] == CONFLUENT:
            if self._registry is None or len(value) < _CONFLUENT_HEAD.size:
                return value
            writer, start = self._of_id(_CONFLUENT_HEAD.unpack_from(value)[1]), _CONFLUENT_HEAD.size
        elif value[:2] == SINGLE_OBJECT:
            writer, start = self._known.get(value[2:_SINGLE_HEAD]), _SINGLE_HEAD
        else:
            return value
        if writer is None:
            return value
        reader = self._schemas.get(SUBJECT_OF.get(topic, ""))
        fields = _read(value[start:], writer, reader)
        return value if fields is None else orjson.dumps(_with_wire_times(fields), str)

    def _of_id(self, number: int) -> Any:
        if number not in self._by_id:
            assert self._registry is not None
            schema = self._registry.schema_of(number)
            self._by_id[number] = None if schema is None else parse_schema(dict(schema))
        return self._by_id[number]


def schema_fingerprint(schema: Schema) -> bytes:
    """CRC-64-AVRO of the parsing canonical form, as it goes on the wire (little-endian)."""
    text = to_parsing_canonical_form(parse_schema(dict(schema)))
    return bytes.fromhex(fingerprint(text, "CRC-64-AVRO"))


def _read(data: bytes, writer: Any, reader: Any) -> dict[str, Any] | None:
    """The fields, None when the data is not of the writer's schema.

    What cannot be resolved to our schema (a number as user id, say) is taken as it was written.
    """
    for wanted in (reader, None):
        stream = BytesIO(data)
        try:
            found = schemaless_reader(stream, writer, wanted)
        except Exception:  # noqa: BLE001, S112  fastavro raises whatever bad data leads to
            continue
        if isinstance(found, dict) and not stream.read(1):
            return found
    return None


def _with_ms(fields: dict[str, Any]) -> dict[str, Any]:
    at = fields.get(_TIME)
    return fields if at is None else {**fields, _TIME: time_ms(at)}


def _with_wire_times(fields: dict[str, Any]) -> dict[str, Any]:
    return {
        name: wire_time(value) if name == _TIME and type(value) is int else value
        for name, value in fields.items() if value is not None
    }  # fmt: skip
