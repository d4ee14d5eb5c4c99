"""Applied events, the state and offsets that follow from them, catalogue, models, keys."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def text(length: int) -> sa.String:
    """In the order of code points, also where the database is ordered by a language."""
    return sa.String(length).with_variant(sa.String(length, collation="C"), "postgresql")


SEQUENCE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "api_keys",
        sa.Column("key_id", text(32), nullable=False),
        sa.Column("secret_sha256", text(64), nullable=False),
        sa.Column("role", text(16), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("user_id", text(128), nullable=True),
        sa.Column("created_at_ms", sa.BigInteger(), nullable=False),
        sa.Column("revoked_at_ms", sa.BigInteger(), nullable=True),
        sa.Column("sessions_ended_ms", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("key_id", name="pk_api_keys"),
        sa.UniqueConstraint("secret_sha256", name="uq_api_keys_secret_sha256"),
    )
    op.create_table(
        "applied_events",
        sa.Column("sequence", SEQUENCE, autoincrement=True, nullable=False),
        sa.Column("event_id", text(256), nullable=False),
        sa.Column("schema_version", sa.SmallInteger(), nullable=False),
        sa.Column("type", text(8), nullable=False),
        sa.Column("user_id", text(128), nullable=False),
        sa.Column("item_id", text(128), nullable=True),
        sa.Column("rating", sa.Float(), nullable=True),
        sa.Column("minute", sa.Integer(), nullable=True),
        sa.Column("query", sa.Text(), nullable=True),
        sa.Column("timestamp_ms", sa.BigInteger(), nullable=False),
        sa.Column("received_at_ms", sa.BigInteger(), nullable=False),
        sa.Column("source", text(64), nullable=False),
        sa.PrimaryKeyConstraint("sequence", name="pk_applied_events"),
        sa.UniqueConstraint("event_id", name="uq_applied_events_event_id"),
    )
    op.create_table(
        "audit_log",
        sa.Column("sequence", SEQUENCE, autoincrement=True, nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("actor", text(128), nullable=False),
        sa.Column("action", text(64), nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("outcome", text(64), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("sequence", name="pk_audit_log"),
    )
    op.create_table(
        "catalogue_changes",
        sa.Column("name", text(16), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_catalogue_changes"),
    )
    op.create_table(
        "consumer_offsets",
        sa.Column("consumer_group", text(128), nullable=False),
        sa.Column("topic", text(249), nullable=False),
        sa.Column("partition", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("next_offset", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("consumer_group", "topic", "partition", name="pk_consumer_offsets"),
    )
    op.create_table(
        "dead_letters",
        sa.Column("sequence", SEQUENCE, autoincrement=True, nullable=False),
        sa.Column("cluster_id", text(64), nullable=False),
        sa.Column("topic", text(249), nullable=False),
        sa.Column("partition", sa.Integer(), nullable=False),
        sa.Column("offset", sa.BigInteger(), nullable=False),
        sa.Column("key", text(256), nullable=True),
        sa.Column("value", sa.LargeBinary(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("timestamp_ms", sa.BigInteger(), nullable=False),
        sa.Column("requeued_at_ms", sa.BigInteger(), nullable=True),
        sa.Column("requeued_by", text(128), nullable=True),
        sa.PrimaryKeyConstraint("sequence", name="pk_dead_letters"),
        sa.UniqueConstraint(
            "cluster_id", "topic", "partition", "offset",
            name="uq_dead_letters_cluster_id_topic_partition_offset",
        ),
    )
    op.create_table(
        "imports",
        sa.Column("import_id", text(80), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.Column("rejected", sa.BigInteger(), nullable=False),
        sa.Column("finished_at_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("import_id", name="pk_imports"),
    )
    op.create_table(
        "interactions",
        sa.Column("user_id", text(128), nullable=False),
        sa.Column("item_id", text(128), nullable=False),
        sa.Column("type", text(8), nullable=False),
        sa.Column("rating", sa.Float(), nullable=True),
        sa.Column("timestamp_ms", sa.BigInteger(), nullable=False),
        sa.Column("event_id", text(256), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("user_id", "item_id", "type", name="pk_interactions"),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "ix_interactions_item", "interactions", ["item_id", "type", "rating"], unique=False
    )
    op.create_table(
        "job_leases",
        sa.Column("job", text(64), nullable=False),
        sa.Column("holder", text(128), nullable=True),
        sa.Column("token", sa.BigInteger(), nullable=False),
        sa.Column("expires_at_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("job", name="pk_job_leases"),
    )
    op.create_table(
        "models",
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("version_id", text(32), nullable=False),
        sa.Column("name", text(64), nullable=False),
        sa.Column("status", text(16), nullable=False),
        sa.Column("sha256", text(64), nullable=False),
        sa.Column("created_at_ms", sa.BigInteger(), nullable=False),
        sa.Column("changed_at_ms", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("version", name="pk_models"),
        sa.UniqueConstraint("version_id", name="uq_models_version_id"),
    )
    op.create_table(
        "movies",
        sa.Column("item_id", text(128), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("year", sa.Integer(), nullable=True),
        sa.Column("genres", sa.Text(), nullable=False),
        sa.Column("added_at_ms", sa.BigInteger(), nullable=False),
        sa.Column("placeholder", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("item_id", name="pk_movies"),
    )
    op.create_table(
        "people",
        sa.Column("user_id", text(128), nullable=False),
        sa.Column("gender", text(16), nullable=True),
        sa.Column("age", sa.Integer(), nullable=True),
        sa.Column("occupation", text(64), nullable=True),
        sa.PrimaryKeyConstraint("user_id", name="pk_people"),
    )
    op.create_table(
        "searches",
        sa.Column("user_id", text(128), nullable=False),
        sa.Column("event_id", text(256), nullable=False),
        sa.Column("query", sa.Text(), nullable=False),
        sa.Column("timestamp_ms", sa.BigInteger(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("user_id", "event_id", name="pk_searches"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "serving_choice",
        sa.Column("slot", text(16), nullable=False),
        sa.Column("model_name", text(64), nullable=True),
        sa.Column("changed_at_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("slot", name="pk_serving_choice"),
    )
    op.create_table(
        "tombstones",
        sa.Column("user_id", text(128), nullable=False),
        sa.Column("item_id", text(128), nullable=False),
        sa.Column("timestamp_ms", sa.BigInteger(), nullable=False),
        sa.Column("event_id", text(256), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("user_id", "item_id", name="pk_tombstones"),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    """Drop them."""
    op.drop_table("tombstones")
    op.drop_table("serving_choice")
    op.drop_table("searches")
    op.drop_table("people")
    op.drop_table("movies")
    op.drop_table("models")
    op.drop_table("job_leases")
    op.drop_table("interactions")
    op.drop_table("imports")
    op.drop_table("dead_letters")
    op.drop_table("consumer_offsets")
    op.drop_table("catalogue_changes")
    op.drop_table("audit_log")
    op.drop_table("applied_events")
    op.drop_table("api_keys")
