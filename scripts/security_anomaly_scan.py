"""Unusual accounts in a log of events: `python scripts/security_anomaly_scan.py --help`.

Reads ratings, watches or views of any recommender as JSON lines. Definitions: docs/fairness.md.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from recommender.audit.anomaly_scan import AnomalyScan
from scripts.scan_files import ScanArguments, deliver, fail, read_records


def main(arguments: Sequence[str] | None = None) -> None:
    """Scan and report."""
    parser = ScanArguments(description="Unusual accounts in a log of events.")
    parser.add_argument("--events", required=True, metavar="F.jsonl",
                        help="events as JSON lines, also gzip; - is standard input")
    parser.add_argument("--out", type=Path, metavar="F.json", help="write the report here too")
    given = parser.parse_args(arguments)
    scan = AnomalyScan()
    read, unreadable = read_records(given.events, scan.add)
    if not scan.usable:
        fail(f"{given.events}: no event with a user and a film in {read} lines, "
             f"{unreadable} unreadable")
    deliver(scan.report(unreadable), given.out)


if __name__ == "__main__":
    main()
