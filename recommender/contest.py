"""Who of the candidates of one training is to serve: the best that the gate lets pass.

Candidates are asked in the order of their validation NDCG on the users who are judged; the first
that passes is chosen, and no further one is asked. Where a switch named a model, only that one is
asked, unless no model serves at all. See docs/adr/0010.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from recommender.arrays import Bools
from recommender.bundle import ModelBundle
from recommender.evaluate import Evaluation
from recommender.fitting import Fitting
from recommender.gate import (
    UNCOMPARED,
    Check,
    Evidence,
    GateBounds,
    GateReason,
    Verdict,
    degeneration,
    judge,
)
from recommender.models.model import ModelSpec
from recommender.opponent import Opponent

IsLate = Callable[[], bool]
"""Whether the time budget of the run is spent."""


@dataclass(frozen=True, eq=False)
class Candidate:
    """A configuration fitted on the training part: how it did, whether its numbers are sound."""

    spec: ModelSpec[Any]
    overrides: Mapping[str, Any]
    found: Evaluation
    is_finite: bool


@dataclass(frozen=True, eq=False)
class Judged:
    """A candidate fitted on everything, and what the gate said."""

    candidate: Candidate
    bundle: ModelBundle
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Dropped:
    """A candidate that the run had no time for, and why, for people."""

    name: str
    explanation: str


@dataclass(frozen=True, eq=False)
class Contest:
    """What the candidates are judged by.

    opponent: None while no model serves. rows: bool of shape (n_lists,), on whom they are ranked.
    groups: as of `Evidence`.
    """

    fitting: Fitting
    opponent: Opponent | None
    rows: Bools
    groups: Mapping[str, Bools]
    bounds: GateBounds
    checks: Sequence[Check]

    def hold(self, candidates: Sequence[Candidate], followed: str | None,
             is_late: IsLate) -> tuple[list[Judged], list[Dropped], str | None]:
        """Fit on everything and judge; returns all judged, the dropped, and who is to serve.

        The time budget drops those that are not asked; whoever is asked is heard to the end.

        Args:
            followed: the only one to be asked, or the first; None asks all.
        """
        judged: dict[str, Judged] = {}
        dropped, chosen = [], None
        all_asked = followed is None or self.opponent is None
        for candidate in self._order(candidates, followed):
            name = candidate.spec.name
            asked = chosen is None and (all_asked or name == followed)
            if not asked and judged and is_late():
                dropped.append(Dropped(name, "The time budget was spent before it was fitted on "
                                             "everything."))
                self.fitting.progress(f"{name}: dropped. {dropped[-1].explanation}")
                continue
            judged[name] = one = self._judge(candidate, asked)
            if asked and one.verdict.passed:
                chosen = name
        return list(judged.values()), dropped, chosen

    def _order(self, candidates: Sequence[Candidate], followed: str | None) -> list[Candidate]:
        """The one followed, then best first; of equal ones the one named first."""
        return sorted(candidates, key=lambda candidate: (
            candidate.spec.name != followed, -candidate.found.ndcg_of(self.rows)))

    def _judge(self, candidate: Candidate, asked: bool) -> Judged:
        fitting, spec = self.fitting, candidate.spec
        fitting.progress(f"{spec.name}: fitting on everything")
        bundle = fitting.bundle(spec, candidate.overrides, fitting.whole)
        is_finite = candidate.is_finite and bundle.model.is_finite()
        verdict = self._verdict(candidate, is_finite, asked)
        outcome = "passed" if verdict.passed else "refused"
        fitting.progress(f"{spec.name}: {outcome}. {verdict.explanation}")
        return Judged(candidate, bundle, verdict)

    def _verdict(self, candidate: Candidate, is_finite: bool, asked: bool) -> Verdict:
        found = candidate.found
        if not asked and self.opponent is not None:
            return degeneration(found, is_finite) or Verdict(
                True, GateReason.NOT_COMPARED, UNCOMPARED[GateReason.NOT_COMPARED],
                found.ndcg.value)
        comparison = GateReason.NOT_COMPARED if self.opponent is None else self.opponent.compare(
            candidate.spec, candidate.overrides, found)
        return judge(Evidence(found, comparison, is_finite, self.opponent is None, self.bounds,
                              self.groups), self.checks)
