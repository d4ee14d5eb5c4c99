"""Rollouts: which change of the model is on its way to whom."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def text(length: int) -> sa.String:
    return sa.String(length).with_variant(sa.String(length, collation="C"), "postgresql")


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "rollouts",
        sa.Column("sequence", sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
                  autoincrement=True, nullable=False),
        sa.Column("name", text(64), nullable=False),
        sa.Column("strategy", text(16), nullable=False),
        sa.Column("stable", text(32), nullable=False),
        sa.Column("candidate", text(32), nullable=False),
        sa.Column("diversity", sa.Float(), nullable=True),
        sa.Column("percentage", sa.Float(), nullable=False),
        sa.Column("steps", sa.Text(), nullable=False),
        sa.Column("salt", text(64), nullable=False),
        sa.Column("started_at_ms", sa.BigInteger(), nullable=False),
        sa.Column("step_since_ms", sa.BigInteger(), nullable=False),
        sa.Column("changed_by", text(128), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("ended_at_ms", sa.BigInteger(), nullable=True),
        sa.Column("outcome", text(16), nullable=True),
        sa.Column("results", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("sequence", name="pk_rollouts"),
        sa.UniqueConstraint("name", name="uq_rollouts_name"),
    )


def downgrade() -> None:
    """Drop it."""
    op.drop_table("rollouts")
