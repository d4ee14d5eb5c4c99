"""Answers given."""

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


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "responses",
        sa.Column("request_id", text(36), nullable=False),
        sa.Column("timestamp_ms", sa.BigInteger(), nullable=False),
        sa.Column("user_id", text(128), nullable=False),
        sa.Column("variant", text(64), nullable=False),
        sa.Column("model_version", text(32), nullable=False),
        sa.Column("history_version", sa.BigInteger(), nullable=False),
        sa.Column("is_personalized", sa.Boolean(), nullable=False),
        sa.Column("status", sa.SmallInteger(), nullable=False),
        sa.Column("latency_us", sa.Integer(), nullable=False),
        sa.Column("text_digest", sa.LargeBinary(length=16), nullable=False),
        sa.PrimaryKeyConstraint("request_id", name="pk_responses"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "answer_texts",
        sa.Column("sequence", sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
                  autoincrement=True, nullable=False),
        sa.Column("digest", sa.LargeBinary(length=16), nullable=False),
        sa.Column("before", sa.LargeBinary(), nullable=False),
        sa.Column("between", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("sequence", name="pk_answer_texts"),
        sa.UniqueConstraint("digest", name="uq_answer_texts_digest"),
    )


def downgrade() -> None:
    """Drop them."""
    op.drop_table("answer_texts")
    op.drop_table("responses")
