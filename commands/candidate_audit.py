"""The audit of models as they are trained: before they are published, then what is left of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from adapters.outputs import OutputFolder
from commands.audit_writing import gauges_line, write_fairness
from commands.training_log import TrainingLog
from recommender.audit.catalogue_view import CatalogueView, view_catalogue
from recommender.audit.documents import Origin, history_row
from recommender.audit.enforcement import enforced
from recommender.audit.fairness import FairnessReport
from recommender.audit.gauges import fairness_gauges
from recommender.audit.model_audit import audit_model
from recommender.audit.model_card import model_card
from recommender.audit.verdicts import AuditPolicy
from recommender.interactions import Interactions
from recommender.manifest import Manifest
from recommender.training import TrainedModel
from recommender.types import Movie, Person

CANDIDATE = "candidate"


@dataclass(frozen=True, eq=False)
class CandidateAudits:
    """Audits the models of one training run on its data.

    pictures: draw them too, for the model to serve.
    """

    interactions: Interactions
    view: CatalogueView
    policy: AuditPolicy
    outputs: OutputFolder
    log: TrainingLog
    pictures: bool

    @classmethod
    def of_run(
        cls, interactions: Interactions, movies: Sequence[Movie], people: Sequence[Person],
        at_ms: int, policy: AuditPolicy, outputs: OutputFolder, log: TrainingLog, pictures: bool,
    ) -> CandidateAudits:  # fmt: skip
        """With the catalogue as of `at_ms` (UTC ms)."""
        view = view_catalogue(interactions, movies, people, at_ms)
        return cls(interactions, view, policy, outputs, log, pictures)

    def judge(self, model: TrainedModel) -> tuple[TrainedModel, FairnessReport]:
        """The model with what the audit made of the gate's verdict, and the report."""
        self.log.progress(f"{model.name}: auditing")
        report = audit_model(model.bundle, self.interactions, self.view, self.policy)
        verdict = enforced(model.verdict, report)
        if verdict is not model.verdict:
            self.log.progress(f"{model.name}: refused. {verdict.explanation}")
        return replace(model, verdict=verdict), report

    def keep(self, report: FairnessReport, manifest: Manifest, is_target: bool) -> None:
        """Write the model's card, its line of the history and, of the target, the report.

        A folder that cannot be written is told and stops nothing: the model is published.
        """
        origin = Origin(manifest.created_at_ms, CANDIDATE, manifest.data_snapshot_id,
                        manifest.name, manifest.version_id)
        try:
            self.outputs.write_card(manifest.version_id, model_card(manifest, report))
            self.outputs.append_history(history_row(report, origin))
            if is_target:
                write_fairness(self.outputs, report, None, origin, self.policy, self.pictures)
        except OSError as error:
            self.log.note("audit_not_written", error=str(error))
        if is_target:
            self.log.note("audit", model=manifest.name, version_id=manifest.version_id, statuses={
                row.name: row.status.value for row in report.requirements},
                gauges=gauges_line(fairness_gauges(report, CANDIDATE)))
