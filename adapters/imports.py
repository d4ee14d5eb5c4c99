"""Which sources were imported (`ports.Imports`)."""

from __future__ import annotations

from sqlalchemy import Engine, select

from adapters.bulk_insert import bulk_insert
from adapters.database import reading, writing
from adapters.tables import imports


class SqlImports:
    """One row for each source that was imported to its end."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def finished(self, import_id: str) -> bool:
        """As `ports.Imports.finished`."""
        query = select(imports.c.import_id).where(imports.c.import_id == import_id)
        with reading(self._engine) as connection:
            return connection.execute(query).first() is not None

    def rows_by_id(self, prefix: str) -> dict[str, int]:
        """As `ports.Imports.rows_by_id`."""
        query = select(imports.c.import_id, imports.c.rows).where(
            imports.c.import_id.startswith(prefix, autoescape=True)
        )
        with reading(self._engine) as connection:
            return {row.import_id: row.rows for row in connection.execute(query)}

    def record(self, import_id: str, name: str, rows: int, rejected: int, at_ms: int) -> None:
        """As `ports.Imports.record`; the first record of a source stays."""
        with writing(self._engine) as connection:
            bulk_insert(
                connection,
                imports,
                ("import_id", "name", "rows", "rejected", "finished_at_ms"),
                [(import_id, name, rows, rejected, at_ms)],
                "ON CONFLICT (import_id) DO NOTHING",
            )
