"""Metrics in a Prometheus registry of their own, named as the API contract has them."""

from __future__ import annotations

import math
from collections import Counter as Counted
from collections.abc import Callable, Iterator, Mapping, Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from recommender.ports import AuditGauge
from recommender.traffic import TrafficTotals
from recommender.types import TopicPartition

_REQUEST_BUCKETS_S = (
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
)
_FRESHNESS_BUCKETS_S = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0, 600.0)
_TRAINING_BUCKETS_S = (0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 60.0, 180.0, 600.0, 1800.0)

_AUDIT_GAUGES = (
    ("reco_exposure_gini", "Inequality of exposure, over the catalogue or the shown films",
     ("variant", "scope")),
    ("reco_catalog_coverage", "Share of the active catalogue that is shown", ("variant",)),
    ("reco_tail_share", "Exposure outside the 10 % most shown films", ("variant",)),
    ("reco_top_share", "Exposure of the 10 % most shown films", ("variant",)),
    ("reco_intra_list_diversity", "1 - mean Jaccard similarity of genres in a list", ("variant",)),
    ("reco_audit_lists", "Lists that the newest audit counted", ("variant",)),
    ("reco_requirement_passed", "1 where a requirement is met, 0 where it fails",
     ("variant", "requirement")),
    ("reco_starvation_index", "Share of the catalogue never shown in the audited window", ()),
    ("reco_echo_slope", "Rise of the Gini from window to window", ()),
    ("reco_echo_flagged", "1 when that rise is an echo", ()),
    ("reco_audit_time_seconds", "When the newest audit ended, in seconds since 1970", ()),
    ("reco_flagged_users", "People with more than mean + 3 sd events", ()),
)


