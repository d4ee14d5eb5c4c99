"""Leases for jobs in the store (`ports.JobLeases`), by the clock of the database."""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, Connection, Engine, exists, insert, literal, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from adapters.database import writing
from adapters.tables import job_leases
from recommender.errors import LeaseLost


class DatabaseClockMs(FunctionElement[int]):
    """The clock of the database in UTC milliseconds: one clock for all holders of a lease."""

    type = BigInteger()
    inherit_cache = True


@compiles(DatabaseClockMs, "sqlite")
def _sqlite_clock(element: DatabaseClockMs, compiler: SQLCompiler, **kw: Any) -> str:
    return "CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)"


@compiles(DatabaseClockMs, "postgresql")
def _postgresql_clock(element: DatabaseClockMs, compiler: SQLCompiler, **kw: Any) -> str:
    return "CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT)"


def check_fencing(connection: Connection, job: str, token: int) -> None:
    """Within a transaction: go on only while the lease is held, and keep it unchanged until commit.

    It is an UPDATE so that it takes the lock that a rival's `acquire` needs.

    Raises:
        LeaseLost: the token is not the newest, was given back, or has expired.
    """
    held = connection.execute(
        update(job_leases)
        .where(
            job_leases.c.job == job,
            job_leases.c.token == token,
            job_leases.c.holder.is_not(None),
            job_leases.c.expires_at_ms > DatabaseClockMs(),
        )
        .values(token=token)
    ).rowcount
    if held != 1:
        raise LeaseLost(f"the lease for {job!r} with token {token} is no longer held")


class SqlJobLeases:
    """One row a job. The token only grows, also over releases and expiries."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def acquire(self, job: str, holder: str, seconds: float) -> int | None:
        """A fencing token, greater than all before it, or None while another holds the job."""
        self._ensure_row(job)
        with writing(self._engine) as connection:
            return connection.execute(
                update(job_leases)
                .where(
                    job_leases.c.job == job,
                    job_leases.c.holder.is_(None)
                    | (job_leases.c.expires_at_ms <= DatabaseClockMs()),
                )
                .values(
                    holder=holder,
                    token=job_leases.c.token + 1,
                    expires_at_ms=DatabaseClockMs() + round(seconds * 1000),
                )
                .returning(job_leases.c.token)
            ).scalar_one_or_none()

    def renew(self, job: str, token: int, seconds: float) -> bool:
        """Prolong; False when the lease was lost. An expired lease is lost."""
        with writing(self._engine) as connection:
            try:
                check_fencing(connection, job, token)
            except LeaseLost:
                return False
            connection.execute(
                update(job_leases)
                .where(job_leases.c.job == job)
                .values(expires_at_ms=DatabaseClockMs() + round(seconds * 1000))
            )
            return True

    def release(self, job: str, token: int) -> None:
        """Give it back; nothing happens when it was lost."""
        with writing(self._engine) as connection:
            connection.execute(
                update(job_leases)
                .where(job_leases.c.job == job, job_leases.c.token == token)
                .values(holder=None, expires_at_ms=0)
            )

    def _ensure_row(self, job: str) -> None:
        row = select(literal(job), literal(0), literal(0)).where(
            ~exists().where(job_leases.c.job == job)
        )
        try:
            with writing(self._engine) as connection:
                connection.execute(
                    insert(job_leases).from_select(["job", "token", "expires_at_ms"], row)
                )
        except IntegrityError:
            return  # another process inserted the same row first
