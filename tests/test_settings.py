"""What the settings refuse together."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from settings import Settings


@pytest.fixture(autouse=True)
def elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No `.env` of this folder."""
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(("name", "value"), [
    ("client_keys_required", False),
    ("ratings_per_hour", 0),
    ("cors_origins", ["*"]),
    ("cors_origins", ["https://shop.example", "https://*.example"]),
    ("cors_origins", ["https://.+"]),
])
def test_production_refuses_what_is_insecure_and_names_it(name: str, value: Any) -> None:
    with pytest.raises(ValidationError, match=name):
        Settings(profile="production", **{name: value})


def test_production_names_everything_at_once() -> None:
    with pytest.raises(ValidationError, match=r"client_keys_required.*ratings_per_hour.*cors_or"):
        Settings(profile="production", client_keys_required=False, ratings_per_hour=0,
                 cors_origins=["*"])


def test_production_takes_exact_origins_a_limit_and_sqlite() -> None:
    settings = Settings(profile="production", host="0.0.0.0", ratings_per_hour=5,
                        cors_origins=["https://shop.example:8443"])
    assert settings.client_keys() and settings.hourly_ratings() == 5
    assert settings.store().startswith("sqlite:")
    assert Settings(profile="production").hourly_ratings() == 20


def test_the_same_values_are_taken_in_development() -> None:
    settings = Settings(client_keys_required=False, ratings_per_hour=0, cors_origins=["*"])
    assert not settings.client_keys() and settings.hourly_ratings() is None


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.7", "fairreel.example"])
def test_development_off_this_machine_needs_client_keys(host: str) -> None:
    assert Settings(host=host).client_keys()
    assert Settings(host=host, client_keys_required=True).client_keys()
    with pytest.raises(ValidationError, match="client_keys_required"):
        Settings(host=host, client_keys_required=False)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "::1", "localhost"])
def test_development_on_this_machine_needs_none(host: str) -> None:
    assert not Settings(host=host).client_keys()
    assert not Settings(host=host, client_keys_required=False).client_keys()
    assert Settings(host=host, client_keys_required=True).client_keys()


POSTGRESQL = "postgresql+psycopg://fairreel@db/fairreel"


def replicas(**changes: Any) -> Settings:
    return Settings(**{"replicas": 2, "store_url": POSTGRESQL, "responses_url": POSTGRESQL,
                       **changes})


def test_replicas_need_a_store_that_they_can_share_and_logs_of_their_own() -> None:
    settings = replicas()
    assert settings.store() == settings.responses() == POSTGRESQL
    assert settings.log().startswith("sqlite:")
    with pytest.raises(ValidationError, match="store_url: 2 replicas need PostgreSQL"):
        replicas(store_url=None)
    with pytest.raises(ValidationError, match="responses_url: 2 replicas need PostgreSQL"):
        replicas(responses_url="sqlite:///shared.db")
    with pytest.raises(ValidationError, match="log_url: 2 replicas cannot share the embedded log"):
        replicas(log_url=POSTGRESQL)
    assert Settings(log_url=POSTGRESQL).log() == POSTGRESQL


def test_in_production_replicas_are_refused_while_each_has_a_log_of_its_own() -> None:
    with pytest.raises(ValidationError, match=r"replicas: .*ratings_per_hour.*limits_storage_url"):
        replicas(profile="production")


def test_replicas_with_kafka_may_share_the_outbox_and_with_it_the_hourly_ratings() -> None:
    safe = {"bus": "kafka", "limits_storage_url": "redis://cache"}
    assert replicas(**safe, log_url=POSTGRESQL, profile="production").log() == POSTGRESQL
    with pytest.raises(ValidationError, match=r"replicas: .*ratings_per_hour.*one PostgreSQL"):
        replicas(**safe, profile="production")


@pytest.mark.parametrize("url", ["redis://cache:6379/0", "rediss://:secret@cache/1",
                                 "redis+unix:///run/redis.sock"])
def test_limits_are_counted_in_redis_when_it_is_named(url: str) -> None:
    assert Settings(limits_storage_url=url).limits_storage() == url
    assert Settings().limits_storage() == "window-memory://"


@pytest.mark.parametrize("url", ["memory://", "memcached://cache", "redis:", "cache:6379"])
def test_other_storages_of_limits_are_refused(url: str) -> None:
    with pytest.raises(ValidationError, match="limits_storage_url"):
        Settings(limits_storage_url=url)


def test_a_batch_that_would_never_fit_into_the_queue_is_refused() -> None:
    assert Settings(batch_lines_max=50, outbox_queue_max_events=50).batch_lines_max == 50
    with pytest.raises(ValidationError, match=r"batch_lines_max: 51 .* outbox_queue_max_events"):
        Settings(batch_lines_max=51, outbox_queue_max_events=50)
    with pytest.raises(ValidationError, match="outbox_queue_max_events"):
        Settings(outbox_queue_max_events=9_999)


KAFKA = {"bus": "kafka", "kafka_bootstrap_servers": ["kafka.example:9092"]}
LOGIN = {"kafka_username": "app", "kafka_password": "secret"}


@pytest.mark.parametrize("protocol", ["PLAINTEXT", "SASL_PLAINTEXT"])
def test_production_sends_nothing_unencrypted_to_another_machine(protocol: str) -> None:
    values: dict[str, Any] = {**KAFKA, **LOGIN, "kafka_security_protocol": protocol}
    with pytest.raises(ValidationError, match=r"kafka_security_protocol: .*kafka\.example:9092"):
        Settings(profile="production", **values)
    assert Settings(**values).bus == "kafka"
    near = {**values, "kafka_bootstrap_servers": ["127.0.0.1:9092", "[::1]:9092", "localhost:1"]}
    assert Settings(profile="production", **near).bus == "kafka"
    for encrypted in ("SSL", "SASL_SSL"):
        Settings(profile="production", **{**values, "kafka_security_protocol": encrypted})
    Settings(profile="production", **{**values, "bus": "embedded"})


@pytest.mark.parametrize(("values", "named"), [
    ({"kafka_bootstrap_servers": []}, "kafka_bootstrap_servers"),
    ({"kafka_security_protocol": "SASL_SSL"}, "kafka_username, kafka_password"),
    ({"kafka_security_protocol": "SASL_SSL", "kafka_username": "app"}, "kafka_password"),
    ({"kafka_certificate_file": "c.pem"}, "kafka_key_file"),
    ({"kafka_min_insync_replicas": 2}, "kafka_min_insync_replicas"),
    ({"kafka_topic_names": {"rating": "x"}}, "no topic 'rating'"),
    ({"kafka_topic_names": {"ratings": "a b"}}, "'a b' is no name"),
    ({"kafka_topic_names": {"ratings": "watch-events"}}, "2 topics are called 'watch-events'"),
])
def test_what_cannot_work_with_kafka_is_named(values: dict[str, Any], named: str) -> None:
    with pytest.raises(ValidationError, match=named):
        Settings(**{**KAFKA, **values})


def test_a_password_does_not_show_when_settings_are_printed() -> None:
    login = {**LOGIN, "kafka_password": "open-sesame", "kafka_security_protocol": "SASL_SSL"}
    settings = Settings(**{**KAFKA, **login})
    assert "open-sesame" not in repr(settings) and "open-sesame" not in str(settings)
