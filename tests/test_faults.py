"""The faults of `make faults`, small: nothing is lost, nothing is applied twice."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from benchmarks.fault_kinds import FAKETIME, FAULTS, Measure
from benchmarks.fault_site import FaultSite
from benchmarks.faults import run_fault
from benchmarks.small_disk import SmallDisk
from tests.kafka.broker import Broker

pytestmark = pytest.mark.timeout(600)
EVENTS = 600
SMALL = Measure(
    kills=1, outage_s=6.0, clock_s=3.0, rebalance_s=2.0, rebalances=2, drained_s=200.0)
DELIVERY_S = 3.0
"""Shorter than the outage: the producer is given up in it."""


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SmallDisk]:
    made = SmallDisk(tmp_path_factory.mktemp("faults") / "disk", 128 << 20)
    yield made
    made.close()


@pytest.fixture(scope="module")
def site(
    tmp_path_factory: pytest.TempPathFactory, kafka_broker: Broker, disk: SmallDisk
) -> Iterator[FaultSite]:
    if not kafka_broker.runs():
        kafka_broker.start()
    made = FaultSite(
        tmp_path_factory.mktemp("faults"), kafka_broker, disk.folder / "data", DELIVERY_S)
    made.program.start()
    yield made
    made.close()


# The kills of the broker are in its outage.
@pytest.mark.parametrize("name", [name for name in FAULTS if name != "broker-killed"])
def test_nothing_is_lost_and_nothing_is_applied_twice(
    name: str, site: FaultSite, disk: SmallDisk
) -> None:
    if name == "clock-wrong" and FAKETIME is None:
        pytest.skip("needs libfaketime")
    row = run_fault(name, site, EVENTS, SMALL, disk)
    found = row.found
    assert found.sound, row
    assert found.accepted == EVENTS
    assert bool(row.unavailable) == (name == "disk-full")
    assert bool(row.unanswered) <= (name in ("program-killed", "clock-wrong", "replayed"))
