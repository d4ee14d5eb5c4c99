"""`audit`: fairness, feedback loops and unusual accounts; what the server runs every hour."""

from __future__ import annotations

import os
import sys

import click

from commands.outcome import EXIT_FAILED, EXIT_OK, EXIT_UNUSABLE, emit, json_option


def _end() -> None:
    os._exit(EXIT_FAILED)


@click.command("audit")
@click.option("--window-s", type=click.IntRange(min=1),
              help="Audit the answers of so many seconds; default: those of the settings.")
@click.option("--dropped", default=0, show_default=True, type=click.IntRange(min=0),
              help="Answers of the window that were not logged.")
@click.option("--watch-parent", is_flag=True,
              help="End when standard input ends, and leave the processor to others.")
@json_option
def command(window_s: int | None, dropped: int, watch_parent: bool, as_json: bool) -> int:
    """Audit the serving model's lists, the logged answers and the events; write the reports.

    The reports are JSON and PNG files in the outputs folder; see docs/fairness.md.
    """
    from adapters.database import open_database
    from adapters.json_log import configure_json_log
    from commands.audit_run import PARTS, run_audit
    from commands.training_parts import open_training
    from settings import Settings
    from workers import parent_watch

    if watch_parent:
        parent_watch.yield_to_parent()
        parent_watch.watch_parent(sys.stdin.fileno(), _end)
    settings = Settings()
    configure_json_log(settings.log_level)

    def progress(text: str) -> None:
        if not as_json:
            click.echo(text, err=True)

    responses = open_database(settings.responses(), "responses")
    try:
        with open_training(settings, publishing=False) as parts:
            outcome = run_audit(settings, parts, responses, progress, dropped, window_s)
    finally:
        responses.dispose()
    line = outcome.line()
    emit(line, as_json, _table(line, settings.outputs_folder))
    return EXIT_UNUSABLE if len(outcome.left_out) == PARTS else EXIT_OK


def _table(line: dict[str, object], folder: object) -> list[str]:
    statuses, left_out = line["statuses"], line["left_out"]
    assert isinstance(statuses, dict)
    assert isinstance(left_out, dict)
    return [
        *(f"{name:<20} {status}" for name, status in statuses.items()),
        f"lists {line['lists']}, answers {line['answers']}; reports in {folder}",
        *(f"left out: {part}: {reason}" for part, reason in left_out.items()),
    ]
