"""Administrative acts and refusals (`ports.AuditLog`)."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Engine, insert, select

from adapters.bulk_insert import fetch_columns
from adapters.database import reading, writing
from adapters.storable_text import storable
from adapters.tables import audit_log
from recommender.review import AuditFilter, NumberedEntry, Page
from recommender.types import AuditEntry

_FIELDS = ("at_ms", "actor", "action", "target", "outcome", "detail")


class SqlAuditLog:
    """Rows are only ever added."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def append(self, entry: AuditEntry) -> None:
        """As `ports.AuditLog.append`."""
        with writing(self._engine) as connection:
            connection.execute(insert(audit_log).values(_row(entry)))

    def entries(self, limit: int = 100) -> list[AuditEntry]:
        """As `ports.AuditLog.entries`."""
        query = (
            select(*(audit_log.c[field] for field in _FIELDS))
            .order_by(audit_log.c.sequence.desc())
            .limit(limit)
        )
        with reading(self._engine) as connection:
            return [AuditEntry(*row) for row in connection.execute(query)]

    def search(
        self, wanted: AuditFilter, before: int | None = None, limit: int = 50
    ) -> Page[NumberedEntry]:
        """As `ports.AuditLog.search`."""
        columns = audit_log.c
        query = select(columns.sequence, *(columns[field] for field in _FIELDS))
        for column, text in ((columns.actor, wanted.actor), (columns.action, wanted.action)):
            if text:
                query = query.where(column.icontains(text, autoescape=True))
        if before is not None:
            query = query.where(columns.sequence < before)
        query = query.order_by(columns.sequence.desc()).limit(limit + 1)
        with reading(self._engine) as connection:
            found = list(zip(*fetch_columns(connection, query), strict=True))
        found.sort(key=lambda row: row[0], reverse=True)
        entries = tuple(NumberedEntry(row[0], AuditEntry(*row[1:])) for row in found[:limit])
        return Page(entries, entries[-1].sequence if len(found) > limit else None)

def _row(entry: AuditEntry) -> dict[str, Any]:
    """What a request or a command line put into an entry must not keep it from being written."""
    texts = {name: getattr(entry, name) for name in _FIELDS[1:]}
    lengths = {name: getattr(audit_log.c[name].type, "length", None) for name in texts}
    return {"at_ms": entry.at_ms} | {n: storable(text, lengths[n]) for n, text in texts.items()}
