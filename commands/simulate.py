"""`simulate`: an invented world into the store, or its events into a file."""

from __future__ import annotations

import time
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path

import click

from clock import now_ms
from commands.event_lines import open_lines, write_events
from commands.outcome import emit, instant, json_option
from commands.progress import Progress, progress_for, silent
from commands.simulate_loop import command as loop
from recommender.ports import Catalogue, EventStore, Imports
from recommender.simulate import WorldSpec, simulate_world

FRAME_ROWS = 50_000
_DEMO = WorldSpec()


@dataclass(slots=True)
class SimulationReport:
    """What a simulation put into the store or a file."""

    world: str
    movies: int = 0
    people: int = 0
    events: int = 0
    already_there: bool = False
    seconds: float = 0.0


def store_world(
    spec: WorldSpec,
    store: EventStore,
    catalogue: Catalogue,
    imports: Imports,
    now_ms: int,
    progress: Progress = silent,
) -> SimulationReport:
    """Put the world of `spec` into the store, once; killed, it can be called again.

    Raises:
        InvalidField: people and films are too few for so many events.
        StoreUnavailable: the store cannot take it now; what is in stays in.
    """
    started = time.monotonic()
    report = SimulationReport(world=spec.world_id)
    if imports.finished(spec.world_id):
        report.already_there = True
        return report
    world = simulate_world(spec)
    imports.record(_begun(spec), "simulated world, begun", 0, 0, now_ms)
    catalogue.add_movies(world.movies)
    catalogue.add_people(world.people)
    report.movies, report.people = len(world.movies), len(world.people)
    total = len(world.events)
    for start in range(0, total, FRAME_ROWS):
        report.events += store.apply(world.events.iloc[start : start + FRAME_ROWS]).applied
        progress("simulated events", min(start + FRAME_ROWS, total), total)
    imports.record(spec.world_id, "simulated world", total, 0, now_ms)
    report.seconds = round(time.monotonic() - started, 3)
    return report


def world_unfinished(spec: WorldSpec, imports: Imports) -> bool:
    """Whether `store_world` was begun for this spec and not ended."""
    return imports.finished(_begun(spec)) and not imports.finished(spec.world_id)


def _begun(spec: WorldSpec) -> str:
    return f"{spec.world_id}:begun"


@click.group("simulate", invoke_without_command=True)
@click.option("--seed", default=_DEMO.seed, show_default=True, help="Another world a seed.")
@click.option("--movies", default=_DEMO.n_movies, show_default=True, help="Films.")
@click.option("--users", default=_DEMO.n_users, show_default=True, help="People.")
@click.option("--events", default=_DEMO.n_events, show_default=True, help="Of both kinds.")
@click.option("--days", default=_DEMO.days, show_default=True, help="Span of time.")
@click.option("--end", default="2025-11-01", show_default=True, help="Its end, ISO 8601 (UTC).")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False),
              help="Write the events here (JSON lines, .gz compresses; - is standard output) "
              "and leave the store alone.")
@json_option
@click.pass_context
def command(
    context: click.Context, seed: int, movies: int, users: int, events: int, days: int, end: str,
    out: Path | None, as_json: bool,
) -> None:  # fmt: skip
    """Make up films, people, ratings and watches; the same numbers give the same world."""
    if context.invoked_subcommand is not None:
        return
    spec = WorldSpec(seed, movies, users, events, days, instant(end, "--end"))
    if out is not None:
        world = simulate_world(spec)
        with open_lines(out) as file:
            write_events(world.events, file)
        written = SimulationReport(
            spec.world_id, len(world.movies), len(world.people), len(world.events)
        )
        if str(out) != "-":
            emit(asdict(written), as_json, [f"wrote {written.events:,} events to {out}"])
        return
    from composition import IMPORT_CACHE_KIB, open_store
    from settings import Settings

    progress = progress_for(quiet=as_json)
    with closing(open_store(Settings(), IMPORT_CACHE_KIB)) as side:
        report = store_world(spec, side.store, side.catalogue, side.imports, now_ms(), progress)
    told = (
        f"simulated {report.events:,} events, {report.movies:,} films, {report.people:,} people "
        f"in {report.seconds:.1f} s"
    )
    emit(asdict(report), as_json, ["already in the store" if report.already_there else told])


command.add_command(loop)
