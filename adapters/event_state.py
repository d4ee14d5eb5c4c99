"""The state that follows from applied events, advanced by set-based statements.

Each statement reads the rows of `applied_events` above a sequence number, so none of the events
travels through Python again. The result does not depend on the order of application: of the
events of one (user, film, kind) the one with the greatest (timestamp, event id) stays.
"""

from __future__ import annotations

from sqlalchemy import Connection, text

from adapters.catalogue import note_change

_INTERACTIONS = """
    INSERT INTO interactions
           (user_id, item_id, type, rating, timestamp_ms, event_id, sequence)
    SELECT user_id, item_id, type, rating, timestamp_ms, event_id, sequence
      FROM {fresh}
        ON CONFLICT (user_id, item_id, type) DO UPDATE
       SET rating = excluded.rating, timestamp_ms = excluded.timestamp_ms,
           event_id = excluded.event_id, sequence = excluded.sequence
     WHERE (excluded.timestamp_ms, excluded.event_id)
         > (interactions.timestamp_ms, interactions.event_id)
"""
_IN_KEY_ORDER = """applied_events
     WHERE sequence > :before AND item_id IS NOT NULL
     ORDER BY user_id, item_id, type
"""
_LATEST_OF_EACH_KEY = """
           (SELECT applied_events.*,
                   row_number() OVER (PARTITION BY user_id, item_id, type
                                      ORDER BY timestamp_ms DESC, event_id DESC) AS place
              FROM applied_events
             WHERE sequence > :before AND item_id IS NOT NULL) AS fresh
     WHERE place = 1
"""
# A statement of PostgreSQL may touch a row only once. SQLite may touch it again, and does 1M
# events in 2.7 s instead of 4.7 s without the window function.
_INTERACTIONS_OF = {
    "sqlite": text(_INTERACTIONS.format(fresh=_IN_KEY_ORDER)),
    "postgresql": text(_INTERACTIONS.format(fresh=_LATEST_OF_EACH_KEY)),
}
_SEARCHES = text("""
    INSERT INTO searches (user_id, event_id, query, timestamp_ms, sequence)
    SELECT user_id, event_id, query, timestamp_ms, sequence
      FROM applied_events
     WHERE sequence > :before AND type = 'search' AND query IS NOT NULL
        ON CONFLICT (user_id, event_id) DO NOTHING
""")
_PLACEHOLDERS = text("""
    INSERT INTO movies (item_id, title, year, genres, added_at_ms, placeholder)
    SELECT item_id, item_id, NULL, '[]', min(received_at_ms), :placeholder
      FROM applied_events
     WHERE sequence > :before AND item_id IS NOT NULL
       AND NOT EXISTS (SELECT 1 FROM movies WHERE movies.item_id = applied_events.item_id)
     GROUP BY item_id
        ON CONFLICT (item_id) DO NOTHING
""")


def advance_state(connection: Connection, before: int) -> None:
    """Bring the state up to the applied events with a sequence number above `before`."""
    connection.execute(_INTERACTIONS_OF[connection.dialect.name], {"before": before})
    connection.execute(_SEARCHES, {"before": before})
    placeholders = connection.execute(_PLACEHOLDERS, {"before": before, "placeholder": True})
    if placeholders.rowcount > 0:
        note_change(connection)
