"""Every table, in three databases: the log, the store, the answers given.

They are apart so that accepting an event, applying one and logging an answer never wait for
each other's lock; on PostgreSQL all three may be one database.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

_NAMES = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}
log_metadata = MetaData(naming_convention=_NAMES)
store_metadata = MetaData(naming_convention=_NAMES)
responses_metadata = MetaData(naming_convention=_NAMES)

_Sequence = BigInteger().with_variant(Integer, "sqlite")


def _text(length: int) -> String:
    # In the order of code points, as SQLite and Python have it: the databases of a server may be
    # ordered by a language, and the later of two events must be the same one everywhere.
    return String(length).with_variant(String(length, collation="C"), "postgresql")


_Id = _text(128)

# --- the log: what was accepted; with the embedded bus also the topics themselves. A row without
# an offset is for an outer bus, which gives it one; its partition is then NO_PARTITION.
NO_PARTITION = -1
UNSENT = text('"offset" IS NULL AND sent_at_ms IS NULL')
outbox = Table(
    "outbox",
    log_metadata,
    Column("sequence", _Sequence, primary_key=True, autoincrement=True),
    Column("event_id", _text(256), nullable=False, unique=True),
    Column("topic", _text(249), nullable=False),
    Column("partition", Integer, nullable=False),
    Column("offset", BigInteger),
    Column("key", _text(256)),
    Column("value", LargeBinary, nullable=False),
    Column("accepted_at_ms", BigInteger, nullable=False),
    Column("sent_at_ms", BigInteger),
    UniqueConstraint("topic", "partition", "offset"),
    Index("ix_outbox_quota", "key", "topic", "accepted_at_ms"),
    # Rows for an outer bus that are still to be sent; empty where the log is read in place.
    Index("ix_outbox_unsent", "sequence", sqlite_where=UNSENT, postgresql_where=UNSENT),
)
log_properties = Table(
    "log_properties",
    log_metadata,
    Column("name", _text(64), primary_key=True),
    Column("value", Text, nullable=False),
)

# --- the store: applied events, and the state and offsets that follow from them
applied_events = Table(
    "applied_events",
    store_metadata,
    Column("sequence", _Sequence, primary_key=True, autoincrement=True),
    Column("event_id", _text(256), nullable=False, unique=True),
    Column("schema_version", SmallInteger, nullable=False),
    Column("type", _text(8), nullable=False),
    Column("user_id", _Id, nullable=False),
    Column("item_id", _Id),
    Column("rating", Float),
    Column("minute", Integer),
    Column("query", Text),
    Column("timestamp_ms", BigInteger, nullable=False),
    Column("received_at_ms", BigInteger, nullable=False),
    Column("source", _text(64), nullable=False),
    # Numbers of removed rows never come again: histories, snapshots and pages go by them.
    sqlite_autoincrement=True,
)
interactions = Table(
    "interactions",
    store_metadata,
    Column("user_id", _Id, primary_key=True),
    Column("item_id", _Id, primary_key=True),
    Column("type", _text(8), primary_key=True),
    Column("rating", Float),
    Column("timestamp_ms", BigInteger, nullable=False),
    Column("event_id", _text(256), nullable=False),
    Column("sequence", BigInteger, nullable=False),
    Index("ix_interactions_item", "item_id", "type", "rating"),
    sqlite_with_rowid=False,
)
# What was taken back, up to which (time, event id): events that arrive late stay undone.
# `sequence` is that of the newest undo that took something out of `interactions`, 0 without one.
tombstones = Table(
    "tombstones",
    store_metadata,
    Column("user_id", _Id, primary_key=True),
    Column("item_id", _Id, primary_key=True),
    Column("timestamp_ms", BigInteger, nullable=False),
    Column("event_id", _text(256), nullable=False),
    Column("sequence", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)
searches = Table(
    "searches",
    store_metadata,
    Column("user_id", _Id, primary_key=True),
    Column("event_id", _text(256), primary_key=True),
    Column("query", Text, nullable=False),
    Column("timestamp_ms", BigInteger, nullable=False),
    Column("sequence", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)
consumer_offsets = Table(
    "consumer_offsets",
    store_metadata,
    Column("consumer_group", _text(128), primary_key=True),
    Column("topic", _text(249), primary_key=True),
    Column("partition", Integer, primary_key=True, autoincrement=False),
    Column("next_offset", BigInteger, nullable=False),
)
dead_letters = Table(
    "dead_letters",
    store_metadata,
    Column("sequence", _Sequence, primary_key=True, autoincrement=True),
    Column("cluster_id", _text(64), nullable=False),
    Column("topic", _text(249), nullable=False),
    Column("partition", Integer, nullable=False),
    Column("offset", BigInteger, nullable=False),
    Column("key", _text(256)),
    Column("value", LargeBinary, nullable=False),
    Column("reason", Text, nullable=False),
    Column("timestamp_ms", BigInteger, nullable=False),
    Column("requeued_at_ms", BigInteger),
    Column("requeued_by", _text(128)),
    UniqueConstraint("cluster_id", "topic", "partition", "offset"),
    sqlite_autoincrement=True,
)
# How far the numbers above had come at a time: what was stored before it is known by them, whatever
# the clocks of those who sent it said.
store_marks = Table(
    "store_marks",
    store_metadata,
    Column("at_ms", BigInteger, primary_key=True, autoincrement=False),
    Column("events_sequence", BigInteger, nullable=False),
    Column("letters_sequence", BigInteger, nullable=False),
)
store_properties = Table(
    "store_properties",
    store_metadata,
    Column("name", _text(64), primary_key=True),
    Column("value", Text, nullable=False),
)
# People who were taken out: events of theirs up to a time don't come back. The id itself is gone.
erasures = Table(
    "erasures",
    store_metadata,
    Column("user_digest", _text(64), primary_key=True),
    Column("until_ms", BigInteger, nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    Column("finished_at_ms", BigInteger),
)
movies = Table(
    "movies",
    store_metadata,
    Column("item_id", _Id, primary_key=True),
    Column("title", Text, nullable=False),
    Column("year", Integer),
    Column("genres", Text, nullable=False),
    Column("added_at_ms", BigInteger, nullable=False),
    Column("placeholder", Boolean, nullable=False),
)
catalogue_changes = Table(
    "catalogue_changes",
    store_metadata,
    Column("name", _text(16), primary_key=True),
    Column("version", BigInteger, nullable=False),
)
people = Table(
    "people",
    store_metadata,
    Column("user_id", _Id, primary_key=True),
    Column("gender", _text(16)),
    Column("age", Integer),
    Column("occupation", _text(64)),
)
imports = Table(
    "imports",
    store_metadata,
    Column("import_id", _text(80), primary_key=True),
    Column("name", Text, nullable=False),
    Column("rows", BigInteger, nullable=False),
    Column("rejected", BigInteger, nullable=False),
    Column("finished_at_ms", BigInteger, nullable=False),
)
models = Table(
    "models",
    store_metadata,
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("version_id", _text(32), nullable=False, unique=True),
    Column("name", _text(64), nullable=False),
    Column("status", _text(16), nullable=False),
    Column("sha256", _text(64), nullable=False),
    Column("created_at_ms", BigInteger, nullable=False),
    Column("changed_at_ms", BigInteger, nullable=False),
    Column("reason", Text),
)
serving_choice = Table(
    "serving_choice",
    store_metadata,
    Column("slot", _text(16), primary_key=True),
    Column("model_name", _text(64)),
    Column("changed_at_ms", BigInteger, nullable=False),
)
# At most one row has no end; `revision` tells a change from a stale one.
rollouts = Table(
    "rollouts",
    store_metadata,
    Column("sequence", _Sequence, primary_key=True, autoincrement=True),
    Column("name", _text(64), nullable=False, unique=True),
    Column("strategy", _text(16), nullable=False),
    Column("stable", _text(32), nullable=False),
    Column("candidate", _text(32), nullable=False),
    Column("diversity", Float),
    Column("percentage", Float, nullable=False),
    Column("steps", Text, nullable=False),
    Column("salt", _text(64), nullable=False),
    Column("started_at_ms", BigInteger, nullable=False),
    Column("step_since_ms", BigInteger, nullable=False),
    Column("changed_by", _text(128), nullable=False),
    Column("reason", Text, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("ended_at_ms", BigInteger),
    Column("outcome", _text(16)),
    Column("results", Text, nullable=False),
)
job_leases = Table(
    "job_leases",
    store_metadata,
    Column("job", _text(64), primary_key=True),
    Column("holder", _text(128)),
    Column("token", BigInteger, nullable=False),
    Column("expires_at_ms", BigInteger, nullable=False),
)
api_keys = Table(
    "api_keys",
    store_metadata,
    Column("key_id", _text(32), primary_key=True),
    Column("secret_sha256", _text(64), nullable=False, unique=True),
    Column("role", _text(16), nullable=False),
    Column("name", Text, nullable=False),
    Column("user_id", _Id),
    Column("created_at_ms", BigInteger, nullable=False),
    Column("revoked_at_ms", BigInteger),
    Column("sessions_ended_ms", BigInteger),
)
audit_log = Table(
    "audit_log",
    store_metadata,
    Column("sequence", _Sequence, primary_key=True, autoincrement=True),
    Column("at_ms", BigInteger, nullable=False),
    Column("actor", _text(128), nullable=False),
    Column("action", _text(64), nullable=False),
    Column("target", Text, nullable=False),
    Column("outcome", _text(64), nullable=False),
    Column("detail", Text, nullable=False),
)

# --- answers given: traces and the audits' raw material
responses = Table(
    "responses",
    responses_metadata,
    Column("request_id", _text(36), primary_key=True),
    Column("timestamp_ms", BigInteger, nullable=False),
    Column("user_id", _Id, nullable=False),
    Column("variant", _text(64), nullable=False),
    Column("model_version", _text(32), nullable=False),
    Column("history_version", BigInteger, nullable=False),
    Column("is_personalized", Boolean, nullable=False),
    Column("status", SmallInteger, nullable=False),
    Column("latency_us", Integer, nullable=False),
    Column("text_digest", LargeBinary(16), nullable=False),
    sqlite_with_rowid=False,
)
# Written in the transaction of the answer, where answers are published on an outer bus.
unpublished_answers = Table(
    "unpublished_answers",
    responses_metadata,
    Column("request_id", _text(36), primary_key=True),
    sqlite_with_rowid=False,
)
# Texts of 2 KB lie inside the pages of a table with row ids, and outside those of one without.
answer_texts = Table(
    "answer_texts",
    responses_metadata,
    Column("sequence", _Sequence, primary_key=True, autoincrement=True),
    Column("digest", LargeBinary(16), nullable=False, unique=True),
    Column("before", LargeBinary, nullable=False),
    Column("between", LargeBinary, nullable=False),
    # When an answer with this text was last known to be written; newer ones may name it for as
    # long as the writer remembers the text.
    Column("named_ms", BigInteger),
    Index("ix_answer_texts_named", "named_ms"),
)
