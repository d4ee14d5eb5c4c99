"""What a manifest tells of a training: measures, verdicts, all candidates."""

from __future__ import annotations

from dataclasses import asdict

from recommender import gate
from recommender.evaluate import Evaluation
from recommender.manifest import Candidate, Finding, Metric, Verdict
from recommender.metrics import Measured
from recommender.training import TrainingResult


def metrics_of(evaluation: Evaluation) -> dict[str, Metric]:
    """The measures by name, as in the manifest."""
    found = {name: _metric(measured) for name, measured in evaluation.measures().items()}
    return found | {
        "lists": Metric(value=float(evaluation.n_lists)),
        "active_items": Metric(value=float(evaluation.active_items)),
        "share_from_model": Metric(value=float(evaluation.from_model)),
    }


def candidates_of(result: TrainingResult) -> tuple[Candidate, ...]:
    """All models of a training as its manifests tell of them."""
    trained = [
        Candidate(
            name=model.name, metrics=metrics_of(model.metrics), passed=model.verdict.passed,
            reason=str(model.verdict.reason), chosen=model.name == result.chosen,
        )
        for model in result.models
    ]  # fmt: skip
    return (*trained, *(Candidate(name=d.name, dropped=d.explanation) for d in result.dropped))


def _metric(measured: Measured) -> Metric:
    return Metric(**asdict(measured))


def verdict_of(verdict: gate.Verdict) -> Verdict:
    """What the gate said, with the finding of each check."""
    return Verdict(
        passed=verdict.passed, reason=str(verdict.reason), explanation=verdict.explanation,
        candidate_ndcg=verdict.candidate_ndcg, serving_ndcg=verdict.serving_ndcg,
        margin=verdict.margin,
        findings=tuple(
            Finding(
                check=found.check, passed=found.passed, reason=str(found.reason),
                explanation=found.explanation, bound=found.bound,
                measured=None if found.measured is None else _metric(found.measured),
            )
            for found in verdict.findings
        ),
    )  # fmt: skip
