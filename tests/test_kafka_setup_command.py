"""`fairreel kafka-setup` makes the topics; a second call finds them made."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from commands.outcome import EXIT_FAILED, EXIT_UNUSABLE
from fairreel import main
from tests.kafka.broker import Broker
from tests.kafka.cluster import Namespace


@pytest.fixture(autouse=True)
def elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No `.env` of this folder."""
    monkeypatch.chdir(tmp_path)


def use(monkeypatch: pytest.MonkeyPatch, **settings: str) -> None:
    for name, value in settings.items():
        monkeypatch.setenv(f"FAIRREEL_{name.upper()}", value)


def test_all_topics_are_made_and_the_bus_has_nothing_to_complain_of(
    broker: Broker, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    space = Namespace(broker)
    use(monkeypatch, bus="kafka", kafka_bootstrap_servers=json.dumps([broker.address]),
        kafka_topic_prefix=space.prefix, topic_partitions="2", kafka_retention_hours="0")
    assert main(["kafka-setup", "--json"]) == 0
    made = json.loads(capsys.readouterr().out)
    assert len(made) == 10 and all(topic["changed"] for topic in made)
    assert space.bus().problem() is None
    assert len(space.bus().end_offsets(["ratings"])) == 2
    assert main(["kafka-setup"]) == 0
    assert capsys.readouterr().out.count("as planned") == 10
    space.close()


def test_a_broker_that_is_away_is_one_line_and_exit_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    use(monkeypatch, bus="kafka", kafka_bootstrap_servers='["127.0.0.1:1"]')
    assert main(["kafka-setup"]) == EXIT_FAILED
    assert "ECONNREFUSED" in capsys.readouterr().err


def test_without_kafka_as_bus_there_is_nothing_to_set_up(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["kafka-setup"]) == EXIT_UNUSABLE
    assert "bus" in capsys.readouterr().err
