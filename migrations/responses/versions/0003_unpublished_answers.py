"""Answers that are still to be put on the topics of an outer bus."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the queue; answers of before are not published."""
    op.create_table(
        "unpublished_answers",
        sa.Column("request_id",
                  sa.String(36).with_variant(sa.String(36, collation="C"), "postgresql"),
                  nullable=False),
        sa.PrimaryKeyConstraint("request_id", name="pk_unpublished_answers"),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    """Drop it."""
    op.drop_table("unpublished_answers")
