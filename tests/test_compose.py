"""docker-compose.yml is valid, pinned, and its values work: in servers started from packages."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing
from pathlib import Path
from xml.etree import ElementTree

import pytest

from adapters.kafka_holdings import kafka_holdings
from adapters.kafka_topics import all_topics
from benchmarks.program import RUN, Program
from commands.simulate import store_world
from composition import open_store
from events_composition import kafka_access, kafka_topic_names, open_kafka_bus
from fairreel import main
from recommender.topics import RATINGS
from recommender.types import Message
from settings import Settings
from tests.compose_file import ROOT, SECRETS, Moved, environment, services
from tests.kafka.jars import POM
from tests.postgres_server import USER, PostgresServer
from tests.redis_server import RedisServer
from tests.running_server import AT_MS, SMALL, soon

pytestmark = [
    pytest.mark.needs_tool("docker-compose"), pytest.mark.timeout(600),
]
NEEDS_KAFKA = pytest.mark.needs_tool("java", "mvn", "setpriv")
APPLICATIONS = ("app", "app-three-brokers", "app-sasl")
KAFKA = ("kafka", "kafka-1", "kafka-2", "kafka-3", "kafka-sasl")


@pytest.fixture(autouse=True)
def elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No `.env` of this folder."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as opened:
        yield opened


def image(service: str) -> tuple[str, str]:
    name, _, version = services()[service]["image"].partition(":")
    return name, version


def test_every_image_has_an_exact_version_and_every_server_a_health_check() -> None:
    for name, service in services().items():
        assert re.fullmatch(r"\d+\.\d+(\.\d+)?(-bookworm)?", image(name)[1]), name
        if name.startswith("kafka-setup"):
            assert service["command"][0] == "kafka-setup"
        else:
            assert service["healthcheck"]["test"][0] == "CMD", name
            assert service["restart"] == "unless-stopped"
        waited = [w["condition"] for w in service.get("depends_on", {}).values()]
        assert set(waited) <= {"service_healthy", "service_completed_successfully"}, name


def test_the_versions_are_those_that_the_tests_run() -> None:
    names = {"m": "http://maven.apache.org/POM/4.0.0"}
    (tested,) = ElementTree.parse(POM).findall(
        ".//m:dependency[m:artifactId='kafka_2.13']/m:version", names)
    assert {image(name) for name in KAFKA} == {("apache/kafka", tested.text)}
    dockerfile = (ROOT / "Dockerfile").read_text()
    assert re.search(r"^FROM python:3\.11\.\d+-slim-bookworm$", dockerfile, re.MULTILINE)
    assert {image(name)[0] for name in APPLICATIONS} == {"fairreel"}


def test_nothing_is_open_but_the_application_on_this_machine() -> None:
    for name, service in services().items():
        ports = service.get("ports", [])
        assert all(port.startswith("127.0.0.1:") for port in ports)
        assert bool(ports) == (name in APPLICATIONS)


@pytest.mark.parametrize("name", APPLICATIONS)
def test_the_settings_of_each_application_are_accepted(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for variable, value in environment(name).items():
        monkeypatch.setenv(variable, value)
    settings = Settings()
    assert settings.client_keys()
    assert settings.log().startswith("postgresql")
    setup = environment(name.replace("app", "kafka-setup"))
    own = {"FAIRREEL_KAFKA_USERNAME", "FAIRREEL_KAFKA_PASSWORD"} & setup.keys()
    assert {k: v for k, v in setup.items() if k not in own}.items() <= environment(name).items()


def test_the_image_has_every_package_of_the_program() -> None:
    kept = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines()
            if line.startswith("!")]
    assert all(list(ROOT.glob(name)) for name in kept)
    packages = {file.parent.name for file in ROOT.glob("*/__init__.py")}
    assert packages - {"benchmarks", "scripts", "tests"} <= set(kept)


@pytest.mark.needs_tool("redis-server", "initdb", "postgres", "setpriv", "java", "mvn")
def test_one_broker_with_postgresql_and_redis_as_the_file_has_them(
    tmp_path: Path, stack: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = PostgresServer(services()["postgres"]["command"][1:])
    stack.callback(database.remove)
    database.start()
    declared = environment("postgres")
    assert declared["POSTGRES_USER"] == USER
    with database.connect() as connection:
        connection.execute(f"CREATE DATABASE {declared['POSTGRES_DB']}")
    database.require_password(declared["POSTGRES_PASSWORD"])
    redis = RedisServer(services()["redis"]["command"][1:])
    stack.callback(redis.remove)
    redis.start()
    moved = Moved(tmp_path, {("postgres", 5432): database.port, ("redis", 6379): redis.port})
    stack.enter_context(moved.node("kafka"))
    set_up(monkeypatch, moved, "kafka-setup")
    values = moved.settings("app")
    monkeypatch.setenv("PGPASSWORD", environment("app")["PGPASSWORD"])
    with closing(open_store(read(monkeypatch, values))) as side:
        # Less than the demo world that a first start makes.
        store_world(SMALL, side.store, side.catalogue, side.imports, AT_MS)
    app = stack.enter_context(Program(values, tmp_path / "output", RUN).start(120))
    soon(lambda: app.ask("GET", "/ready").json() == {
        "status": "ready", "checks": dict.fromkeys(("store", "model", "bus", "outbox"), "ok")})
    body = {"user_id": "u1", "item_id": "m1", "rating": 4}
    assert app.ask("POST", "/rate", body).status == 200
    soon(lambda: app.metric("reco_events_applied_total") == 1)
    assert app.terminate() == 0


def read(monkeypatch: pytest.MonkeyPatch, values: Mapping[str, str]) -> Settings:
    """The settings of a process with this environment."""
    with monkeypatch.context() as context:
        for name, value in values.items():
            context.setenv(f"FAIRREEL_{name.upper()}", value)
        return Settings()


def set_up(monkeypatch: pytest.MonkeyPatch, moved: Moved, service: str) -> Settings:
    """Do what the service does once; the settings that it has."""
    values = moved.settings(service)
    with monkeypatch.context() as context:
        for name, value in values.items():
            context.setenv(f"FAIRREEL_{name.upper()}", value)
        assert main(services()[service]["command"]) == 0
    settings = read(monkeypatch, values)
    with closing(open_kafka_bus(settings)) as bus:
        assert bus.problem() is None
        assert len(bus.end_offsets([RATINGS])) == settings.topic_partitions
    return settings


@NEEDS_KAFKA
def test_three_brokers_keep_three_copies_and_one_of_them_may_die(
    tmp_path: Path, stack: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    moved = Moved(tmp_path)
    nodes = [moved.node(f"kafka-{number}") for number in (1, 2, 3)]
    for node in nodes:
        stack.callback(node.kill)
        node.launch()
    for node in nodes:
        node.wait()
    settings = set_up(monkeypatch, moved, "kafka-setup-three-brokers")
    assert (settings.kafka_replication_factor, settings.kafka_min_insync_replicas) == (3, 2)
    with closing(open_kafka_bus(settings)) as bus:
        messages = [Message(RATINGS, str(n), b"{}") for n in range(50)]
        bus.publish(messages)
        nodes[2].kill()
        bus.publish(messages)
        assert sum(bus.end_offsets([RATINGS]).values()) >= 100


@NEEDS_KAFKA
@pytest.mark.needs_tool("openssl")
def test_the_broker_with_logins_allows_the_program_what_was_granted_and_others_nothing(
    tmp_path: Path, stack: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificates = tmp_path / "all" / "certificates"
    subprocess.run([str(ROOT / "ops/kafka/make-certificates.sh"), str(certificates)], check=True,
                   capture_output=True)
    moved = Moved(tmp_path)
    script = (ROOT / "ops/kafka/start-with-users.sh").read_text()
    given = environment("kafka-sasl")
    users = {user: given[variable]
             for user, variable in re.findall(r"name=(\w+),password=\$(\w+)", script)}
    assert users == {"app": SECRETS["KAFKA_PASSWORD"],
                     "operator": SECRETS["KAFKA_OPERATOR_PASSWORD"]}
    properties = (ROOT / "ops/kafka/sasl.properties").read_text()
    stack.enter_context(moved.node("kafka-sasl", properties, {**users, "guest": "of-a-guest"}))
    set_up(monkeypatch, moved, "kafka-setup-sasl")
    values = moved.settings("app-sasl")
    with closing(open_kafka_bus(read(monkeypatch, values))) as bus:
        assert bus.problem() is None
        for topic in all_topics():
            bus.publish([Message(topic, "k", b"{}")])
        consumer = bus.consumer("ingest", [RATINGS])
        assert soon(lambda: consumer.poll(10, 0.5), 20)
        consumer.close()
    allowed = read(monkeypatch, values)
    topics = [kafka_topic_names(allowed).on_kafka(topic) for topic in all_topics()]
    held = kafka_holdings(kafka_access(allowed), topics, "k", AT_MS)
    assert {holding.topic for holding in held} == set(topics)
    assert all(holding.gone_by_ms is not None for holding in held)
    for user, password, told in (
        ("app", "wrong", "are user and password right?"),
        ("guest", "of-a-guest", "not allowed to DESCRIBE"),
    ):
        other = values | {"kafka_username": user, "kafka_password": password}
        with closing(open_kafka_bus(read(monkeypatch, other))) as bus:
            assert told in (bus.problem() or "")


def test_offsets_of_one_cluster_are_never_those_of_another() -> None:
    ids = {name: environment(name)["CLUSTER_ID"] for name in KAFKA}
    assert len({ids["kafka"], ids["kafka-1"], ids["kafka-sasl"]}) == 3
    assert ids["kafka-1"] == ids["kafka-2"] == ids["kafka-3"]
