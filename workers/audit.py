"""The audit job: a child audits what was answered and tells the gauges."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from threading import Lock
from typing import Any

import structlog

from recommender.ports import AuditGauge, Telemetry
from workers.child_process import ChildProcess

_log = structlog.get_logger(__name__)
_UNUSABLE = 2


class AuditFailed(Exception):
    """The child did not end well; the scheduler logs it and the next run tries again."""


class DroppedAnswers:
    """How many answers of a window were dropped, from a count that only grows.

    Args:
        total: answers dropped since the start.
        window_ms: length of the window in ms.
    """

    def __init__(self, total: Callable[[], int], window_ms: int) -> None:
        self._total = total
        self._window_ms = window_ms
        self._seen: deque[tuple[int, int]] = deque([(0, 0)])

    def within(self, now_ms: int) -> int:
        """Dropped since the last look before the window began."""
        total = self._total()
        self._seen.append((now_ms, total))
        while len(self._seen) > 1 and self._seen[1][0] <= now_ms - self._window_ms:
            self._seen.popleft()
        return total - self._seen[0][1]


class AuditJob:
    """Runs the audit child and waits for it.

    Args:
        command: program and arguments of the child; `--dropped=` is appended.
        timeout_s: the child is ended after this time.
        clock: UTC milliseconds.
    """

    def __init__(
        self, command: Sequence[str], timeout_s: float, dropped: DroppedAnswers,
        telemetry: Telemetry, clock: Callable[[], int],
    ) -> None:  # fmt: skip
        self._command = tuple(command)
        self._timeout_s = timeout_s
        self._dropped = dropped
        self._telemetry = telemetry
        self._clock = clock
        self._lock = Lock()
        self._child: ChildProcess | None = None
        self._closed = False

    def run(self) -> None:
        """Audit; does nothing after `stop`.

        Raises:
            AuditFailed: the child failed or was ended.
        """
        command = (*self._command, f"--dropped={self._dropped.within(self._clock())}")
        with self._lock:
            if self._closed:
                return
            child = self._child = ChildProcess(command, self._timeout_s, self._take_line)
        result = child.run()
        if result.ended_by == "stop" or (result.ended_by is None
                                         and result.exit_code in (0, _UNUSABLE)):
            return
        raise AuditFailed(f"exit code {result.exit_code}, ended by {result.ended_by}")

    def stop(self) -> None:
        """End a running child and start no other."""
        with self._lock:
            self._closed = True
            child = self._child
        if child is not None:
            child.stop()

    def _take_line(self, line: Mapping[str, Any]) -> None:
        if line.get("event") == "audit":
            take_audit(line, self._telemetry)
            ended_s = self._clock() / 1000
            self._telemetry.audited([AuditGauge("reco_audit_time_seconds", {}, ended_s)])
            _log.info("audit", lists=line["lists"], answers=line["answers"],
                      left_out=line["left_out"])


def take_audit(line: Mapping[str, Any], telemetry: Telemetry) -> None:
    """Hand the gauges of a child's line to the telemetry, and warn of what is not met."""
    telemetry.audited([AuditGauge(*gauge) for gauge in line["gauges"]])
    failed = [name for name, status in line["statuses"].items() if status == "FAIL"]
    if failed:
        _log.warning("requirements_not_met", requirements=failed, model=line.get("model"))
