"""How alembic runs: on the connection that `adapters.database` passes, or on `-x url=...`.

By hand: `alembic -n store -x url=sqlite:///data/store.db history` (sections in alembic.ini).
"""

from __future__ import annotations

from typing import cast

from alembic import context
from sqlalchemy import Connection

from adapters.database import METADATA, DatabaseName, open_database, version_table, writing


def run(connection: Connection, database: DatabaseName) -> None:
    """Run the revisions of one database inside the transaction that is open."""
    context.configure(
        connection=connection,
        target_metadata=METADATA[database],
        version_table=version_table(database),
        transactional_ddl=True,
        compare_type=True,
    )
    with context.begin_transaction():
        context.run_migrations()


passed = context.config.attributes
if "connection" in passed:
    run(passed["connection"], passed["database"])
else:
    name = cast(DatabaseName, context.config.config_ini_section)
    engine = open_database(context.get_x_argument(as_dictionary=True)["url"], name)
    with writing(engine) as opened:
        run(opened, name)
