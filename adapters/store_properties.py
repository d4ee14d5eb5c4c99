"""Named values of the store, changed in the transactions of what they tell about."""

from __future__ import annotations

from sqlalchemy import Connection, select

from adapters.bulk_insert import bulk_insert
from adapters.tables import store_properties

TRIMMED_UNTIL = "events_trimmed_until"
"""Number of the newest applied event that was removed for its age, and is in a snapshot."""
BROWSE_TRIMMED_UNTIL = "browse_events_trimmed_until"
"""Number up to which views and searches were removed."""


def stored_property(connection: Connection, name: str) -> str | None:
    """The value, None when there is none yet."""
    c = store_properties.c
    return connection.execute(select(c.value).where(c.name == name)).scalar()


def set_property(connection: Connection, name: str, value: str) -> None:
    """Store a value under a name."""
    bulk_insert(connection, store_properties, ("name", "value"), [(name, value)],
                "ON CONFLICT (name) DO UPDATE SET value = excluded.value")
