"""What removing rows needs: numbers that never come again, marks in time, who was taken out."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def text(length: int) -> sa.String:
    """In the order of code points, also where the database is ordered by a language."""
    return sa.String(length).with_variant(sa.String(length, collation="C"), "postgresql")


def upgrade() -> None:
    """Make the tables; on SQLite the two numbered ones anew (PostgreSQL repeats no number)."""
    op.create_table(
        "store_marks",
        sa.Column("at_ms", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("events_sequence", sa.BigInteger(), nullable=False),
        sa.Column("letters_sequence", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("at_ms", name="pk_store_marks"),
    )
    op.create_table(
        "store_properties",
        sa.Column("name", text(64), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_store_properties"),
    )
    op.create_table(
        "erasures",
        sa.Column("user_digest", text(64), nullable=False),
        sa.Column("until_ms", sa.BigInteger(), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("finished_at_ms", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("user_digest", name="pk_erasures"),
    )
    if op.get_bind().dialect.name == "sqlite":
        _number(True)


def downgrade() -> None:
    """Drop them again."""
    if op.get_bind().dialect.name == "sqlite":
        _number(False)
    op.drop_table("erasures")
    op.drop_table("store_properties")
    op.drop_table("store_marks")


def _number(for_ever: bool) -> None:
    op.rename_table("applied_events", "applied_events_before")
    op.create_table(
        "applied_events",
        sa.Column("sequence", sa.Integer(), nullable=False),
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
        sqlite_autoincrement=for_ever,
    )
    op.rename_table("dead_letters", "dead_letters_before")
    op.create_table(
        "dead_letters",
        sa.Column("sequence", sa.Integer(), nullable=False),
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
        sa.UniqueConstraint("cluster_id", "topic", "partition", "offset",
                            name="uq_dead_letters_cluster_id_topic_partition_offset"),
        sqlite_autoincrement=for_ever,
    )
    for table in ("applied_events", "dead_letters"):
        op.execute(f"INSERT INTO {table} SELECT * FROM {table}_before ORDER BY sequence")
        op.drop_table(f"{table}_before")
