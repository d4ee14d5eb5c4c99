"""One training run: part, fit, evaluate, decide, fit on everything, bundle. No input or output."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from recommender.arrays import Bools
from recommender.bundle import ModelBundle, tabulate
from recommender.contest import Candidate, Contest, Dropped, IsLate, Judged
from recommender.errors import InvalidField, NothingToTrainOn
from recommender.evaluate import Evaluation
from recommender.fitting import Fitting, Progress
from recommender.gate import Check, GateBounds, Verdict
from recommender.gate_checks import CHECKS
from recommender.interactions import Interactions
from recommender.judged_users import JudgedUsers, judging_split, known_users
from recommender.models import MODELS
from recommender.models.model import ModelSpec
from recommender.opponent import Opponent, ServingReference
from recommender.rerank.chain import AS_RANKED, RerankChain
from recommender.split import JUDGING_SPLITS, Part, Split, SplitName, held_out
from recommender.types import Movie, Person
from recommender.user_groups import user_groups
from recommender.weighting import UNWEIGHTED, Weighting

__all__ = [
    "Dropped",
    "EvaluatedModel",
    "Progress",
    "Request",
    "ServingReference",
    "TrainedModel",
    "TrainingPlan",
    "TrainingResult",
    "evaluate_each",
    "train",
]

Request = tuple[str, Mapping[str, Any]]
"""A model's name and the hyperparameters that differ from its defaults."""
LEAST_ENTRIES = 2
"""Fewer (user, film) entries than this are nothing to train on."""


def _never() -> bool:
    return False


@dataclass(frozen=True, eq=False)
class TrainingPlan:
    """What to train, and how it is judged.

    requests: each model at most once. split: how validation films are chosen. followed: the only
    model to be served, None for the best. k: length of the lists judged. is_late: asked between
    two models; then those that are not yet fitted are dropped, the first excepted. checks: what
    the gate looks at. people: what is known of users, for groups. weighting: how entries count.
    chain: reorders all lists that are judged, those of the serving model too, as in serving.
    """

    requests: Sequence[Request]
    split: str
    bounds: GateBounds = field(default_factory=GateBounds)
    followed: str | None = None
    k: int = 10
    is_late: IsLate = _never
    checks: Sequence[Check] = CHECKS
    people: Sequence[Person] = ()
    weighting: Weighting = UNWEIGHTED
    chain: RerankChain = AS_RANKED


@dataclass(frozen=True, eq=False)
class EvaluatedModel:
    """How a configuration did on a split; fields as of `TrainedModel`. fit_s: seconds."""

    name: str
    metrics: Evaluation
    split: SplitName
    split_requested: SplitName
    fit_s: float = 0.0


@dataclass(frozen=True, eq=False)
class TrainedModel:
    """A model fitted on everything, and how the same configuration did on the split.

    metrics: measured on models fitted on the split's training part. split: as used; it differs
    from `split_requested` when that found too few users.
    """

    name: str
    bundle: ModelBundle
    hyperparameters: dict[str, float | int]
    metrics: Evaluation
    split: SplitName
    split_requested: SplitName
    verdict: Verdict


@dataclass(frozen=True, eq=False)
class TrainingResult:
    """models: in the order of the requests. chosen: the name to be served, None where none passed
    or the one followed was not trained. dropped: for want of time. groups: who of the users that
    were judged on belongs to which group, as of `user_groups`."""

    models: tuple[TrainedModel, ...]
    chosen: str | None
    dropped: tuple[Dropped, ...] = ()
    groups: Mapping[str, Bools] = field(default_factory=dict)


def train(interactions: Interactions, movies: Sequence[Movie], plan: TrainingPlan,
          serving: ServingReference | None, progress: Progress) -> TrainingResult:
    """Fit, evaluate and judge each requested model and choose the one to serve.

    Who is asked whether it may replace the serving model, and in which order: `contest`. The
    others are only checked for being empty or not finite. Measures are those on all users of the
    split; the comparison is on those of `judged_users`.

    Raises:
        NothingToTrainOn: fewer than `LEAST_ENTRIES` entries.
        InvalidField: an unknown model, hyperparameter or split.
    """
    if plan.split not in JUDGING_SPLITS:
        raise InvalidField("split", f"no split named {plan.split} to train by")
    specs = _specs(plan.requests)
    place = {spec.name: at for at, (spec, _) in enumerate(specs)}
    contended = plan.followed is None or plan.followed in place
    fitting, judged, own = _begin(interactions, movies, plan, progress,
                                  serving if contended else None)
    specs.sort(key=lambda request: request[0].name != plan.followed)  # it must not come too late
    candidates, dropped = _trials(fitting, specs, plan.is_late)
    groups = user_groups(fitting.split, plan.people, fitting.tables.genres,
                         fitting.tables.genre_masks)
    opponent = None if serving is None else Opponent(serving, fitting, judged, own)
    contest = Contest(fitting, opponent, judged.rows, groups, plan.bounds, plan.checks)
    heard, late, chosen = contest.hold(candidates, plan.followed, plan.is_late)
    heard.sort(key=lambda judged: place[judged.candidate.spec.name])
    return TrainingResult(tuple(_trained(fitting, one) for one in heard), chosen,
                          (*dropped, *late), groups)


