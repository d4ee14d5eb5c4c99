"""The alert rules name gauges, labels, bounds and pages that exist; promtool agrees where it is."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.metrics import MetricWrapperBase

from adapters.experiment_metrics import PrometheusExperimentMetrics
from adapters.telemetry import PrometheusTelemetry
from recommender.audit.verdicts import AuditPolicy

ROOT = Path(__file__).parent.parent
RULES = sorted((ROOT / "ops" / "prometheus").glob("*.rules.yml"))
_SELECTOR = re.compile(r"(reco_\w+)(?:{([^}]*)})?")
_LABEL = re.compile(r"(\w+)\s*(?:=~|!=|!~|=)")


def rules() -> list[dict[str, Any]]:
    return [rule for file in RULES for group in yaml.safe_load(file.read_text())["groups"]
            for rule in group["rules"]]


def labels_by_name() -> dict[str, set[str]]:
    telemetry = PrometheusTelemetry(lambda: 0)
    PrometheusExperimentMetrics(telemetry.registry)
    found = {}
    for family, names in telemetry.registry._collector_to_names.items():
        labels = family._labelnames if isinstance(family, MetricWrapperBase) else ()
        found.update({key: set(labels) for key in names})
    return found


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule["alert"])
def test_every_rule_asks_for_gauges_and_labels_that_exist(rule: dict[str, Any]) -> None:
    known = labels_by_name()
    selectors = _SELECTOR.findall(rule["expr"])
    assert selectors
    for name, matchers in selectors:
        assert name in known, name
        assert set(_LABEL.findall(matchers)) <= known[name]


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule["alert"])
def test_every_rule_says_how_bad_it_is_and_what_to_do(rule: dict[str, Any]) -> None:
    assert rule["labels"]["severity"] in ("critical", "warning", "info")
    assert rule["annotations"]["summary"]
    page, anchor = rule["annotations"]["runbook"].split("#")
    titles = re.findall(r"^#+ (.+)$", (ROOT / page).read_text(), re.MULTILINE)
    assert anchor in {re.sub(r"[^\w-]", "", title.lower().replace(" ", "-")) for title in titles}


def test_the_critical_rule_is_for_what_the_gate_enforces_and_the_target_is_the_policys() -> None:
    policy, by_name = AuditPolicy(), {rule["alert"]: rule for rule in rules()}
    enforced = re.search(r'requirement=~"([^"]*)"', by_name["FairreelRequirementFails"]["expr"])
    assert enforced is not None and set(enforced[1].split("|")) == policy.enforced
    target = by_name["FairreelTailShareBelowPublishedTarget"]["expr"]
    assert float(target.rsplit("<", 1)[1]) == policy.tail_share_min


@pytest.mark.needs_tool("promtool")
@pytest.mark.parametrize("file", RULES, ids=lambda file: file.name)
def test_promtool_takes_the_rules_and_their_tests_hold(file: Path) -> None:
    tests = file.name.replace(".rules.", ".test.")
    for command in (["check", "rules", file.name], ["test", "rules", tests]):
        done = subprocess.run(["promtool", *command], cwd=file.parent, capture_output=True,
                              text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
