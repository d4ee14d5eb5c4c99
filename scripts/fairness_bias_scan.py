"""Popularity bias of a log of recommendations: `python scripts/fairness_bias_scan.py --help`.

Reads the response log of any recommender as JSON lines and tells how exposure spreads over films.
Definitions and forms of input: docs/fairness.md.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from adapters.item_table import read_item_table
from recommender.audit.bias_scan import BiasScan
from recommender.errors import UnreadableImport
from scripts.scan_files import ScanArguments, deliver, fail, read_records


def main(arguments: Sequence[str] | None = None) -> None:
    """Scan and report."""
    given = _parser().parse_args(arguments)
    if not (math.isfinite(given.top_percent) and 0 < given.top_percent <= 1):
        fail(f"--top-percent: {given.top_percent} is not a share above 0, at most 1")
    try:
        catalogue = None if given.catalog is None else read_item_table(given.catalog)
        genres = None if given.genres is None else read_item_table(given.genres)
    except UnreadableImport as error:
        fail(str(error))
    scan = BiasScan(given.top_percent, catalogue, genres)
    read, unreadable = read_records(given.responses, scan.add)
    if not scan.usable:
        fail(f"{given.responses}: no recommended film in {read} lines, {unreadable} unreadable")
    deliver(scan.report(read, unreadable), given.out)


def _parser() -> ScanArguments:
    parser = ScanArguments(description="Popularity bias of a log of recommendations.")
    parser.add_argument("--responses", required=True, metavar="F.jsonl",
                        help="recommendations as JSON lines, also gzip; - is standard input")
    parser.add_argument("--top-percent", type=float, default=0.1, metavar="P",
                        help="share of the shown films that are the head (default 0.1)")
    parser.add_argument("--catalog", metavar="F", help="all films: JSON lines, CSV or ids")
    parser.add_argument("--genres", metavar="F", help="genres of the films: JSON, JSON lines, CSV")
    parser.add_argument("--out", type=Path, metavar="F.json", help="write the report here too")
    return parser


if __name__ == "__main__":
    main()
