"""Keeps the served model equal to what the store says serves, and changes what it says."""

from __future__ import annotations

from collections.abc import Callable, Collection
from threading import Lock
from typing import Generic, TypeVar

import structlog

from recommender.errors import FairreelError, ModelRefused, NotFound
from recommender.ports import AllowList, AuditLog, Telemetry
from recommender.serving_state import ServedModel, ServingState
from recommender.types import (
    AUTOMATIC,
    HELD,
    LOADABLE,
    AuditEntry,
    ModelRecord,
    ModelStatus,
    ServingChoice,
)

_log = structlog.get_logger(__name__)

Bundle = TypeVar("Bundle")

RETRY_REFUSED_AFTER_MS = 60_000


class ModelWatch(Generic[Bundle]):
    """Polls the allow-list and swaps verified models in; safe for many threads.

    Args:
        load: verifies and unpickles; raises ModelRefused.
        on_swap: called after each swap, as for writing `current.json`.
        clock: UTC milliseconds.
        present: version ids with files in the registry, allowed or not.
    """

    def __init__(
        self, allow_list: AllowList, load: Callable[[ModelRecord], ServedModel[Bundle]],
        state: ServingState[Bundle], telemetry: Telemetry, audit: AuditLog,
        clock: Callable[[], int], on_swap: Callable[[], None] = lambda: None,
        present: Callable[[], Collection[str]] = frozenset,
    ) -> None:  # fmt: skip
        self._allow_list = allow_list
        self._load = load
        self._state = state
        self._telemetry = telemetry
        self._audit = audit
        self._clock = clock
        self._on_swap = on_swap
        self._present = present
        self._lock = Lock()
        self._refused: dict[str, tuple[str, int]] = {}

    def check(self) -> bool:
        """One poll; True when another model was swapped in.

        A refused file leaves the old model serving and is tried again after a minute. Without an
        old model (after a start) the previous one is tried.

        Raises:
            StoreUnavailable: the store does not answer.
        """
        with self._lock:
            wanted = self._allow_list.serving()
            if wanted is None or self._serves(wanted):
                return False
            if self._tried(wanted):
                return True
            if self._state.current() is not None:
                return False
            previous = next(
                (r for r in self._allow_list.records() if r.status is ModelStatus.PREVIOUS), None
            )
            return previous is not None and self._tried(previous)

    def switch(self, reference: str, actor: str) -> ServedModel[Bundle]:
        """Serve another model from now on, in all replicas: verify, then list, then swap.

        A name also serves the models of that name that trainings are still to publish; a version
        is held until the next switch by name. `AUTOMATIC` keeps what serves and lets each training
        choose again.

        Args:
            reference: version id, integer version, or a model name for its newest version.
            actor: who asked, for the audit log.

        Raises:
            NotFound: no such model.
            ModelRefused: it is refused or retired, or its files do not verify.
        """
        return self._change("switch", reference, actor)

    def rollback(self, reference: str | None, actor: str) -> ServedModel[Bundle]:
        """Serve an earlier version and hold it: this one, or the previous one for None.

        Raises:
            NotFound: no such version, or there is no previous one.
            ModelRefused: as for `switch`.
        """
        return self._change("rollback", reference, actor)

    def refused(self) -> dict[str, str]:
        """Version ids that it was to serve and refused, with the cause; until they are served."""
        return {version_id: cause for version_id, (cause, _) in list(self._refused.items())}

    def _change(self, action: str, reference: str | None, actor: str) -> ServedModel[Bundle]:
        with self._lock:
            try:
                record = self._wanted(action, reference)
                model = self._load(record)
                by_name = action == "switch" and reference in (record.name, AUTOMATIC)
                record = self._allow_list.serve(
                    record.version_id, self._clock(),
                    choice=ServingChoice(reference) if by_name else HELD,
                )  # fmt: skip
            except FairreelError as error:
                if isinstance(error, ModelRefused):
                    self._note_refusal(error)
                self._write_audit(action, reference or "previous", actor, "refused", str(error))
                raise
            self._write_audit(action, record.version_id, actor, "done", record.name)
            self._swap(model)
            return model

    def _wanted(self, action: str, reference: str | None) -> ModelRecord:
        if reference is None:
            records = self._allow_list.records()
            record = next((r for r in records if r.status is ModelStatus.PREVIOUS), None)
        elif (action, reference) == ("switch", AUTOMATIC):
            record = self._allow_list.serving()
        else:
            record = self._allow_list.find(reference)
            if action == "rollback" and record is not None and record.name == reference:
                record = None  # a name would roll forward to the newest
        if record is None and reference in self._present():
            raise ModelRefused(
                str(reference), "not_allowed", "its files are there, but no list allows it")
        if record is None:
            raise NotFound(f"no model {reference or 'before the serving one'}")
        if record.status not in LOADABLE:
            raise ModelRefused(record.version_id, "not_allowed", f"it is {record.status}")
        return record

    def _tried(self, record: ModelRecord) -> bool:
        if self._serves(record):
            return False
        _, retry_at_ms = self._refused.get(record.version_id, ("", 0))
        if self._clock() < retry_at_ms:
            return False
        try:
            model = self._load(record)
        except ModelRefused as refusal:
            self._note_refusal(refusal)
            return False
        self._swap(model)
        return True

    def _note_refusal(self, refusal: ModelRefused) -> None:
        known, _ = self._refused.get(refusal.version_id, ("", 0))
        retry_at_ms = self._clock() + RETRY_REFUSED_AFTER_MS
        self._refused[refusal.version_id] = (refusal.cause, retry_at_ms)
        self._telemetry.model_refused(refusal.cause)
        if known != refusal.cause:
            current = self._state.current()
            _log.error(
                "model_refused", version_id=refusal.version_id, cause=refusal.cause,
                reason=str(refusal), still_serving=None if current is None else current.version_id,
            )  # fmt: skip

    def _swap(self, model: ServedModel[Bundle]) -> None:
        self._state.swap(model)
        self._refused.pop(model.version_id, None)
        self._telemetry.serving_model(
            model.name, model.version, model.version_id, model.created_at_ms
        )
        _log.info("model_swapped", name=model.name, version_id=model.version_id)
        try:
            self._on_swap()
        except OSError:
            _log.exception("current_not_written", version_id=model.version_id)

    def _serves(self, record: ModelRecord) -> bool:
        current = self._state.current()
        return current is not None and current.version == record.version

    def _write_audit(self, action: str, target: str, actor: str, outcome: str, detail: str) -> None:
        entry = AuditEntry(self._clock(), actor, f"model_{action}", target, outcome, detail)
        self._audit.append(entry)
