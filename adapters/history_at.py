"""A user's history as it was at an earlier version, from the applied events."""

from __future__ import annotations

import tempfile
from pathlib import Path

from sqlalchemy import Engine, select

from adapters.bulk_insert import fetch_columns
from adapters.database import open_database, reading
from adapters.event_store import SqlEventStore
from adapters.tables import applied_events
from recommender.errors import NotFound
from recommender.schemas import Columns, event_frame
from recommender.types import History


def history_at(store: SqlEventStore, engine: Engine, user_id: str, version: int) -> History:
    """What `store.history` gave when its version was this one.

    The events up to it are applied anew, to an empty store of their own: by the same statements,
    so by the same rules. This reads the whole table of applied events: for looking into single
    answers, not for serving.

    Raises:
        NotFound: the events are no longer (all) there.
        StoreUnavailable: the database does not answer.
    """
    newest = store.history(user_id)
    if newest.version == version:
        return newest
    query = (
        select(*(applied_events.c[name] for name in Columns.EVENT))
        .where(applied_events.c.user_id == user_id, applied_events.c.sequence <= version)
        .order_by(applied_events.c.sequence)
    )
    with reading(engine) as connection:
        frame = event_frame(fetch_columns(connection, query))
    if version and frame.empty:
        raise NotFound(f"the events of {user_id} up to version {version} are no longer kept")
    with tempfile.TemporaryDirectory(prefix="fairreel-history-") as folder:
        own = open_database(f"sqlite:///{Path(folder)}/store.db", "store")
        try:
            earlier = SqlEventStore(own)
            earlier.apply(frame)
            found = earlier.history(user_id)
        finally:
            own.dispose()
    return History(user_id, version, found.entries, found.searches)