def evaluate_each(
    interactions: Interactions, movies: Sequence[Movie], requests: Sequence[Request],
    split_name: str, progress: Progress, k: int = 10, part: Part = Part.TEST,
    weighting: Weighting = UNWEIGHTED, clock: Callable[[], float] = lambda: 0.0,
    chain: RerankChain = AS_RANKED,
) -> list[EvaluatedModel]:
    """Fit each requested model on the split's training part and measure it; nothing is judged.

    Args:
        clock: gives seconds, for the time that a fit takes.
        chain: reorders the lists, as in serving.

    Raises:
        NothingToTrainOn, InvalidField: as `train` does; any split may be named.
    """
    specs = _specs(requests)
    whole = _whole(interactions, movies, split_name)
    split = held_out(whole, SplitName(split_name), part)
    fitting = _fitting(whole, split, movies, progress, k, weighting, chain)
    evaluated = []
    for spec, overrides in specs:
        began = clock()
        bundle = fitting.trained(spec, overrides)
        fit_s = clock() - began
        evaluated.append(EvaluatedModel(spec.name, fitting.measure(bundle), split.used,
                                        split.requested, fit_s))
    return evaluated


def _specs(requests: Sequence[Request]) -> list[tuple[ModelSpec[Any], Mapping[str, Any]]]:
    for name, _ in requests:
        if name not in MODELS:
            raise InvalidField("models", f"no model named {name}")
    specs = [(MODELS[name], overrides) for name, overrides in requests]
    for spec, overrides in specs:
        spec.configure(overrides)
        spec.check()
    return specs


def _whole(interactions: Interactions, movies: Sequence[Movie], split_name: str) -> Interactions:
    """The entries over all films of the catalogue, once it is clear that they can be used."""
    if split_name not in set(SplitName):
        raise InvalidField("split", f"no split named {split_name}")
    if len(interactions.items) < LEAST_ENTRIES:
        raise NothingToTrainOn(f"{len(interactions.items)} ratings or watches are too few")
    return interactions.with_items(movie.item_id for movie in movies)


def _fitting(whole: Interactions, split: Split, movies: Sequence[Movie], progress: Progress,
             k: int, weighting: Weighting, chain: RerankChain) -> Fitting:
    progress(f"{split.used} split: {len(split.training.items)} entries to fit on, "
             f"{len(split.users)} users to judge by")
    return Fitting(whole, split, movies, tabulate(movies, whole.item_ids), progress, k, weighting,
                   chain)


def _begin(
    interactions: Interactions, movies: Sequence[Movie], plan: TrainingPlan, progress: Progress,
    serving: ServingReference | None,
) -> tuple[Fitting, JudgedUsers, Interactions | None]:
    """What the run shares, whom it judges on, and what the serving model was fitted on."""
    whole = _whole(interactions, movies, plan.split)
    own = None
    known: Bools | None = np.ones(whole.n_users, np.bool_)
    if serving is not None and not serving.same_data:
        own = serving.interactions()
        known = None if own is None else known_users(whole, own)
    split, judged = judging_split(whole, SplitName(plan.split), known)
    fitting = _fitting(whole, split, movies, progress, plan.k, plan.weighting, plan.chain)
    return fitting, judged, own


def _trials(fitting: Fitting, specs: Sequence[tuple[ModelSpec[Any], Mapping[str, Any]]],
            is_late: IsLate) -> tuple[list[Candidate], list[Dropped]]:
    """Each candidate measured; the first in any case, the others while there is time."""
    candidates: list[Candidate] = []
    dropped = []
    for spec, overrides in specs:
        if candidates and is_late():
            dropped.append(Dropped(spec.name, "The time budget was spent before it was begun."))
            fitting.progress(f"{spec.name}: dropped. {dropped[-1].explanation}")
            continue
        trial, found = fitting.trial(spec, overrides)
        candidates.append(Candidate(spec, overrides, found, trial.model.is_finite()))
    return candidates, dropped


def _trained(fitting: Fitting, judged: Judged) -> TrainedModel:
    candidate, split = judged.candidate, fitting.split
    return TrainedModel(
        candidate.spec.name, judged.bundle,
        candidate.spec.hyperparameters(candidate.overrides), candidate.found,
        split.used, split.requested, judged.verdict)
