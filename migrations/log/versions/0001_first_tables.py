"""The outbox, which is the embedded log, and what identifies the log."""

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
        "log_properties",
        sa.Column("name", text(64), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_log_properties"),
    )
    op.create_table(
        "outbox",
        sa.Column("sequence", SEQUENCE, autoincrement=True, nullable=False),
        sa.Column("event_id", text(256), nullable=False),
        sa.Column("topic", text(249), nullable=False),
        sa.Column("partition", sa.Integer(), nullable=False),
        sa.Column("offset", sa.BigInteger(), nullable=True),
        sa.Column("key", text(256), nullable=True),
        sa.Column("value", sa.LargeBinary(), nullable=False),
        sa.Column("accepted_at_ms", sa.BigInteger(), nullable=False),
        sa.Column("sent_at_ms", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("sequence", name="pk_outbox"),
        sa.UniqueConstraint("event_id", name="uq_outbox_event_id"),
        sa.UniqueConstraint(
            "topic", "partition", "offset", name="uq_outbox_topic_partition_offset"
        ),
    )
    op.create_index("ix_outbox_quota", "outbox", ["key", "topic", "accepted_at_ms"], unique=False)


def downgrade() -> None:
    """Drop them."""
    op.drop_table("outbox")
    op.drop_table("log_properties")
