"""The audit job: runs its child, hands on the gauges, counts what was dropped in the window."""

from __future__ import annotations

import json
import sys
from typing import cast

import pytest
from prometheus_client import generate_latest

from adapters.telemetry import PrometheusTelemetry
from recommender.ports import AuditGauge, Telemetry
from tests.worker_fakes import KeptTelemetry
from workers.audit import AuditFailed, AuditJob, DroppedAnswers

LINE = {"event": "audit", "lists": 5, "answers": 3, "left_out": {},
        "statuses": {"coverage": "PASS", "gini": "FAIL"},
        "gauges": [["reco_tail_share", {"variant": "A"}, 0.5]]}


def job(code: str, telemetry: KeptTelemetry, dropped: int = 0) -> AuditJob:
    return AuditJob((sys.executable, "-c", code), 20.0, DroppedAnswers(lambda: dropped, 1000),
                    cast(Telemetry, telemetry), lambda: 5)


def test_the_gauges_of_the_childs_line_reach_the_telemetry() -> None:
    telemetry = KeptTelemetry()
    job(f"print({json.dumps(LINE)!r})", telemetry).run()
    assert telemetry.of("audited") == [
        ([AuditGauge("reco_tail_share", {"variant": "A"}, 0.5)],),
        ([AuditGauge("reco_audit_time_seconds", {}, 0.005)],)]


def test_the_child_is_told_how_many_answers_were_dropped() -> None:
    code = ("import sys, json; line = " + repr(LINE)
            + "; line['gauges'][0][2] = float(sys.argv[1].split('=')[1]); print(json.dumps(line))")
    telemetry = KeptTelemetry()
    job(code, telemetry, dropped=7).run()
    assert telemetry.of("audited")[0][0][0].value == 7.0


@pytest.mark.parametrize(("code", "fails"), [("raise SystemExit(1)", True),
                                             ("raise SystemExit(2)", False)])
def test_a_child_that_fails_is_told_and_one_with_nothing_to_audit_is_not(
    code: str, fails: bool
) -> None:
    telemetry = KeptTelemetry()
    if fails:
        with pytest.raises(AuditFailed, match="exit code 1"):
            job(code, telemetry).run()
    else:
        job(code, telemetry).run()
    assert telemetry.of("audited") == []


def test_after_stop_no_child_starts() -> None:
    telemetry = KeptTelemetry()
    stopped = job(f"print({json.dumps(LINE)!r})", telemetry)
    stopped.stop()
    stopped.run()
    assert telemetry.calls == []


def test_dropped_answers_count_within_the_window_only() -> None:
    total = [0]
    dropped = DroppedAnswers(lambda: total[0], 1_000)
    assert dropped.within(0) == 0
    total[0] = 5
    assert dropped.within(500) == 5
    total[0] = 6
    assert dropped.within(1_400) == 6
    assert dropped.within(2_000) == 1
    assert dropped.within(9_000) == 0


def test_every_gauge_that_audits_name_is_known_to_prometheus() -> None:
    from recommender.audit import gauges

    telemetry = PrometheusTelemetry(lambda: 0)
    names = {*gauges._NAMES.values(), "reco_audit_lists", "reco_requirement_passed",
             "reco_starvation_index", "reco_echo_slope", "reco_echo_flagged", "reco_flagged_users",
             "reco_audit_time_seconds"}
    assert names == set(telemetry._audits)
    telemetry.audited([
        AuditGauge("reco_exposure_gini", {"variant": "A", "scope": "shown"}, 0.25),
        AuditGauge("reco_starvation_index", {}, 0.5)])
    text = generate_latest(telemetry.registry).decode()
    assert 'reco_exposure_gini{scope="shown",variant="A"} 0.25' in text
    assert "reco_starvation_index 0.5" in text
