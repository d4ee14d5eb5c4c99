"""The drift job: a child compares, this process shows, and a drift starts a retrain."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from threading import Lock
from typing import Any

import structlog

from recommender.ports.experiments import ExperimentMetrics
from workers.child_process import ChildProcess

_log = structlog.get_logger(__name__)
ACTOR = "drift"


class DriftFailed(Exception):
    """The child did not end well; the scheduler logs it and the next run tries again."""


class DriftJob:
    """Runs the child, and asks for a retrain when something drifted, not too often.

    Args:
        command: program and arguments of the child; its last line is the report.
        timeout_s: the child is ended after this time.
        retrain: asks for a retrain by (reason, actor).
        newest_model_ms: when the newest model was made, UTC ms; None without one.
        pause_s: least time since the newest model; a drift found earlier is told, no more.
        clock: UTC milliseconds.
    """

    def __init__(
        self, command: Sequence[str], timeout_s: float, metrics: ExperimentMetrics,
        retrain: Callable[[str, str], object], newest_model_ms: Callable[[], int | None],
        pause_s: float, clock: Callable[[], int],
    ) -> None:  # fmt: skip
        self._command = tuple(command)
        self._timeout_s = timeout_s
        self._metrics = metrics
        self._retrain = retrain
        self._newest_model_ms = newest_model_ms
        self._pause_s = pause_s
        self._clock = clock
        self._lock = Lock()
        self._child: ChildProcess | None = None
        self._report: Mapping[str, Any] = {}
        self._closed = False

    def run(self) -> None:
        """Compare once; does nothing after `stop`.

        Raises:
            DriftFailed: the child failed or was ended.
            StoreUnavailable: the retrain could not be asked for.
        """
        with self._lock:
            if self._closed:
                return
            self._report = {}
            child = self._child = ChildProcess(self._command, self._timeout_s, self._take)
        result = child.run()
        if result.ended_by is not None or result.exit_code != 0 or not self._report:
            raise DriftFailed(f"exit code {result.exit_code}, ended by {result.ended_by}")
        self.judge(self._report)

    def judge(self, report: Mapping[str, Any]) -> bool:
        """Show a report; True when it led to a retrain."""
        drifted = list(report["drifted"])
        self._metrics.drift({test["name"]: test["effect"] for test in report["tests"]}, drifted)
        if not drifted:
            return False
        _log.warning("drift_found", tests=drifted)
        newest_ms = self._newest_model_ms()
        if newest_ms is not None and self._clock() - newest_ms < self._pause_s * 1000:
            _log.info("drift_retrain_left_out", since_the_newest_model_s=(
                self._clock() - newest_ms) // 1000, pause_s=self._pause_s)
            return False
        self._retrain(f"drift: {', '.join(drifted)}", ACTOR)
        return True

    def stop(self) -> None:
        """End a running child and start no other."""
        with self._lock:
            self._closed = True
            child = self._child
        if child is not None:
            child.stop()

    def _take(self, line: Mapping[str, Any]) -> None:
        if "tests" in line:
            self._report = line
