"""Requirements that refuse a model: which checks the gate makes.

Coverage and Gini are held against the serving model by checks of `gate_checks`; they are made
when these two are enforced. Whatever else is enforced is held against its threshold here, on the
lists of the same evaluation.
"""

from __future__ import annotations

from collections.abc import Iterable

from recommender import gate_checks, metrics
from recommender.audit.fairness import shown_gini, tail_share, top_share
from recommender.audit.groups import ACTIVITY, judged_groups
from recommender.audit.parity import spread_over_groups
from recommender.audit.verdicts import AuditPolicy, AuditStatus, by_interval, by_value
from recommender.gate import Check, Evidence, Finding
from recommender.metrics import Measured
from recommender.split import LEAST_USERS

REASON = "requirement_"
_AGAINST_SERVING = {"coverage": gate_checks.coverage, "gini": gate_checks.gini}
_EXPOSURE = {
    "tail_share": (tail_share, "tail_share_min", True),
    "shown_gini": (shown_gini, "shown_gini_max", False),
    "top_share": (top_share, "top_share_max", False),
}


def checks_of(policy: AuditPolicy) -> tuple[Check, ...]:
    """The gate's checks under this policy."""
    kept = tuple(
        check for check in gate_checks.CHECKS
        if all(check is not own or name in policy.enforced
               for name, own in _AGAINST_SERVING.items()))
    if policy.enforced <= _AGAINST_SERVING.keys():
        return kept
    return (*kept, lambda evidence: requirements(evidence, policy))


def requirements(evidence: Evidence, policy: AuditPolicy) -> Iterable[Finding]:
    """A finding for each enforced requirement that there is enough to judge by."""
    found = evidence.candidate
    for name, (measure, bound, at_least) in _EXPOSURE.items():
        if name in policy.enforced and found.n_lists >= LEAST_USERS:
            threshold = float(getattr(policy, bound))
            measured = metrics.exposure_interval(found.shown, found.active_items, measure)
            yield _finding(name, by_value(measured.value, threshold, at_least), measured,
                           threshold, at_least, found.n_lists)
    if "diversity" in policy.enforced and found.n_lists >= policy.group_least:
        yield _finding("diversity", by_value(found.diversity.value, policy.diversity_min, True),
                       found.diversity, policy.diversity_min, True, found.n_lists)
    if "diversity_parity" in policy.enforced:
        yield from _parity(evidence, policy)


def _parity(evidence: Evidence, policy: AuditPolicy) -> Iterable[Finding]:
    of_lists = evidence.candidate.list_diversity
    known = [of_lists[group.members] for group in judged_groups(evidence.groups)
             if group.family == ACTIVITY]
    values = [group[group == group] for group in known]  # without NaN
    judged = [group for group in values if len(group) >= policy.group_least]
    if len(judged) > 1:
        measured, threshold = spread_over_groups(judged), policy.diversity_parity_max
        yield _finding("diversity_parity", by_interval(measured, threshold, at_least=False),
                       measured, threshold, False, sum(map(len, judged)))


def _finding(name: str, status: AuditStatus, measured: Measured, threshold: float, at_least: bool,
             lists: int) -> Finding:
    required = f"{'at least' if at_least else 'at most'} {threshold:g}"
    return Finding(
        f"requirement {name}", status is not AuditStatus.FAIL, REASON + name,
        f"{name} of {lists} lists is {measured.value:.3f}, required is {required}: {status}.",
        measured, threshold)
