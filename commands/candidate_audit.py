"""The audit of models as they are trained: before they are published, then what is left of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from adapters.outputs import OutputFolder
from commands.audit_writing import gauges_line, write_fairness
from commands.training_log import TrainingLog
from recommender.arrays import Bools
from recommender.audit.catalogue_view import CatalogueView, view_catalogue
from recommender.audit.documents import Origin, history_row
from recommender.audit.fairness import FairnessReport
from recommender.audit.gauges import fairness_gauges
from recommender.audit.model_audit import JudgedQuality, audit_model
from recommender.audit.model_card import model_card
from recommender.audit.verdicts import AuditPolicy
from recommender.interactions import Interactions
from recommender.manifest import Manifest
from recommender.rerank.chain import RerankChain
from recommender.training import TrainedModel
from recommender.types import Movie, Person

CANDIDATE = "candidate"


@dataclass(eq=False)
class CandidateAudits:
    """Audits the models of one training run on its data; nothing is written until `write`.

    groups: of the users that quality was judged on. pictures: draw them too, of the target. chain:
    reorders the lists, as in serving.
    """

    interactions: Interactions
    view: CatalogueView
    groups: Mapping[str, Bools]
    policy: AuditPolicy
    outputs: OutputFolder
    log: TrainingLog
    pictures: bool
    chain: RerankChain
    _report: FairnessReport | None = None
    _kept: list[tuple[FairnessReport, Manifest, bool]] = field(default_factory=list)

    @classmethod
    def of_run(
        cls, interactions: Interactions, movies: Sequence[Movie], people: Sequence[Person],
        groups: Mapping[str, Bools], at_ms: int, policy: AuditPolicy, outputs: OutputFolder,
        log: TrainingLog, pictures: bool, chain: RerankChain,
    ) -> CandidateAudits:  # fmt: skip
        """With the catalogue as of `at_ms` (UTC ms)."""
        view = view_catalogue(interactions, movies, people, at_ms)
        return cls(interactions, view, groups, policy, outputs, log, pictures, chain)

    def audit(self, model: TrainedModel) -> FairnessReport:
        """The lists that the model would give to people now, and how it did on the split."""
        self.log.progress(f"{model.name}: auditing")
        quality = JudgedQuality(model.metrics.list_gains, self.groups)
        self._report = audit_model(model.bundle, self.interactions, self.view, self.policy,
                                   quality, self.chain)
        return self._report

    def published(self, manifest: Manifest, is_target: bool) -> None:
        """The model of the last audit has this manifest; the target is the one to be served."""
        assert self._report is not None
        self._kept.append((self._report, manifest, is_target))

    def write(self) -> None:
        """A card and a line of the history for each model; of the target also the report.

        A folder that cannot be written is told and stops nothing: the models are published.
        """
        for report, manifest, is_target in self._kept:
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
                self._tell(report, manifest)

    def _tell(self, report: FairnessReport, manifest: Manifest) -> None:
        self.log.note(
            "audit", model=manifest.name, version_id=manifest.version_id,
            statuses={row.name: row.status.value for row in report.requirements},
            gauges=gauges_line(fairness_gauges(report, CANDIDATE)))
