"""Metrics as Prometheus reads them."""

from __future__ import annotations

from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from adapters.telemetry import PrometheusTelemetry
from recommender.ports import Telemetry
from recommender.types import TopicPartition
from tests.web_world import NOW_MS, Clock


def samples(telemetry: PrometheusTelemetry) -> dict[tuple[str, ...], float]:
    text = generate_latest(telemetry.registry).decode()
    return {
        (sample.name, *(f"{k}={v}" for k, v in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text) for sample in family.samples}


def test_every_metric_of_the_contract_is_there_under_its_name() -> None:
    made = PrometheusTelemetry(Clock())
    telemetry: Telemetry = made
    telemetry.request("/recommend", 200, 0.004)
    telemetry.recommendation("personal")
    telemetry.events_accepted(3)
    telemetry.events_applied(2)
    telemetry.events_duplicate(1)
    telemetry.events_dead_lettered(4)
    telemetry.freshness(0.2)
    telemetry.consumer_lag({TopicPartition("ratings", 1): 3, TopicPartition("ratings", 0): 2})
    telemetry.consumer_lag({TopicPartition("ratings", 1): 7})
    telemetry.outbox_depth(5)
    telemetry.serving_model("knn", 3, "20261121T003000Z", NOW_MS)
    telemetry.model_refused("signature")
    telemetry.training("published", 12.0)
    telemetry.gate_refusal("ndcg")
    telemetry.responses_dropped(6)
    telemetry.rate_limiter_failed()
    telemetry.body_refused()
    found = samples(made)
    assert found["reco_requests_total", "route=/recommend", "status=200"] == 1
    assert found["reco_request_seconds_sum", "route=/recommend"] == 0.004
    assert found["reco_recommendations_total", "kind=personal"] == 1
    assert found["reco_events_accepted_total",] == 3
    assert found["reco_events_applied_total",] == 2
    assert found["reco_events_duplicate_total",] == 1
    assert found["reco_events_dead_lettered_total",] == 4
    assert found["reco_event_freshness_seconds_count",] == 1
    assert found["reco_consumer_lag", "partition=1", "topic=ratings"] == 7
    assert ("reco_consumer_lag", "partition=0", "topic=ratings") not in found
    assert found["reco_outbox_depth",] == 5
    assert found["reco_model_info", "name=knn", "version=3", "version_id=20261121T003000Z"] == 1
    assert found["reco_model_refused_total", "cause=signature"] == 1
    assert found["reco_training_total", "outcome=published"] == 1
    assert found["reco_training_seconds_sum",] == 12
    assert found["reco_gate_refusals_total", "reason=ndcg"] == 1
    assert found["reco_response_log_dropped_total",] == 6
    assert found["reco_rate_limiter_failures_total",] == 1
    assert found["reco_request_bodies_refused_total",] == 1


def test_the_age_of_the_model_is_told_at_the_time_of_reading() -> None:
    clock = Clock()
    telemetry = PrometheusTelemetry(clock)
    telemetry.serving_model("knn", 1, "a", NOW_MS)
    clock.now_ms += 5_500
    assert samples(telemetry)["reco_model_age_seconds",] == 5.5


def test_before_the_first_model_there_is_neither_age_nor_info() -> None:
    found = samples(PrometheusTelemetry(Clock()))
    assert not [name for name, *_ in found if name.startswith("reco_model_")]


def test_only_the_newest_model_is_told() -> None:
    telemetry = PrometheusTelemetry(Clock())
    telemetry.serving_model("knn", 1, "a", NOW_MS)
    telemetry.serving_model("knn", 2, "b", NOW_MS)
    infos = [key for key in samples(telemetry) if key[0] == "reco_model_info"]
    assert infos == [("reco_model_info", "name=knn", "version=2", "version_id=b")]


def test_two_telemetries_do_not_share_counts() -> None:
    one, other = PrometheusTelemetry(Clock()), PrometheusTelemetry(Clock())
    one.events_accepted(1)
    assert samples(other)["reco_events_accepted_total",] == 0


def test_the_totals_of_traffic_are_those_of_all_routes() -> None:
    telemetry = PrometheusTelemetry(Clock())
    empty = telemetry.traffic()
    assert (empty.requests_below, empty.accepted, empty.applied) == ((0,), 0, 0)
    for route, seconds in (("/a", 0.0004), ("/a", 0.003), ("/b", 0.003), ("/b", 99.0)):
        telemetry.request(route, 200, seconds)
    telemetry.events_accepted(3)
    telemetry.events_applied(2)
    totals = telemetry.traffic()
    below = dict(zip(totals.bounds_s, totals.requests_below, strict=True))
    assert below[0.0005] == 1 and below[0.0025] == 1 and below[0.005] == 3 and below[10.0] == 3
    assert totals.bounds_s[-1] == float("inf") and totals.requests_below[-1] == 4
    assert (totals.accepted, totals.applied) == (3, 2)
