"""The list of models in the store (`ports.AllowList`): it, not the folder, says what may load."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, Engine, Row, Select, func, insert, select, text, update
from sqlalchemy.exc import IntegrityError

from adapters.database import reading, writing
from adapters.job_leases import check_fencing
from adapters.tables import models, rollouts, serving_choice
from recommender.errors import ModelRefused, NotFound
from recommender.types import LOADABLE, ModelRecord, ModelStatus, ServingChoice

_FIELDS = (
    models.c.version, models.c.version_id, models.c.name, models.c.status, models.c.sha256,
    models.c.created_at_ms, models.c.reason,
)  # fmt: skip
_VERSION_ID = re.compile(r"\d{8}T\d{6}Z")
_VERSION_MAX = 2**31 - 1
_SLOT = "serving"
"""The one row of the choice; more would be needed to serve several models at once."""


class SqlAllowList:
    """Integer versions grow by one; at most one model is SERVING and at most one PREVIOUS."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def register(
        self, version_id: str, name: str, status: ModelStatus, sha256: str,
        at_ms: int, reason: str | None = None, fencing: tuple[str, int] | None = None,
    ) -> ModelRecord:  # fmt: skip
        """Add a model under the next integer version.

        Raises:
            LeaseLost: the fencing token is no longer held; nothing was written.
            ValueError: the status is SERVING (`serve` does that), or the version id is taken.
        """
        if status is ModelStatus.SERVING:
            raise ValueError("register a model as available, then serve it")
        with self._changing(fencing) as connection:
            newest = connection.execute(select(func.max(models.c.version))).scalar()
            record = ModelRecord((newest or 0) + 1, version_id, name, status, sha256, at_ms, reason)
            try:
                connection.execute(
                    insert(models).values(
                        version=record.version, version_id=version_id, name=name,
                        status=status.value, sha256=sha256, created_at_ms=at_ms,
                        changed_at_ms=at_ms, reason=reason,
                    )
                )  # fmt: skip
            except IntegrityError as error:
                raise ValueError(f"version {record.version} or {version_id} is taken") from error
            return record

    def records(self) -> list[ModelRecord]:
        """All, newest first."""
        return self._read(select(*_FIELDS).order_by(models.c.version.desc()))

    def find(self, reference: str) -> ModelRecord | None:
        """By version id, by integer version, or the newest loadable of a model name."""
        query = select(*_FIELDS)
        if _VERSION_ID.fullmatch(reference):
            query = query.where(models.c.version_id == reference)
        elif reference.isdecimal() and reference.isascii():
            if len(reference) > 10 or int(reference) > _VERSION_MAX:
                return None
            query = query.where(models.c.version == int(reference))
        else:
            query = query.where(
                models.c.name == reference,
                models.c.status.in_(sorted(status.value for status in LOADABLE)),
            )
        found = self._read(query.order_by(models.c.version.desc()).limit(1))
        return found[0] if found else None

    def serving(self) -> ModelRecord | None:
        """The one that answers now."""
        found = self._read(select(*_FIELDS).where(models.c.status == ModelStatus.SERVING.value))
        return found[0] if found else None

    def choice(self) -> ServingChoice | None:
        """What was chosen to serve, None before the first choice."""
        with reading(self._engine) as connection:
            return _choice(connection)

    def serve(
        self, version_id: str, at_ms: int, fencing: tuple[str, int] | None = None,
        choice: ServingChoice | None = None,
    ) -> ModelRecord:  # fmt: skip
        """Make it the serving one; the one before becomes PREVIOUS, an older previous AVAILABLE.

        Serving what already serves changes nothing but the choice, when one is given.

        Raises:
            NotFound: no such model.
            ModelRefused: it is refused or retired.
            LeaseLost: the fencing token is no longer held.
        """
        with self._changing(fencing) as connection:
            record = serve_within(connection, version_id, at_ms)
            if choice is not None:
                _choose(connection, choice, at_ms)
            return record

    def serve_trained(
        self, version_id: str, at_ms: int, before: str | None, fencing: tuple[str, int]
    ) -> ModelRecord:
        """Serve a model that passed the gate, unless someone chose otherwise meanwhile.

        See the port. All is looked up in the fenced transaction, so no switch is overlooked.

        Raises:
            NotFound, ModelRefused, LeaseLost: as for `serve`.
        """
        with self._changing(fencing) as connection:
            record, choice = _one(connection, version_id), _choice(connection)
            serving = connection.execute(
                select(models.c.version_id).where(models.c.status == ModelStatus.SERVING.value)
            ).scalar()
            if serving is not None:
                running = select(rollouts.c.name).where(rollouts.c.ended_at_ms.is_(None))
                if connection.execute(running).first() is not None:
                    return record
                if choice is None or choice.automatic:
                    wanted = serving == before
                else:
                    wanted = choice.name == record.name
                if not wanted:
                    return record
            return serve_within(connection, version_id, at_ms)

    def set_status(
        self, version_id: str, status: ModelStatus, at_ms: int, reason: str | None = None
    ) -> None:
        """Change the status of a model that is not serving; a reason given replaces the old one.

        Raises:
            NotFound: no such model.
            ValueError: it serves, should become SERVING (`serve` does that), or should be retired
                while it is the previous one.
        """
        if status is ModelStatus.SERVING:
            raise ValueError("serve() makes a model the serving one")
        with self._changing(None) as connection:
            record = _one(connection, version_id)
            if record.status is ModelStatus.SERVING:
                raise ValueError(f"{version_id} is serving")
            if (record.status, status) == (ModelStatus.PREVIOUS, ModelStatus.RETIRED):
                raise ValueError(f"{version_id} is the previous one")
            connection.execute(
                update(models)
                .where(models.c.version_id == version_id)
                .values(
                    status=status.value, changed_at_ms=at_ms,
                    reason=record.reason if reason is None else reason,
                )
            )  # fmt: skip

    def _read(self, query: Select[int, str, str, str, str, int, str | None]) -> list[ModelRecord]:
        with reading(self._engine) as connection:
            return [_record(row) for row in connection.execute(query)]

    @contextmanager
    def _changing(self, fencing: tuple[str, int] | None) -> Iterator[Connection]:
        with writing(self._engine) as connection:
            # Also where BEGIN takes no lock rivals wait here, so what is read after it cannot be
            # stale. The table: rows locked one by one could be taken in another order by each.
            if connection.dialect.name == "postgresql":
                connection.execute(text("LOCK TABLE models IN SHARE ROW EXCLUSIVE MODE"))
            if fencing is not None:
                check_fencing(connection, *fencing)
            yield connection


