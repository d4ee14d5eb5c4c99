"""How active each user was so far."""

from __future__ import annotations

from sqlalchemy import Engine, func, select

from adapters.bulk_insert import fetch_columns
from adapters.database import reading
from adapters.tables import interactions

_COUNTED = ("rate", "watch")


def user_activity(engine: Engine) -> dict[str, int]:
    """Films that each user rated, plus films that they watched; others are left out.

    Raises:
        StoreUnavailable: the database does not answer.
    """
    query = (
        select(interactions.c.user_id, func.count().label("films"))
        .where(interactions.c.type.in_(_COUNTED))
        .group_by(interactions.c.user_id)
    )
    with reading(engine) as connection:
        users, counts = fetch_columns(connection, query)
    return dict(zip(users, counts, strict=True))
