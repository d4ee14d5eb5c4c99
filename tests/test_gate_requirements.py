"""Which checks the gate makes under a policy, and what enforced requirements find."""

from __future__ import annotations

import dataclasses

import numpy as np

from recommender import gate_checks
from recommender.audit.gate_requirements import checks_of, requirements
from recommender.audit.verdicts import AuditPolicy
from recommender.evaluate import Evaluation
from recommender.gate import Evidence, GateReason
from recommender.metrics import Measured


def evidence(diversity: float = 0.5, groups: dict[str, np.ndarray] | None = None) -> Evidence:
    shown = np.array([[0, 1], [0, 2], [0, 3], [0, 4]] * 10)
    m = Measured(0.5)
    found = Evaluation(2, 40, 10, m, m, m, m, m, m, m, Measured(diversity), 1.0, np.zeros(40),
                       shown, np.where(np.arange(40) < 20, 0.2, 0.8))
    return Evidence(found, GateReason.NOT_COMPARED, True, False, groups=groups or {})


def policy(*enforced: str, **changes: float) -> AuditPolicy:
    return dataclasses.replace(AuditPolicy(group_least=10), enforced=frozenset(enforced),
                               **changes)  # type: ignore[arg-type]


def test_coverage_and_gini_are_checked_against_the_serving_model_when_enforced() -> None:
    assert checks_of(AuditPolicy()) == gate_checks.CHECKS
    assert checks_of(policy("coverage")) == tuple(
        check for check in gate_checks.CHECKS if check is not gate_checks.gini)
    assert checks_of(policy()) == (gate_checks.accuracy, gate_checks.groups)
    assert len(checks_of(policy("gini", "diversity"))) == 4


def test_an_enforced_requirement_is_held_against_its_threshold() -> None:
    rules = policy("tail_share", "top_share", "diversity")
    found = {f.check: f for f in requirements(evidence(), rules)}
    assert set(found) == {"requirement tail_share", "requirement top_share",
                          "requirement diversity"}
    # Film 0 is the head of five shown films and has half of the exposure.
    assert not found["requirement tail_share"].passed
    assert found["requirement tail_share"].reason == "requirement_tail_share"
    assert "0.500, required is at least 0.7" in found["requirement tail_share"].explanation
    assert not found["requirement top_share"].passed and found["requirement diversity"].passed


def test_what_is_not_enforced_or_not_certain_does_not_refuse() -> None:
    assert list(requirements(evidence(), policy("coverage"))) == []
    halves = {"activity low": np.arange(40) < 20, "activity high": np.arange(40) >= 20}
    rules = policy("diversity_parity", diversity_parity_max=0.15)
    (failed,) = requirements(evidence(groups=halves), rules)
    assert not failed.passed and failed.measured is not None
    assert abs(failed.measured.value - 0.6) < 1e-9
    few = {"activity low": np.arange(40) < 5, "activity high": np.arange(40) >= 20}
    assert list(requirements(evidence(groups=few), rules)) == []
