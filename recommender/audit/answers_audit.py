"""The audit of logged answers: what people were in fact shown, by variant and over time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from recommender.audit.catalogue_view import CatalogueView
from recommender.audit.exposure import CatalogueExposure, Concentration, catalogue_exposure
from recommender.audit.exposure import concentration as concentration_of
from recommender.audit.fairness import AuditedLists, FairnessReport, audit_fairness
from recommender.audit.groups import judged_groups
from recommender.audit.loops import LoggedLists, LoopReport, audit_loops
from recommender.audit.verdicts import AuditPolicy
from recommender.metrics import exposures_of
from recommender.user_groups import activity_groups, demographic_groups

K = 10


class LoggedAnswer(NamedTuple):
    """One list that was answered; at_ms in UTC milliseconds."""

    user_id: str
    at_ms: int
    variant: str
    model_version: str
    item_ids: Sequence[str]


@dataclass(frozen=True, slots=True)
class VariantTraffic:
    """All that a variant showed of active films, each showing counted."""

    variant: str
    lists: int
    people: int
    shown: Concentration
    catalogue: CatalogueExposure


@dataclass(frozen=True, slots=True)
class AnswersReport:
    """fairness: of the last list of each person. loops: over all lists in the order of time.

    Both look at the first ten films of a list.
    """

    answers: int
    dropped: int
    fairness: FairnessReport
    loops: LoopReport
    variants: tuple[VariantTraffic, ...]


def audit_answers(
    answers: Sequence[LoggedAnswer], view: CatalogueView, history_lengths: Mapping[str, int],
    people: int, policy: AuditPolicy, dropped: int = 0,
) -> AnswersReport:  # fmt: skip
    """Judge logged answers.

    Args:
        answers: in any order.
        history_lengths: films in the history by user id.
        people: all who could have asked, so that it is known whether enough did.
        dropped: answers of the window that were not logged.
    """
    ordered = sorted(answers, key=lambda answer: answer.at_ms)
    shown = view.places((answer.item_ids for answer in ordered), K)
    last = {answer.user_id: row for row, answer in enumerate(ordered)}
    rows = np.fromiter(last.values(), np.int64, len(last))
    lengths = np.array([history_lengths.get(user, 0) for user in last], np.int64)
    notes = () if not dropped else (
        f"{dropped} answers of this window were not logged, so the figures miss them",)
    fairness = audit_fairness(AuditedLists(
        shown[rows].reshape(-1, K), view.taken_by, view.genres, view.genre_masks,
        judged_groups(activity_groups(lengths) | demographic_groups(list(last), view.people)),
        max(people, len(last)), notes=notes,
    ), policy)  # fmt: skip
    at_ms = np.array([answer.at_ms for answer in ordered], np.int64)
    loops = audit_loops(LoggedLists(shown, at_ms, view.taken_by, view.added_ms), policy)
    return AnswersReport(len(ordered), dropped, fairness, loops,
                         tuple(_traffic(ordered, view, name) for name in sorted(
                             {answer.variant for answer in ordered})))


def _traffic(ordered: Sequence[LoggedAnswer], view: CatalogueView, name: str) -> VariantTraffic:
    own = [answer for answer in ordered if answer.variant == name]
    longest = max(len(answer.item_ids) for answer in own)  # every film shown counts
    exposures = exposures_of(view.places((a.item_ids for a in own), longest), len(view.item_ids))
    return VariantTraffic(name, len(own), len({answer.user_id for answer in own}),
                          concentration_of(exposures), catalogue_exposure(exposures))
