"""`snapshot`: write what is new in the store to Parquet; what the server runs every hour."""

from __future__ import annotations

import os
import socket
import sys

import click

from adapters.json_log import configure_json_log
from commands.outcome import EXIT_FAILED, emit, json_option
from commands.training_parts import open_training
from commands.training_run import take_snapshot
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
@json_option
def command(watch_parent: bool, as_json: bool) -> None:
    """Take a snapshot; nothing is written when nothing is new."""
    if watch_parent:
        parent_watch.yield_to_parent()
        parent_watch.watch_parent(sys.stdin.fileno(), _end)
    settings = Settings()
    configure_json_log(settings.log_level)
    with open_training(settings, publishing=False) as parts:
        snapshot = take_snapshot(parts, f"{socket.gethostname()}:{os.getpid()}", _end)
    summary = {
        "snapshot_id": snapshot.snapshot_id, "events": snapshot.rows,
        "files": len(snapshot.files), "watermark_sequence": snapshot.watermark_sequence,
    }  # fmt: skip
    emit(summary, as_json, [f"{name}: {value}" for name, value in summary.items()])
