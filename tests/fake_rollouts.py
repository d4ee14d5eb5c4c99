"""Rollouts in memory, and all that experiments need of the web."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

from recommender.experiments.rollout import Rollout
from recommender.ports import AllowList


class InMemoryRollouts:
    """Oldest first."""

    def __init__(self, allow_list: AllowList | None = None) -> None:
        self._allow_list = allow_list
        self._kept: dict[str, Rollout] = {}

    def current(self) -> Rollout | None:
        return next((rollout for rollout in self._kept.values() if rollout.running), None)

    def find(self, name: str) -> Rollout | None:
        return self._kept.get(name)

    def all(self, limit: int = 100) -> list[Rollout]:
        return list(self._kept.values())[::-1][:limit]

    def start(self, rollout: Rollout) -> bool:
        if self.current() is not None:
            return False
        if rollout.name in self._kept:
            raise ValueError(f"the name {rollout.name} is taken")
        self._kept[rollout.name] = rollout
        return True

    def change(self, rollout: Rollout) -> bool:
        known = self._kept.get(rollout.name)
        if known is None or known.revision != rollout.revision - 1:
            return False
        self._kept[rollout.name] = replace(rollout, results=known.results)
        return True

    def promote(self, rollout: Rollout) -> bool:
        assert self._allow_list is not None
        known = self._kept.get(rollout.name)
        if known is None or known.revision != rollout.revision - 1:
            return False
        self._allow_list.serve(rollout.candidate, rollout.ended_at_ms or 0)
        return self.change(rollout)

    def note_results(self, name: str, results: Mapping[str, Any]) -> None:
        self._kept[name] = replace(self._kept[name], results=dict(results))


class InMemoryReports:
    """By name."""

    def __init__(self) -> None:
        self.written: dict[str, dict[str, Any]] = {}

    def write(self, name: str, report: Mapping[str, Any]) -> None:
        self.written[name] = dict(report)

    def read(self, name: str) -> dict[str, Any] | None:
        return self.written.get(name)


class InMemoryExperimentMetrics:
    """Keeps the last values."""

    def __init__(self) -> None:
        self.running: Rollout | None = None
        self.ended: list[str] = []
        self.means: dict[str, dict[str, float]] = {}
        self.success: dict[str, float] = {}
        self.shadowed = (0, 0, 0)
        self.drifted: dict[str, tuple[float, bool]] = {}

    def rollout(self, rollout: Rollout | None) -> None:
        self.running = rollout

    def rollout_ended(self, outcome: str) -> None:
        self.ended.append(outcome)

    def arms(self, means: Mapping[str, Mapping[str, float]]) -> None:
        self.means = {variant: dict(of) for variant, of in means.items()}

    def online_success(self, ratios: Mapping[str, float]) -> None:
        self.success = dict(ratios)

    def shadow(self, scored: int, shed: int, failed: int) -> None:
        before = self.shadowed
        self.shadowed = before[0] + scored, before[1] + shed, before[2] + failed

    def drift(self, effects: Mapping[str, float], drifted: Collection[str]) -> None:
        self.drifted = {test: (effect, test in drifted) for test, effect in effects.items()}
