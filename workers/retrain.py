"""The retrain job: one training child at a time, its progress, its outcome."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from threading import Lock, Thread
from typing import Any

import structlog

from recommender.ports import AuditLog, Telemetry
from recommender.retraining import TAIL_LINES, RetrainAnswer, RetrainStatus
from recommender.types import AuditEntry
from workers.audit import take_audit
from workers.child_process import ChildProcess, ChildResult

_log = structlog.get_logger(__name__)


class Retrainer:
    """Starts the training child on request; safe for many threads.

    Args:
        command: program and arguments of the child; `--reason=` and `--actor=` are appended.
        timeout_s: the child is ended after this time.
        clock: UTC milliseconds.
    """

    def __init__(
        self, command: Sequence[str], timeout_s: float, telemetry: Telemetry, audit: AuditLog,
        clock: Callable[[], int],
    ) -> None:  # fmt: skip
        self._command = tuple(command)
        self._timeout_s = timeout_s
        self._telemetry = telemetry
        self._audit = audit
        self._clock = clock
        self._lock = Lock()
        self._status = RetrainStatus()
        self._child: ChildProcess | None = None
        self._thread: Thread | None = None
        self._closed = False

    def request(self, reason: str, actor: str) -> RetrainAnswer:
        """Start a retrain unless one runs; returns at once.

        Raises:
            StoreUnavailable: the audit entry could not be written; nothing was started.
        """
        with self._lock:
            started = not self._status.running and not self._closed
            outcome = "started" if started else "already_running"
            self._audit.append(
                AuditEntry(self._clock(), actor, "retrain", "models", outcome, reason)
            )
            if started:
                self._start(reason, actor)
            return RetrainAnswer(started, self._status)

    def status(self) -> RetrainStatus:
        """What runs now, or how the last one ended."""
        return self._status

    def wait(self, timeout_s: float | None = None) -> RetrainStatus:
        """Wait for the running one to end, at most `timeout_s`."""
        thread = self._thread
        if thread is not None:
            thread.join(timeout_s)
        return self._status

    def stop(self) -> None:
        """End the running child, if there is one, and start no other."""
        with self._lock:
            self._closed = True
            child = self._child
        if child is not None:
            child.stop()
        self.wait()

    def _start(self, reason: str, actor: str) -> None:
        command = (*self._command, f"--reason={reason}", f"--actor={actor}")
        self._child = ChildProcess(command, self._timeout_s, self._take_line)
        self._status = RetrainStatus(True, reason, actor, self._clock())
        self._thread = Thread(target=self._run, args=(self._child,), name="retrain", daemon=True)
        self._thread.start()

    def _run(self, child: ChildProcess) -> None:
        began = time.monotonic()
        _log.info("retrain_started", reason=self._status.reason, actor=self._status.actor)
        outcome = "failed"
        try:
            outcome = outcome_of(child.run(), self._status.progress)
        except OSError:
            _log.exception("retrain_not_started")
        finally:
            seconds = round(time.monotonic() - began, 3)
            with self._lock:
                self._status = replace(
                    self._status,
                    running=False,
                    outcome=outcome,
                    seconds=seconds,
                    finished_at_ms=self._clock(),
                )
        self._telemetry.training(outcome, seconds)
        _log.info("retrain_finished", outcome=outcome, seconds=seconds)

    def _take_line(self, line: Mapping[str, Any]) -> None:
        tail = (*self._status.tail, line)[-TAIL_LINES:]
        self._status = replace(self._status, progress=line, tail=tail)
        if line.get("event") == "audit":
            take_audit(line, self._telemetry)
        if line.get("event") == "model" and line.get("passed") is False:
            for reason in line.get("refusals") or [line.get("reason")]:
                self._telemetry.gate_refusal(str(reason))
            _log.warning("model_refused_by_gate", **{k: v for k, v in line.items() if k != "event"})


def outcome_of(result: ChildResult, last_line: Mapping[str, Any]) -> str:
    """The word for how a retrain ended: who ended it, else what its last line says."""
    if result.ended_by is not None:
        return result.ended_by
    if last_line.get("event") == "finished" and "outcome" in last_line:
        return str(last_line["outcome"])
    return "failed"
