"""Simulated users against a running server: `python scripts/probe.py --help`."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from fairreel import main

if __name__ == "__main__":
    sys.exit(main(["probe", *sys.argv[1:]]))
