"""Finding the rows that an outer bus has not acknowledged."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

UNSENT = sa.text('"offset" IS NULL AND sent_at_ms IS NULL')


def upgrade() -> None:
    """Index them; nothing is in it while the log is read in place."""
    op.create_index(
        "ix_outbox_unsent", "outbox", ["sequence"], sqlite_where=UNSENT, postgresql_where=UNSENT
    )


def downgrade() -> None:
    """Drop the index."""
    op.drop_index("ix_outbox_unsent", "outbox")
