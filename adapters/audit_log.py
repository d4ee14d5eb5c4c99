"""Administrative acts and refusals (`ports.AuditLog`)."""

from __future__ import annotations

from sqlalchemy import Engine, insert, select

from adapters.database import reading, writing
from adapters.tables import audit_log
from recommender.types import AuditEntry

_FIELDS = ("at_ms", "actor", "action", "target", "outcome", "detail")


class SqlAuditLog:
    """Rows are only ever added."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def append(self, entry: AuditEntry) -> None:
        """As `ports.AuditLog.append`."""
        with writing(self._engine) as connection:
            values = {field: getattr(entry, field) for field in _FIELDS}
            connection.execute(insert(audit_log).values(values))

    def entries(self, limit: int = 100) -> list[AuditEntry]:
        """As `ports.AuditLog.entries`."""
        query = (
            select(*(audit_log.c[field] for field in _FIELDS))
            .order_by(audit_log.c.sequence.desc())
            .limit(limit)
        )
        with reading(self._engine) as connection:
            return [AuditEntry(*row) for row in connection.execute(query)]
