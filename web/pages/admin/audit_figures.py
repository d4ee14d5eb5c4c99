"""What the pages say of audits: rows of requirements, series over retrains."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from web.pages.admin.audit_definitions import TITLES

FAIRNESS = "fairness_analysis_results"
LOOPS = "feedback_loop_analysis_results"
BADGES = {"PASS": "ok", "FAIL": "bad", "INCONCLUSIVE": "warn", "INSUFFICIENT_DATA": "off"}
WORDS = {"PASS": "met", "FAIL": "not met", "INCONCLUSIVE": "open", "INSUFFICIENT_DATA": "too few"}
_DASH = "\u2013"


@dataclass(frozen=True, slots=True)
class RequirementRow:
    """A requirement as the table shows it."""

    name: str
    title: str
    value: str
    required: str
    word: str
    badge: str
    effect: str
    lists: int


def requirement_rows(report: Mapping[str, Any]) -> list[RequirementRow]:
    """The requirements of a report, those of our own first, then the published targets."""
    rows = sorted(report["requirements"], key=lambda row: bool(row["target"]))
    return [_requirement(row) for row in rows]


def summary(report: Mapping[str, Any]) -> str:
    """One sentence on how many requirements are met."""
    own = [row for row in report["requirements"]
           if not row["target"] and row["threshold"] is not None]
    by_status = {status: sum(row["status"] == status for row in own) for status in BADGES}
    failed = [TITLES[row["name"]] for row in own if row["status"] == "FAIL"]
    text = f"{by_status['PASS']} of {len(own)} requirements are met"
    if failed:
        text += f"; not met: {', '.join(failed)}"
    if by_status["INCONCLUSIVE"]:
        text += f"; {by_status['INCONCLUSIVE']} cannot be decided with so few people"
    if by_status["INSUFFICIENT_DATA"]:
        text += f"; {by_status['INSUFFICIENT_DATA']} lack data"
    return f"{text}."


def interval(measured: Mapping[str, Any] | None) -> str:
    """A value and its interval; a dash without."""
    if measured is None or measured["value"] is None:
        return _DASH
    if measured["low"] is None or measured["high"] is None:
        return f"{measured['value']:.3f}"
    return f"{measured['value']:.3f} ({measured['low']:.3f} to {measured['high']:.3f})"


def over_retrains(
    history: Iterable[Mapping[str, Any]], model_name: str | None, names: Sequence[str],
) -> tuple[list[str], list[list[float | None]]]:  # fmt: skip
    """Times of the audited models of a name, and for each requirement its values."""
    rows = [row for row in history if row["model_name"] == model_name]
    times = [str(row["generated_at"])[:16].replace("T", " ") for row in rows]
    return times, [[row["requirements"].get(name, [None])[0] for row in rows] for name in names]


def _requirement(row: Mapping[str, Any]) -> RequirementRow:
    required = _DASH if row["threshold"] is None else (
        f"{'at least' if row['at_least'] else 'at most'} {row['threshold']:g}")
    effect = "published target" if row["target"] else "refuses" if row["enforced"] else "warns"
    reported = row["threshold"] is None
    failed_target = row["target"] and row["status"] == "FAIL"
    return RequirementRow(
        row["name"], TITLES[row["name"]], interval(row), required,
        "reported" if reported else WORDS[row["status"]],
        "off" if reported else "warn" if failed_target else BADGES[row["status"]],
        "reported" if reported else effect, row["lists"])
