"""Metrics of experiments and drift in the Prometheus registry (`ports.ExperimentMetrics`)."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge

from recommender.experiments.rollout import Rollout, RolloutEnd


class PrometheusExperimentMetrics:
    """Adds to a registry that others fill too."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._rollout = Gauge(
            "reco_rollout_percentage", "Users (in shadow: requests) of the candidate",
            ("strategy", "name", "candidate"), registry=registry)
        self._ended = Counter(
            "reco_rollouts_ended_total", "Rollouts ended", ("outcome",), registry=registry)
        for outcome in RolloutEnd:
            # A counter that begins at 1 has not increased for Prometheus.
            self._ended.labels(outcome.value)
        self._arms = Gauge(
            "reco_rollout_arm", "Means of the arms of the running rollout since its step began",
            ("variant", "metric"), registry=registry)
        self._success = Gauge(
            "reco_online_success_ratio", "Answers of which a film was watched within the window",
            ("model_version",), registry=registry)
        self._shadow = Counter(
            "reco_shadow_requests_total", "Requests that the candidate of a shadow was asked too",
            ("result",), registry=registry)
        self._drift = Gauge(
            "reco_drift", "Effect size of each drift test", ("test",), registry=registry)
        self._drifted = Gauge(
            "reco_drifted", "1 where a drift test found a drift", ("test",), registry=registry)

    def rollout(self, rollout: Rollout | None) -> None:
        """As `ports.ExperimentMetrics.rollout`."""
        self._rollout.clear()
        if rollout is not None:
            labels = rollout.strategy.value, rollout.name, rollout.candidate
            self._rollout.labels(*labels).set(rollout.percentage)

    def rollout_ended(self, outcome: str) -> None:
        """As `ports.ExperimentMetrics.rollout_ended`."""
        self._ended.labels(outcome).inc()

    def arms(self, means: Mapping[str, Mapping[str, float]]) -> None:
        """As `ports.ExperimentMetrics.arms`."""
        self._arms.clear()
        for variant, metrics in means.items():
            for metric, mean in metrics.items():
                self._arms.labels(variant, metric).set(mean)

    def online_success(self, ratios: Mapping[str, float]) -> None:
        """As `ports.ExperimentMetrics.online_success`."""
        self._success.clear()
        for version, ratio in ratios.items():
            self._success.labels(version).set(ratio)

    def shadow(self, scored: int, shed: int, failed: int) -> None:
        """As `ports.ExperimentMetrics.shadow`."""
        for result, count in (("scored", scored), ("shed", shed), ("failed", failed)):
            self._shadow.labels(result).inc(count)

    def drift(self, effects: Mapping[str, float], drifted: Collection[str]) -> None:
        """As `ports.ExperimentMetrics.drift`."""
        self._drift.clear()
        self._drifted.clear()
        for test, effect in effects.items():
            self._drift.labels(test).set(effect)
            self._drifted.labels(test).set(test in drifted)