class PrometheusTelemetry:
    """Implements `recommender.ports.Telemetry`; `registry` is what /metrics shows.

    Children of labelled metrics are kept in dictionaries: `labels()` takes a lock and costs
    more than the increment.
    """

    def __init__(self, now_ms: Callable[[], int]) -> None:
        self.registry = CollectorRegistry()
        self._model = _ServedModelCollector(now_ms)
        self.registry.register(self._model)
        self._requests = self._counter(
            "reco_requests_total", "Requests answered", "route", "status")
        self._seconds = self._histogram(
            "reco_request_seconds", "Time to answer a request", _REQUEST_BUCKETS_S, "route")
        self._request_children: dict[tuple[str, int], tuple[Counter, Histogram]] = {}
        self._recommendations = self._counter(
            "reco_recommendations_total", "Lists answered, by kind", "kind")
        self._recommendation_children: dict[str, Counter] = {}
        self._accepted = self._counter("reco_events_accepted_total", "Events taken and on disk")
        self._applied = self._counter("reco_events_applied_total", "Events applied to the state")
        self._duplicate = self._counter(
            "reco_events_duplicate_total", "Events seen before, at the door or at application")
        self._dead_lettered = self._counter(
            "reco_events_dead_lettered_total", "Records that could not be applied")
        self._freshness = self._histogram(
            "reco_event_freshness_seconds", "From acceptance to application of an event",
            _FRESHNESS_BUCKETS_S)
        self._lag = self._gauge(
            "reco_consumer_lag", "Records not yet applied", "topic", "partition")
        self._lagging: set[TopicPartition] = set()
        self._outbox_depth = self._gauge("reco_outbox_depth", "Events waiting in the outbox")
        self._relay_backlog = self._gauge(
            "reco_relay_backlog", "Accepted events that the outer bus has not acknowledged")
        self._redelivered = self._counter(
            "reco_events_redelivered_total", "Events sent to the outer bus again")
        self._refused = self._counter(
            "reco_model_refused_total", "Model files refused before loading", "cause")
        self._trainings = self._counter("reco_training_total", "Retrains ended", "outcome")
        self._training_seconds = self._histogram(
            "reco_training_seconds", "Time of a retrain", _TRAINING_BUCKETS_S)
        self._gate_refusals = self._counter(
            "reco_gate_refusals_total", "Trained models that the gate refused", "reason")
        self._audits = {name: self._gauge(name, about, *labels)
                        for name, about, labels in _AUDIT_GAUGES}
        self._dropped = self._counter(
            "reco_response_log_dropped_total", "Answers not logged: the queue was full")
        self._bodies_refused = self._counter(
            "reco_request_bodies_refused_total",
            "Requests answered 503: too many bodies were on their way")
        self._trimmed = self._counter(
            "reco_rows_trimmed_total", "Rows removed, kept long enough", "kind")
        self._limiter_failures = self._counter(
            "reco_rate_limiter_failures_total", "Requests let through: the limiter failed")

    def request(self, route: str, status: int, seconds: float) -> None:
        """Count an answer and its time."""
        children = self._request_children.get((route, status))
        if children is None:
            children = (
                self._requests.labels(route, str(status)),
                self._seconds.labels(route),
            )
            self._request_children[route, status] = children
        children[0].inc()
        children[1].observe(seconds)

    def recommendation(self, kind: str) -> None:
        """Count a list answered."""
        child = self._recommendation_children.get(kind)
        if child is None:
            child = self._recommendation_children[kind] = self._recommendations.labels(kind)
        child.inc()

    def events_accepted(self, count: int) -> None:
        """Count events taken."""
        self._accepted.inc(count)

    def events_applied(self, count: int) -> None:
        """Count events applied."""
        self._applied.inc(count)

    def events_duplicate(self, count: int) -> None:
        """Count events seen before."""
        self._duplicate.inc(count)

    def events_dead_lettered(self, count: int) -> None:
        """Count dead letters."""
        self._dead_lettered.inc(count)

    def freshness(self, seconds: float) -> None:
        """Note how long an event took from acceptance to application."""
        self._freshness.observe(seconds)

    def consumer_lag(self, behind: Mapping[TopicPartition, int]) -> None:
        """Set how many records of each partition wait; those of other readers are not shown."""
        for left in self._lagging - behind.keys():
            self._lag.remove(left.topic, str(left.partition))
        self._lagging = set(behind)
        for place, records in behind.items():
            self._lag.labels(place.topic, str(place.partition)).set(records)

    def relay_backlog(self, events: int) -> None:
        """Set how many events wait to be relayed."""
        self._relay_backlog.set(events)

    def events_redelivered(self, count: int) -> None:
        """Count events sent again."""
        self._redelivered.inc(count)

    def outbox_depth(self, events: int) -> None:
        """Set how many events wait in the outbox."""
        self._outbox_depth.set(events)

    def serving_model(self, name: str, version: int, version_id: str, created_at_ms: int) -> None:
        """Tell which model serves from now on."""
        self._model.served = (name, version, version_id, created_at_ms)

    def model_refused(self, cause: str) -> None:
        """Count a model file refused."""
        self._refused.labels(cause).inc()

    def training(self, outcome: str, seconds: float) -> None:
        """Count a retrain and its time."""
        self._trainings.labels(outcome).inc()
        self._training_seconds.observe(seconds)

    def gate_refusal(self, reason: str) -> None:
        """Count a refusal of the gate."""
        self._gate_refusals.labels(reason).inc()

    def audited(self, gauges: Sequence[AuditGauge]) -> None:
        """Set what an audit found."""
        for gauge in gauges:
            family = self._audits[gauge.name]
            (family.labels(**gauge.labels) if gauge.labels else family).set(gauge.value)

    def responses_dropped(self, count: int) -> None:
        """Count answers that were not logged."""
        self._dropped.inc(count)

    def body_refused(self) -> None:
        """Count a request refused because too many bodies were on their way."""
        self._bodies_refused.inc()

    def rows_trimmed(self, kind: str, count: int) -> None:
        """Count rows removed for their age."""
        self._trimmed.labels(kind).inc(count)

    def rate_limiter_failed(self) -> None:
        """Count a request that passed because the limiter could not count it."""
        self._limiter_failures.inc()

    def traffic(self) -> TrafficTotals:
        """What was counted so far, over all routes; reads the metrics, changes none."""
        below: Counted[float] = Counted()
        for metric in self._seconds.collect():
            for sample in metric.samples:
                if sample.name.endswith("_bucket"):
                    below[float(sample.labels["le"])] += int(sample.value)
        bounds_s = tuple(sorted(below))
        return TrafficTotals(
            bounds_s or (math.inf,), tuple(below[bound] for bound in bounds_s) or (0,),
            int(_value(self._accepted)), int(_value(self._applied)),
        )  # fmt: skip

    def _counter(self, name: str, about: str, *labels: str) -> Counter:
        return Counter(name, about, labels, registry=self.registry)

    def _gauge(self, name: str, about: str, *labels: str) -> Gauge:
        return Gauge(name, about, labels, registry=self.registry)

    def _histogram(
        self, name: str, about: str, buckets: tuple[float, ...], *labels: str
    ) -> Histogram:
        return Histogram(name, about, labels, registry=self.registry, buckets=buckets)


def _value(counter: Counter) -> float:
    samples = (sample for metric in counter.collect() for sample in metric.samples)
    return sum(sample.value for sample in samples if sample.name.endswith("_total"))


class _ServedModelCollector(Collector):
    """Info and age of the served model, both from one value; nothing before the first model."""

    def __init__(self, now_ms: Callable[[], int]) -> None:
        self._now_ms = now_ms
        self.served: tuple[str, int, str, int] | None = None

    def collect(self) -> Iterator[Metric]:
        info = GaugeMetricFamily(
            "reco_model_info", "The served model", labels=("name", "version", "version_id"))
        age = GaugeMetricFamily("reco_model_age_seconds", "Since the served model was trained")
        served = self.served
        if served is not None:
            name, version, version_id, created_at_ms = served
            info.add_metric((name, str(version), version_id), 1)
            age.add_metric((), (self._now_ms() - created_at_ms) / 1000)
        yield info
        yield age
