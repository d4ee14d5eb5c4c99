"""`simulate loop`: what each mitigation does to the feedback loop, over many retrains."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from clock import now_ms
from commands.outcome import emit, json_option
from recommender.simulate.loop_world import WORLDS

REPORT = "loop_simulation_results"
PICTURE = "loop_simulation_{world}"


def loop_table(report: dict[str, Any]) -> list[str]:
    """The end of each arm, and its change against the base, as lines of text."""
    lines = []
    for world in report["worlds"]:
        name = world["parameters"]["name"]
        lines.append(f"world {name}: mean of the last {report['last_rounds']} of "
                     f"{world['parameters']['rounds']} retrains, {len(report['seeds'])} seeds; "
                     f"change against {report['base']} with 95 % interval")
        lines.append(f"{'arm':<20} {'Gini':>6} {'coverage':>8} {'utility':>8}   "
                     f"{'Gini changes':<26} {'utility changes':<26}")
        for arm in world["arms"]:
            end = arm["end"]
            lines.append(
                f"{arm['name']:<20} {end['gini']['value']:>6.3f} {end['coverage']['value']:>8.3f} "
                f"{end['utility']['value']:>8.4f}   {_change(arm['change']['gini']):<26} "
                f"{_change(arm['change']['utility']):<26}")
    return lines


def _change(measured: dict[str, float]) -> str:
    return f"{measured['value']:+.1%} [{measured['low']:+.1%}, {measured['high']:+.1%}]"


@click.command("loop")
@click.option("--seeds", default=10, show_default=True, type=click.IntRange(2, 1_000),
              help="Seeds of each arm; intervals are over them.")
@click.option("--first-seed", default=1, show_default=True, type=click.IntRange(0),
              help="The seeds count up from here.")
@click.option("--world", "worlds", multiple=True, type=click.Choice(list(WORLDS)),
              help="May be given several times; default: all.")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False),
              help="Folder of the report and the pictures; default: that of the settings.")
@json_option
def command(seeds: int, first_seed: int, worlds: tuple[str, ...], out: Path | None,
            as_json: bool) -> None:
    """Show what mitigations do to a feedback loop where true tastes are known."""
    from adapters.outputs import OutputFolder
    from recommender.audit.documents import instant
    from recommender.simulate.loop_plots import world_picture
    from recommender.simulate.loop_report import simulate_worlds
    from settings import Settings

    def progress(text: str) -> None:
        if not as_json:
            click.echo(text, err=True)

    chosen = [WORLDS[name] for name in worlds or WORLDS]
    found = simulate_worlds(range(first_seed, first_seed + seeds), progress, chosen)
    report = {**found, "generated_at": instant(now_ms())}
    folder = OutputFolder(out or Settings().outputs_folder)
    folder.write_report(REPORT, report)
    for world in report["worlds"]:
        folder.write_picture(PICTURE.format(world=world["parameters"]["name"]),
                             world_picture(world, report["generated_at"]))
    emit(report, as_json, loop_table(report))
