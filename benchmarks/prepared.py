"""What the benchmarks of a served, prepared data folder share: their options and settings."""

from __future__ import annotations

import argparse
from pathlib import Path


def argument_parser(about: str | None, seconds: float) -> argparse.ArgumentParser:
    """Options for the folders, the rounds, and the seconds of load in each (default `seconds`)."""
    parser = argparse.ArgumentParser(
        description=about, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("data"), help="data folder")
    parser.add_argument("--registry", type=Path, default=Path("model_registry"))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=seconds)
    return parser


# Data that was prepared hours ago would be trained on anew as soon as the server starts.
NO_JOBS_OF_ITS_OWN = {
    f"FAIRREEL_{job}_INTERVAL_S": "315360000" for job in ("RETRAIN", "SNAPSHOT", "AUDIT", "DRIFT")}


def environment(data: Path, registry: Path) -> dict[str, str]:
    """Settings of a server under load: these folders, no limit for one address, a quiet log."""
    return NO_JOBS_OF_ITS_OWN | {
        "FAIRREEL_DATA_FOLDER": str(data),
        "FAIRREEL_REGISTRY_FOLDER": str(registry),
        "FAIRREEL_OUTPUTS_FOLDER": str(registry.with_name("outputs")),
        "FAIRREEL_RATE_LIMIT_PER_MINUTE": "1000000000",
        "FAIRREEL_LOG_LEVEL": "WARNING",
    }
