"""Rollouts in the store (`ports.Rollouts`)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import orjson
from sqlalchemy import Connection, Engine, Row, Select, insert, select, text, update
from sqlalchemy.exc import IntegrityError

from adapters.allow_list import serve_within
from adapters.database import reading, writing
from adapters.storable_text import storable
from adapters.tables import rollouts
from recommender.experiments.rollout import Rollout, RolloutEnd, Strategy

RUNNING = select(rollouts.c.name).where(rollouts.c.ended_at_ms.is_(None))
_FIELDS = tuple(column for column in rollouts.c if column.name != "sequence")


class SqlRollouts:
    """One row a rollout."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def current(self) -> Rollout | None:
        """As `ports.Rollouts.current`."""
        return self._one(select(*_FIELDS).where(rollouts.c.ended_at_ms.is_(None)))

    def find(self, name: str) -> Rollout | None:
        """As `ports.Rollouts.find`."""
        return self._one(select(*_FIELDS).where(rollouts.c.name == name))

    def all(self, limit: int = 100) -> list[Rollout]:
        """As `ports.Rollouts.all`."""
        query = select(*_FIELDS).order_by(rollouts.c.sequence.desc()).limit(limit)
        with reading(self._engine) as connection:
            return [_rollout(row) for row in connection.execute(query)]

    def start(self, rollout: Rollout) -> bool:
        """As `ports.Rollouts.start`.

        Raises:
            ValueError: the name is taken.
        """
        with self._changing() as connection:
            if connection.execute(RUNNING).first() is not None:
                return False
            try:
                connection.execute(insert(rollouts).values(_row(rollout)))
            except IntegrityError as error:
                raise ValueError(f"the name {rollout.name} is taken") from error
            return True

    def change(self, rollout: Rollout) -> bool:
        """As `ports.Rollouts.change`."""
        with self._changing() as connection:
            return _changed(connection, rollout)

    def promote(self, rollout: Rollout) -> bool:
        """As `ports.Rollouts.promote`.

        Raises:
            NotFound, ModelRefused: the candidate cannot be served; nothing was changed.
        """
        with self._changing() as connection:
            if not _changed(connection, rollout):
                return False
            at_ms = rollout.ended_at_ms or rollout.step_since_ms
            serve_within(connection, rollout.candidate, at_ms)
            return True

    def note_results(self, name: str, results: Mapping[str, Any]) -> None:
        """As `ports.Rollouts.note_results`."""
        with writing(self._engine) as connection:
            connection.execute(
                update(rollouts).where(rollouts.c.name == name).values(results=_json(results)))

    def _one(self, query: Select[Any]) -> Rollout | None:
        with reading(self._engine) as connection:
            row = connection.execute(query).first()
        return None if row is None else _rollout(row)

    @contextmanager
    def _changing(self) -> Iterator[Connection]:
        with writing(self._engine) as connection:
            if connection.dialect.name == "postgresql":
                # In the order of all who lock both.
                for table in ("models", "rollouts"):
                    connection.execute(text(f"LOCK TABLE {table} IN SHARE ROW EXCLUSIVE MODE"))
            yield connection


def _changed(connection: Connection, rollout: Rollout) -> bool:
    earlier = update(rollouts).where(
        rollouts.c.name == rollout.name, rollouts.c.revision == rollout.revision - 1)
    values = _row(rollout)
    del values["results"]
    return bool(connection.execute(earlier.values(values)).rowcount)


def _json(value: object) -> str:
    return orjson.dumps(value).decode()


def _row(rollout: Rollout) -> dict[str, Any]:
    values = {column.name: getattr(rollout, column.name) for column in _FIELDS}
    return values | {
        "strategy": rollout.strategy.value, "steps": _json(rollout.steps),
        "outcome": None if rollout.outcome is None else rollout.outcome.value,
        "results": _json(dict(rollout.results)), "reason": storable(rollout.reason),
        "changed_by": storable(rollout.changed_by, 128),
    }  # fmt: skip


def _rollout(row: Row[Any]) -> Rollout:
    values = dict(row._mapping)
    outcome = values["outcome"]
    return Rollout(**values | {
        "strategy": Strategy(values["strategy"]), "steps": tuple(orjson.loads(values["steps"])),
        "outcome": None if outcome is None else RolloutEnd(outcome),
        "results": orjson.loads(values["results"]),
    })  # fmt: skip
