"""The one reader of the environment. docs/config.md is generated from this class."""

from __future__ import annotations

import os
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Any, Self

from pydantic import Field, model_validator
from pydantic_settings import (
    BaseSettings,
    DotEnvSettingsSource,
    EnvSettingsSource,
    SettingsConfigDict,
)

from settings_groups.audit import AuditSettings
from settings_groups.bus import Bus, BusSettings, bus_contradictions, insecure_bus, loopback
from settings_groups.experiments import ExperimentSettings
from settings_groups.rerank import RerankSettings
from settings_groups.retention import RetentionSettings, retention_contradictions
from settings_groups.topics import TopicSettings, insecure_topics, topic_contradictions
from settings_groups.training import TrainingSettings

PREFIX = "FAIRREEL_"
# With one of these an origin is taken as a pattern, and patterns match more than one thinks.
_PATTERN_CHARACTERS = frozenset("*\\?+^$[](){}|")


class Profile(StrEnum):
    """Development is open on 127.0.0.1; production refuses insecure values."""

    DEVELOPMENT = "development"
    PRODUCTION = "production"


class Settings(
    AuditSettings, BusSettings, ExperimentSettings, RerankSettings, RetentionSettings,
    TopicSettings, TrainingSettings, BaseSettings,
):
    """Each field is read from FAIRREEL_<NAME>, then from `.env`; unknown keys are refused."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_file=".env", extra="forbid", frozen=True,
        use_attribute_docstrings=True,
    )

    profile: Profile = Profile.DEVELOPMENT
    """`development` leaves client calls open on 127.0.0.1; `production` refuses insecure values."""

    # --- web server
    host: str = "127.0.0.1"
    """Address to listen on."""
    port: int = Field(default=5000, ge=1, le=65535)
    """Port to listen on."""
    blocking_threads: int = Field(default=32, ge=1, le=256)
    """Threads that answer requests: as many events can share one fsync, and as many connections are
    answered without waiting for a thread."""
    one_processor: bool = True
    """Run all threads of the web process on one processor, the one where other programs run least:
    handing Python's lock to another processor costs more than a second one gives. Linux only."""
    backpressure_requests: int = Field(default=512, ge=1)
    """Connections held at once, idle ones too; more wait until one is closed. Each takes a file
    descriptor."""
    header_read_timeout_s: float = Field(default=15, ge=0.1)
    """A connection that sends no whole request head for so long, an idle one too, is closed."""
    request_body_max_bytes: int = Field(default=1 << 20, ge=1024)
    """A larger body is answered with 413."""
    batch_lines_max: int = Field(default=10_000, ge=1)
    """Lines taken by one POST /events; at most `outbox_queue_max_events`."""
    cors_origins: list[str] = []
    """Origins that browsers may call from (JSON list); none by default, no `*` in production."""
    trusted_proxies: int = Field(default=0, ge=0, le=10)
    """Number of proxies in front whose X-Forwarded-For is believed; 0 ignores the header."""

    # --- limits
    rate_limit_per_minute: int = Field(default=100, ge=1)
    """Requests a minute and address."""
    rate_limit_blocked_after: int = Field(default=3, ge=1)
    """Minutes with an excess, within ten, after which an address is blocked."""
    rate_limit_block_s: int = Field(default=300, ge=1)
    """How long an address stays blocked."""
    limits_storage_url: str | None = Field(
        default=None, pattern="^(redis|rediss|redis\\+unix)://.+")
    """Redis that counts the requests of all replicas, `redis://...`; default: each counts its own.
    While it does not answer, requests are let through and counted in a metric."""
    ratings_per_hour: int | None = Field(default=None, ge=0)
    """Ratings an hour and account; default: 20 in production, none in development. 0: no limit,
    in development only."""

    # --- access
    visitor_pages: bool = True
    """Serve the pages for visitors; without them `/` leads to /docs."""
    client_keys_required: bool | None = None
    """Whether client calls need a key; default: yes in production, else only off 127.0.0.1. `false`
    is taken in development on 127.0.0.1 only."""

    session_secret_file: Path | None = None
    """File with the secret that signs the pages' cookies, the same for all replicas; default: made
    in the data folder."""
    session_s: int = Field(default=43_200, ge=60)
    """How long a login to the administrators' pages lasts."""
    cookies_secure: bool | None = None
    """Send the pages' cookies over HTTPS only; default: yes in production, no in development."""

    # --- data
    data_folder: Path = Path("data")
    """Folder of the databases, snapshots and keys."""
    store_url: str | None = None
    """URL of the event store: `sqlite:///<file>` or `postgresql+psycopg://<user>@<host>/<database>`;
    default: SQLite in the data folder."""
    log_url: str | None = None
    """URL of the outbox and embedded log; default: SQLite in the data folder. An embedded log
    belongs to one process; with Kafka replicas may share the outbox on PostgreSQL."""
    responses_url: str | None = None
    """URL of the response log; default: SQLite in the data folder. On PostgreSQL all three may be
    one database."""
    replicas: int = Field(default=1, ge=1, le=100)
    """Processes of this program on one store. Above 1, store and response log are on PostgreSQL,
    each answer looks whether another process changed the user's history, and one retrains."""
    snapshots_url: str | None = None
    """fsspec URL of the Parquet snapshots, as `s3://bucket/folder` (after `make install-extra`);
    default: a folder in the data folder."""
    snapshots_options: dict[str, Any] = {}
    """Options of fsspec's file system for that URL (JSON object), as `{"endpoint_url": "..."}` for
    s3. Credentials don't belong here: for s3 they come from AWS's own variables and files."""
    registry_folder: Path = Path("model_registry")
    """Folder of the model files."""
    outputs_folder: Path = Path("milestone5_outputs")
    """Folder of the reports."""
    signing_key_file: Path | None = None
    """Ed25519 private key (PEM) for model manifests; default: made in the data folder."""
    verify_key_files: list[Path] = []
    """Further Ed25519 public keys (PEM) whose signatures are accepted, for rotation."""
    catalogue_open: bool = True
    """Take events about unknown films (with a placeholder entry); else answer 404."""

    # --- events
    topic_partitions: int = Field(default=4, ge=1, le=1024)
    """Partitions of each topic."""
    outbox_queue_max_events: int = Field(default=20_000, ge=1)
    """Events waiting for their transaction; above it the answer is 503."""
    ingest_batch_max_events: int = Field(default=5_000, ge=1)
    """Records applied in one transaction."""
    ingest_linger_s: float = Field(default=0.1, ge=0)
    """Least time between two apply transactions under load: larger batches cost less."""
    response_log_queue_max: int = Field(default=20_000, ge=1)
    """Answers waiting to be logged; above it they are dropped and counted."""
    response_log_flush_s: float = Field(default=0.1, gt=0)
    """Most time an answer waits for the disk; what kill -9 can lose of the traces."""

    # --- serving
    kept_lists: bool = True
    """Keep a user's list until their next event or the next model; else compute each answer."""
    kept_users_max: int = Field(default=50_000, ge=0)
    """Users whose encoded history (and list) is kept in memory."""

    log_level: str = Field(default="INFO", pattern="^(DEBUG|INFO|WARNING|ERROR)$")
    """Least severe level written to the log (JSON lines on standard error)."""

    @model_validator(mode="before")
    @classmethod
    def _refuse_unknown_environment(cls, values: object) -> object:
        known = {PREFIX + name.upper() for name in cls.model_fields}
        unknown = sorted(k for k in os.environ if k.startswith(PREFIX) and k not in known)
        if unknown:
            raise ValueError(f"unknown settings in the environment: {', '.join(unknown)}")
        return values

    @model_validator(mode="after")
    def _refuse_what_does_not_go_together(self) -> Self:
        reasons = list(self._contradictions())
        if self.profile is Profile.PRODUCTION:
            reasons += self._insecure_in_production()
        elif self.client_keys_required is False and not self._local():
            reasons.append(f"client_keys_required: calls without a key are only taken on 127.0.0.1,"
                           f" ::1 or localhost, not on {self.host}")
        if reasons:
            raise ValueError("; ".join(reasons))
        return self

    def _contradictions(self) -> Iterator[str]:
        if self.replicas > 1:
            yield from self._unfit_for_replicas()
        if self.batch_lines_max > self.outbox_queue_max_events:
            yield (f"batch_lines_max: {self.batch_lines_max} lines would never fit into "
                   f"outbox_queue_max_events ({self.outbox_queue_max_events})")
        yield from bus_contradictions(self)
        yield from topic_contradictions(self, self)
        yield from retention_contradictions(self, self)

    def _unfit_for_replicas(self) -> Iterator[str]:
        for name, url in (("store_url", self.store()), ("responses_url", self.responses())):
            if url.startswith("sqlite"):
                yield f"{name}: {self.replicas} replicas need PostgreSQL, not SQLite"
        if self.bus is Bus.EMBEDDED and not self.log().startswith("sqlite"):
            yield (f"log_url: {self.replicas} replicas cannot share the embedded log; leave it "
                   "unset, then each has a log of its own in its data folder")

    def _insecure_in_production(self) -> Iterator[str]:
        yield from insecure_bus(self)
        yield from insecure_topics(self)
        if self.client_keys_required is False:
            yield "client_keys_required: production needs client keys"
        if self.ratings_per_hour == 0:
            yield "ratings_per_hour: production needs a limit"
        if self.cookies_secure is False:
            yield "cookies_secure: production sends cookies over HTTPS only"
        if self.replicas > 1:
            if self.log().startswith("sqlite"):
                yield ("replicas: each would count ratings_per_hour in its own log; in production "
                       "run one, or several with bus=kafka and log_url on one PostgreSQL")
            if self.limits_storage_url is None:
                yield "limits_storage_url: several replicas need one count of requests"
        for origin in self.cors_origins:
            if _PATTERN_CHARACTERS & set(origin):
                yield f"cors_origins: production needs exact origins, not {origin!r}"

    def _local(self) -> bool:
        """Whether only this machine can reach the port."""
        return loopback(self.host)

    def body_threads(self) -> int:
        """Threads that may wait for request bodies at once: three quarters, at least one."""
        return max(1, self.blocking_threads * 3 // 4)

    def store(self) -> str:
        """URL of the event store."""
        return self.store_url or f"sqlite:///{self.data_folder}/store.db"

    def log(self) -> str:
        """URL of the outbox and embedded log."""
        return self.log_url or f"sqlite:///{self.data_folder}/log.db"

    def responses(self) -> str:
        """URL of the response log."""
        return self.responses_url or f"sqlite:///{self.data_folder}/responses.db"

    def snapshots(self) -> str:
        """fsspec URL of the snapshots."""
        return self.snapshots_url or str(self.data_folder / "snapshots")

    def signing_key(self) -> Path:
        """File of the private key."""
        return self.signing_key_file or self.data_folder / "keys" / "signing.pem"

    def session_secret(self) -> Path:
        """File of the secret for cookies."""
        return self.session_secret_file or self.data_folder / "keys" / "session.secret"

    def cookies_over_https(self) -> bool:
        """Whether browsers send the cookies over HTTPS only."""
        if self.cookies_secure is not None:
            return self.cookies_secure
        return self.profile is Profile.PRODUCTION

    def limits_storage(self) -> str:
        """URI of a storage of the `limits` library."""
        return self.limits_storage_url or "window-memory://"

    def hourly_ratings(self) -> int | None:
        """Ratings an hour and account, None for no limit."""
        if self.ratings_per_hour is None:
            return 20 if self.profile is Profile.PRODUCTION else None
        return self.ratings_per_hour or None

    def client_keys(self) -> bool:
        """Whether client calls need a key."""
        if self.client_keys_required is not None:
            return self.client_keys_required
        return self.profile is Profile.PRODUCTION or not self._local()

    def effective(self) -> dict[str, object]:
        """What came out for the settings whose default depends on others."""
        return {
            "client_keys_required": self.client_keys(), "ratings_per_hour": self.hourly_ratings(),
            "cookies_secure": self.cookies_over_https(), "store_url": self.store(),
            "log_url": self.log(), "responses_url": self.responses(),
            "snapshots_url": self.snapshots(), "signing_key_file": self.signing_key(),
            "session_secret_file": self.session_secret(),
        }

    def sources(self) -> dict[str, str]:
        """Where each value comes from: default, environment, .env, or the code that made it."""
        environment = EnvSettingsSource(type(self))()
        file = DotEnvSettingsSource(type(self))()
        found = {}
        for name in type(self).model_fields:
            if name not in self.model_fields_set:
                found[name] = "default"
            elif name in environment:
                found[name] = "environment"
            else:
                found[name] = ".env" if name in file else "given by the program"
        return found