def serve_within(connection: Connection, version_id: str, at_ms: int) -> ModelRecord:
    """`SqlAllowList.serve` in a transaction that somebody else began."""
    record = _one(connection, version_id)
    if record.status not in LOADABLE:
        raise ModelRefused(version_id, "not_allowed", f"it is {record.status}")
    if record.status is ModelStatus.SERVING:
        return record
    for old, new in (
        (ModelStatus.PREVIOUS, ModelStatus.AVAILABLE),
        (ModelStatus.SERVING, ModelStatus.PREVIOUS),
    ):
        connection.execute(
            update(models)
            .where(models.c.status == old.value)
            .values(status=new.value, changed_at_ms=at_ms)
        )
    connection.execute(
        update(models)
        .where(models.c.version_id == version_id)
        .values(status=ModelStatus.SERVING.value, changed_at_ms=at_ms)
    )
    return _one(connection, version_id)


def _choice(connection: Connection) -> ServingChoice | None:
    query = select(serving_choice.c.model_name).where(serving_choice.c.slot == _SLOT)
    row = connection.execute(query).first()
    return None if row is None else ServingChoice(row.model_name)


def _choose(connection: Connection, choice: ServingChoice, at_ms: int) -> None:
    values = {"model_name": choice.name, "changed_at_ms": at_ms}
    known = update(serving_choice).where(serving_choice.c.slot == _SLOT).values(values)
    if not connection.execute(known).rowcount:
        connection.execute(insert(serving_choice).values(slot=_SLOT, **values))


def _one(connection: Connection, version_id: str) -> ModelRecord:
    row = connection.execute(select(*_FIELDS).where(models.c.version_id == version_id)).first()
    if row is None:
        raise NotFound(f"no model {version_id}")
    return _record(row)


def _record(row: Row[int, str, str, str, str, int, str | None]) -> ModelRecord:
    return ModelRecord(
        row.version, row.version_id, row.name, ModelStatus(row.status), row.sha256,
        row.created_at_ms, row.reason,
    )  # fmt: skip
