"""`make faults`: break things while ratings are posted; nothing may be lost, nothing applied twice.

The real program, a real Kafka broker (its jars are fetched once), empty SQLite databases. Each
fault has a load, topics and databases of its own. In the table: events answered with 2xx, in the
outbox, applied; lost and doubled must be 0; `sent twice` are further copies on the topics, which
are allowed; `state` is compared with a replay of the outbox and with one of the topics.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.fault_kinds import FAULTS, Measure, Trouble, broken, lines_of, seconds_of
from benchmarks.fault_load import NO_ANSWER, Load
from benchmarks.fault_site import FaultSite, Found
from benchmarks.small_disk import SmallDisk
from tests.kafka.broker import Broker

_DISK_BYTES, _DISK_BYTES_PER_EVENT = 64 << 20, 4_096


@dataclass(frozen=True, slots=True)
class Row:
    """What a fault came to; `drained_s` is the time from its end until all was applied."""

    name: str
    note: str
    found: Found
    unavailable: int
    unanswered: int
    drained_s: float
    seconds: float

    def cells(self) -> tuple[str, ...]:
        """As the table has them."""
        f = self.found
        counts = (f.accepted, f.stored, f.applied, f.lost, f.doubled, f.resent, self.unavailable,
                  self.unanswered)
        return (self.name, self.note, *(f"{count:,}" for count in counts),
                "equal" if f.state_equal else "NOT EQUAL", f"{self.drained_s:.1f}",
                f"{self.seconds:.0f}")


HEADER = ("fault", "what", "accepted", "stored", "applied", "lost", "doubled", "sent twice", "503",
          "no answer", "state", "drained s", "s")


def run_fault(
    name: str, site: FaultSite, events: int, measure: Measure, disk: SmallDisk | None = None
) -> Row:
    """One fault on a site whose program runs.

    Raises:
        RuntimeError: what did not hold.
    """
    began = time.monotonic()
    load = Load(site.program, name, events, seconds_of(name, measure), lines_of(name))
    note = broken(Trouble(site, load, measure, disk), FAULTS[name])
    drained_s = site.drained(measure.drained_s)
    return Row(name, note, site.found(load), load.statuses[503], load.statuses[NO_ANSWER],
               drained_s, time.monotonic() - began)


def _alone(name: str, broker: Broker, folder: Path, events: int, measure: Measure) -> Row:
    """One fault on a site of its own."""
    disk = None
    if name == "disk-full":
        disk = SmallDisk(folder / "disk", _DISK_BYTES + events * _DISK_BYTES_PER_EVENT)
    site = FaultSite(folder, broker, disk and disk.folder / "data")
    try:
        site.program.start()
        return run_fault(name, site, events, measure, disk)
    finally:
        site.close()
        if disk is not None:
            disk.close()


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def main() -> None:
    """Run and print the table; exit code 1 when something was lost or doubled."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    usual = Measure()
    parser.add_argument("--faults", nargs="+", choices=FAULTS, default=list(FAULTS))
    parser.add_argument("--events", type=int, default=10_000, help="of each fault")
    parser.add_argument("--kills", type=int, default=usual.kills)
    parser.add_argument("--outage-s", type=float, default=usual.outage_s)
    parser.add_argument("--rebalance-s", type=float, default=usual.rebalance_s)
    arguments = parser.parse_args()
    measure = Measure(arguments.kills, arguments.outage_s, rebalance_s=arguments.rebalance_s)
    failed = False
    print(_line(HEADER), _line(["---"] * len(HEADER)), sep="\n", flush=True)
    with tempfile.TemporaryDirectory() as folder, Broker(Path(folder) / "kafka") as broker:
        for name in arguments.faults:
            own = Path(folder) / name
            own.mkdir()
            try:
                row = _alone(name, broker, own, arguments.events, measure)
            except RuntimeError as error:
                failed = True
                print(_line((name, f"FAILED: {error}")), flush=True)
                if not broker.runs():
                    broker.start()
                continue
            failed |= not row.found.sound
            print(_line(row.cells()), flush=True)
    sys.exit(failed)


if __name__ == "__main__":
    main()
