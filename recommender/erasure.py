"""Taking a person out: how they are recognised afterwards, and what is told about it."""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b

import orjson
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import BaseModel, ConfigDict

from recommender.schemas import Columns
from recommender.snapshot import Keep

_DIGEST_BYTES = 32
_REFERENCE_CHARACTERS = 16
_SAID = re.compile(rb"user_id[\\\"']*\s*[:=,]?\s*[\\\"']*([A-Za-z0-9._:\-]{1,128})")


def user_digest(salt: bytes, user_id: str) -> str:
    """BLAKE2b-256 of the id, keyed with the store's salt; 64 hexadecimal digits.

    Who has the salt can try ids: it keeps the id from being read, not from being guessed.
    """
    return blake2b(user_id.encode(), digest_size=_DIGEST_BYTES, key=salt).hexdigest()


def reference_of(digest: str) -> str:
    """What stands for the person from then on, in the audit log and in reports."""
    return f"erased:{digest[:_REFERENCE_CHARACTERS]}"


def comes_back(until_ms: int, timestamp_ms: int, received_at_ms: int) -> bool:
    """Whether an event of an erased person is one of those that were erased (times in UTC ms).

    One that tells of an earlier time, or was received earlier, is. An import of old data brings
    events received today, and they don't come back either.
    """
    return min(timestamp_ms, received_at_ms) <= until_ms


def users_named(key: str | None, value: bytes) -> set[str]:
    """Users that a record on a topic may be of: its key, and the `user_id` that its value tells,
    or in a dead letter on its topic that of the record within. What is no JSON tells one as well
    where an id follows the word."""
    found = {key} if key else set()
    try:
        fields = orjson.loads(value)
    except orjson.JSONDecodeError:
        return found | {match.decode() for match in _SAID.findall(value)}
    if isinstance(fields, dict):
        user = fields.get("user_id")
        if type(user) in (str, int):
            found.add(str(user))
        within = _record_within(fields)
        if within is not None:
            found |= users_named(*within)
    return found


def _record_within(fields: Mapping[str, object]) -> tuple[str | None, bytes] | None:
    """Key and value of the record that a dead letter on its topic holds."""
    key, text, packed = (fields.get(name) for name in ("key", "value", "value_base64"))
    if "cluster_id" not in fields:
        return None
    value = text.encode() if isinstance(text, str) else b""
    if isinstance(packed, str):
        try:
            value = b64decode(packed, validate=True)
        except ValueError:
            value = packed.encode()
    return key if isinstance(key, str) else None, value


def speaks_of(user_id: str, key: str | None, value: bytes) -> bool:
    """Whether a record is of this user."""
    return user_id in users_named(key, value)


def without_id(text: str, user_id: str, reference: str) -> str:
    """The text with the id replaced wherever it stands alone."""
    return re.sub(rf"(?<![A-Za-z0-9._:\-]){re.escape(user_id)}(?![A-Za-z0-9._:\-])",
                  reference, text)


def without_user(user_id: str) -> Keep:
    """(kind, rows of a file of a snapshot) -> the rows of everybody else."""

    def keep(_kind: str, rows: pa.Table) -> pa.Table:
        if Columns.USER not in rows.column_names:
            return rows
        return rows.filter(pc.not_equal(rows[Columns.USER], user_id))

    return keep


class ErasedPeople(BaseModel):
    """Who was taken out, as it goes with the snapshots: a store made anew has to know them.

    salt: of the digests, hexadecimal. until_ms: by digest, UTC ms.
    """

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    salt: str
    until_ms: dict[str, int]


@dataclass(frozen=True, slots=True)
class Holding:
    """What a partition of an outer bus may still hold of a person, until Kafka removes it.

    `gone_by_ms` is UTC, None for never.
    """

    topic: str
    partition: int
    first_offset: int
    end_offset: int
    gone_by_ms: int | None


@dataclass(frozen=True, slots=True)
class ErasureReport:
    """What was removed, by place; what failed; what is still there and until when."""

    reference: str
    removed: Mapping[str, int]
    failures: Mapping[str, str] = field(default_factory=dict)
    snapshots_rewritten: Sequence[tuple[str, str]] = ()
    holdings: Sequence[Holding] = ()
    models: Sequence[str] = ()

    @property
    def complete(self) -> bool:
        """Whether nothing failed."""
        return not self.failures
