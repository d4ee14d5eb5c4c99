"""`erase-user`: takes a person out of everything that the service stores."""

from __future__ import annotations

import re
from contextlib import closing
from dataclasses import asdict
from datetime import UTC, datetime

import click

from adapters.database import open_database
from adapters.json_log import configure_json_log
from commands.outcome import EXIT_FAILED, EXIT_OK, emit, json_option
from composition import open_store
from erasure_composition import open_eraser
from recommender.erasure import ErasureReport, Holding
from recommender.errors import InvalidField
from recommender.schemas import ID_PATTERN
from settings import Settings

ACTOR = "command line"


@click.command("erase-user")
@click.argument("user_id")
@click.option("--yes", is_flag=True, help="Don't ask.")
@json_option
def command(user_id: str, yes: bool, as_json: bool) -> int:
    """Remove USER_ID from store, log, answers, dead letters and snapshots; it cannot be undone.

    May run beside the server. Tells what Kafka still holds, and until when. Exit code 1 when a
    place failed: repeat it then.
    """
    if not re.fullmatch(ID_PATTERN, user_id):
        raise InvalidField("user_id", "not an id")
    if not yes:
        click.confirm(f"Remove all that is stored of {user_id}?", abort=True, err=True)
    settings = Settings()
    configure_json_log(settings.log_level)
    log = open_database(settings.log(), "log")
    responses = open_database(settings.responses(), "responses")
    try:
        with closing(open_store(settings)) as side:
            report = open_eraser(settings, side, log, responses).erase(user_id, ACTOR)
    finally:
        log.dispose()
        responses.dispose()
    emit(asdict(report), as_json, report_lines(report))
    return EXIT_OK if report.complete else EXIT_FAILED


def report_lines(report: ErasureReport) -> list[str]:
    """The report for people."""
    lines = [f"{report.reference} (this stands for the person in the audit log)"]
    lines += [f"removed {name}: {count}" for name, count in report.removed.items()]
    lines += [f"snapshot {old} is now {new}" for old, new in report.snapshots_rewritten]
    lines += [f"Kafka still holds {_told(h)}" for h in report.holdings]
    if report.models:
        lines.append("models fitted before keep what they learned, until a retrain and until they "
                     f"are removed: {', '.join(report.models)}")
    lines += [f"NOT DONE, repeat it: {name}: {text}" for name, text in report.failures.items()]
    return lines


def _told(holding: Holding) -> str:
    until = "for ever" if holding.gone_by_ms is None else "until at most " + datetime.fromtimestamp(
        holding.gone_by_ms / 1000, UTC).strftime("%Y-%m-%d")
    return (f"{holding.topic}[{holding.partition}] from offset {holding.first_offset} to "
            f"{holding.end_offset}, {until}")
