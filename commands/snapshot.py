"""`snapshot`: write what is new in the store to Parquet; what the server runs every hour."""

from __future__ import annotations

import os
import socket
import sys
from dataclasses import asdict

import click

from adapters.json_log import configure_json_log
from commands.outcome import EXIT_FAILED, emit, json_option
from commands.training_parts import open_training
from commands.training_run import take_snapshot
from retention_composition import tidy_snapshots
from settings import Settings
from workers import parent_watch


def _end() -> None:
    os._exit(EXIT_FAILED)


@click.command("snapshot")
@click.option(
    "--watch-parent",
    is_flag=True,
    help="End when standard input ends, and leave the processor to others.",
)
@click.option("--begin-anew", is_flag=True,
              help="Go on without events that only lost snapshots had.")
@json_option
def command(watch_parent: bool, begin_anew: bool, as_json: bool) -> None:
    """Take a snapshot; nothing is written when nothing is new. Once a day old ones are removed."""
    if watch_parent:
        parent_watch.yield_to_parent()
        parent_watch.watch_parent(sys.stdin.fileno(), _end)
    settings = Settings()
    configure_json_log(settings.log_level)
    with open_training(settings, publishing=False) as parts:
        holder = f"{socket.gethostname()}:{os.getpid()}"
        snapshot = take_snapshot(parts, holder, _end, begin_anew)
        tidied = tidy_snapshots(settings, parts, holder, _end)
    summary: dict[str, object] = {
        "snapshot_id": snapshot.snapshot_id, "events": snapshot.rows,
        "files": len(snapshot.files), "watermark_sequence": snapshot.watermark_sequence,
    }  # fmt: skip
    summary |= asdict(tidied)
    emit(summary, as_json, [f"{name}: {value}" for name, value in summary.items()])
