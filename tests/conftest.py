"""Tests that need programs of the system say so; CI has them all and skips nothing."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

import pytest
from hypothesis import settings

from tests.databases_of_tests import KINDS, take_back_databases
from tests.kafka.broker import Broker
from tests.kafka.jars import class_path
from tests.kafka.registry import registry_jar, schema_registry_server
from tests.programs_of_system import find_program

# A shared machine may be slow for a moment; a law is not broken by that.
settings.register_profile("fairreel", deadline=None, print_blob=True)
settings.load_profile("fairreel")

_NEEDS = "needs "
_BROKER_NEEDS = ("java", "mvn", "setpriv")
_LONG = ("kafka", "browser", "tests/test_end_to_end.py", "tests/test_e2e_crash.py",
         "tests/test_commands.py", "tests/test_compose.py")


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
def kafka_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """One broker for the session, started by the first test that asks for it."""
    _need(_BROKER_NEEDS)
    with Broker(tmp_path_factory.mktemp("kafka")) as broker:
        yield broker


@pytest.fixture
def broker(kafka_broker: Broker) -> Broker:
    """The broker, running: started again should a test before have left it dead."""
    if not kafka_broker.runs():
        kafka_broker.start()
    return kafka_broker


@pytest.fixture(scope="session")
def registry_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """One schema registry for the session, started by the first test that asks for it."""
    _need(_BROKER_NEEDS)
    with schema_registry_server(tmp_path_factory.mktemp("registry")) as url:
        yield url


def pytest_runtest_setup(item: pytest.Item) -> None:
    for marker in item.iter_markers("needs_tool"):
        _need(marker.args)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Get the jars of broker and registry before a test waits for them: tests are bounded in
    time."""
    wanted = {name for item in session.items for name in getattr(item, "fixturenames", ())}
    if session.config.option.collectonly or _missing(_BROKER_NEEDS):
        return
    if "kafka_broker" in wanted:
        class_path()
    if "registry_url" in wanted:
        registry_jar()


def _missing(names: Sequence[str]) -> list[str]:
    return [name for name in names if find_program(name) is None]


def _need(names: Sequence[str]) -> None:
    if missing := _missing(names):
        pytest.skip(f"{_NEEDS}{', '.join(missing)}")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """For runs in several processes: which tests stay in one, the longest begun first."""
    groups = [_group(item) for item in items]
    for item, group in zip(items, groups, strict=True):
        item.add_marker(pytest.mark.xdist_group(group))
    order = sorted(range(len(items)), key=lambda at: groups[at] not in _LONG)
    items[:] = [items[at] for at in order]


def _group(item: pytest.Item) -> str:
    """Tests of one file, or all that share what takes long to start."""
    if "kafka_broker" in getattr(item, "fixturenames", ()):
        return "kafka"
    return "browser" if "tests/browser/" in item.nodeid else item.nodeid.partition("::")[0]


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item):  # type: ignore[no-untyped-def]
    """Under CI a skipped test is a failed one: what was not run was not shown to hold."""
    outcome = yield
    report = outcome.get_result()
    if report.skipped and in_ci() and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid}: skipped under CI: {reason}"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    reasons = [str(report.longrepr[2]).partition(_NEEDS)[2]
               for report in terminalreporter.stats.get("skipped", ())
               if isinstance(report.longrepr, tuple)]
    missing = {name for reason in reasons for name in reason.split(", ") if name}
    if missing:
        terminalreporter.write_line(
            f"NOT ALL TESTS RAN: install {', '.join(sorted(missing))}", red=True, bold=True
        )
