"""Since when a text of an answer is named by none."""

from __future__ import annotations

import time

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Texts that are there count as named just now: an answer of today may do so."""
    op.add_column("answer_texts", sa.Column("named_ms", sa.BigInteger(), nullable=True))
    now_ms = time.time_ns() // 1_000_000
    op.execute(sa.text("UPDATE answer_texts SET named_ms = :now").bindparams(now=now_ms))
    op.create_index("ix_answer_texts_named", "answer_texts", ["named_ms"])


def downgrade() -> None:
    """Forget it."""
    op.drop_index("ix_answer_texts_named", "answer_texts")
    op.drop_column("answer_texts", "named_ms")
