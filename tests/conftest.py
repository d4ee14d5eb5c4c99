"""Tests that need programs of the system say so; CI has them all and skips nothing."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

import pytest
from hypothesis import settings

from tests.databases_of_tests import KINDS, take_back_databases
from tests.kafka.broker import Broker
from tests.programs_of_system import find_program

# A shared machine may be slow for a moment; a law is not broken by that.
settings.register_profile("fairreel", deadline=None, print_blob=True)
settings.load_profile("fairreel")

_MISSING = pytest.StashKey[set[str]]()


def in_ci() -> bool:
    return os.environ.get("CI", "").lower() in ("1", "true", "yes")


@pytest.fixture(autouse=True)
def databases_taken_back() -> Iterator[None]:
    yield
    take_back_databases()


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    """Each kind of database: the test runs once on each."""
    return str(request.param)


@pytest.fixture(scope="session")
def kafka_broker(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Broker]:
    """One broker for the session, started by the first test that asks for it."""
    _need(request.config, ("java", "mvn", "setpriv"))
    with Broker(tmp_path_factory.mktemp("kafka")) as broker:
        yield broker


@pytest.fixture
def broker(kafka_broker: Broker) -> Broker:
    """The broker, running: started again should a test before have left it dead."""
    if not kafka_broker.runs():
        kafka_broker.start()
    return kafka_broker


def pytest_runtest_setup(item: pytest.Item) -> None:
    for marker in item.iter_markers("needs_tool"):
        _need(item.config, marker.args)


def _need(config: pytest.Config, names: Sequence[str]) -> None:
    missing = [name for name in names if find_program(name) is None]
    if missing:
        config.stash.setdefault(_MISSING, set()).update(missing)
        pytest.skip(f"needs {', '.join(missing)}")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item):  # type: ignore[no-untyped-def]
    """Under CI a skipped test is a failed one: what was not run was not shown to hold."""
    outcome = yield
    report = outcome.get_result()
    if report.skipped and in_ci() and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid}: skipped under CI: {reason}"


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    missing = config.stash.get(_MISSING, set())
    if missing:
        terminalreporter.write_line(
            f"NOT ALL TESTS RAN: install {', '.join(sorted(missing))}", red=True, bold=True
        )
