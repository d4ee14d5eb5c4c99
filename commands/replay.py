"""`replay`: makes a store anew from snapshots and from what the bus still holds."""

from __future__ import annotations

from contextlib import closing
from dataclasses import asdict
from typing import Any

import click

from adapters.database import open_database
from adapters.json_log import configure_json_log
from adapters.store_erasure import StoreErasure
from adapters.topic_records import EmbeddedRecords, KafkaRecords
from clock import now_ms
from commands.outcome import EXIT_FAILED, EXIT_OK, emit, json_option
from commands.progress import Progress, progress_for
from commands.replay_sources import Replayed, Target, replay_bus, replay_snapshot
from composition import IMPORT_CACHE_KIB, StoreSide, open_snapshots, open_store
from events_composition import kafka_access, kafka_topic_names, topic_codec
from settings import Settings
from settings_groups.bus import Bus

SNAPSHOTS, BUS = "snapshots", "bus"


@click.command("replay")
@click.argument("sources", nargs=-1, type=click.Choice([SNAPSHOTS, BUS]))
@click.option("--into", help="URL of the store to make; default: that of the settings.")
@click.option("--snapshot", help="Id of a snapshot; default: the newest.")
@click.option("--compare", is_flag=True,
              help="Compare with the store of the settings; exit code 1 when they differ.")
@json_option
def command(
    sources: tuple[str, ...], into: str | None, snapshot: str | None, compare: bool, as_json: bool
) -> int:  # fmt: skip
    """Apply all events of SOURCES (snapshots, bus; by default both) to a store, each once.

    Their order does not matter, nor what the store holds already: the state that comes of the
    same events is the same, and its hash is told. `bus` is the embedded log or Kafka, as set.
    """
    settings = Settings()
    configure_json_log(settings.log_level)
    made = settings if into is None else settings.model_copy(update={"store_url": into})
    progress = progress_for(quiet=as_json)
    with closing(open_store(made, IMPORT_CACHE_KIB)) as side:
        if into is not None:
            _take_over_erasures(settings, side)
        done = [_replay(settings, side, source, snapshot, progress)
                for source in dict.fromkeys(sources or (SNAPSHOTS, BUS))]
        report: dict[str, Any] = {
            "sources": [asdict(each) for each in done], "state_hash": side.store.state_hash(),
            "events": side.store.counts()["events"],
        }  # fmt: skip
    lines = [f"{each.source}: {each.events} events, {each.known} known before, {each.erased} of "
             f"people taken out, {each.conflicts} conflicts, {each.letters} dead letters"
             for each in done]
    lines.append(f"state {report['state_hash']}")
    if compare:
        with closing(open_store(settings)) as own:
            report["compared_hash"] = own.store.state_hash()
        report["equal"] = report["compared_hash"] == report["state_hash"]
        lines.append("equal to the store" if report["equal"] else
                     f"NOT equal to the store: {report['compared_hash']}")
    emit(report, as_json, lines)
    return EXIT_OK if report.get("equal", True) else EXIT_FAILED


def _replay(
    settings: Settings, side: StoreSide, source: str, snapshot: str | None, progress: Progress
) -> Replayed:
    target = Target(side.store, side.catalogue,
                    lambda people: StoreErasure(side.engine).adopt(people, now_ms()))
    if source == SNAPSHOTS:
        return replay_snapshot(open_snapshots(settings), snapshot, target, progress)
    if settings.bus is Bus.KAFKA:
        kafka = KafkaRecords(kafka_access(settings), kafka_topic_names(settings),
                             topic_codec(settings).from_wire)
        return replay_bus(kafka, target, now_ms(), progress)
    engine = open_database(settings.log(), "log")
    try:
        return replay_bus(EmbeddedRecords(engine), target, now_ms(), progress)
    finally:
        engine.dispose()


def _take_over_erasures(settings: Settings, side: StoreSide) -> None:
    with closing(open_store(settings)) as own:
        people = StoreErasure(own.engine).known()
    if people is not None:
        StoreErasure(side.engine).adopt(people, now_ms())
