"""Looks at the running rollout: reports an A/B test, moves a canary on or back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from threading import Lock
from typing import Any

import structlog

from recommender.audit.documents import instant
from recommender.bundle import ModelBundle
from recommender.errors import FairreelError, RolloutConflict
from recommender.experiments.canary import (
    ALPHA,
    Act,
    CanaryDecision,
    decide,
    judged_steps,
    step_after,
)
from recommender.experiments.canary_rows import canary_sums
from recommender.experiments.online_success import success_of
from recommender.experiments.report import SCHEMA_VERSION, ArmData, experiment_report
from recommender.experiments.rollout import (
    CANDIDATE_ARM,
    STABLE_ARM,
    Rollout,
    RolloutEnd,
    Strategy,
)
from recommender.experiments.sample_ratio import sample_ratio
from recommender.ports import EventStore, Rollouts
from recommender.ports.answer_window import AnswerWindow
from recommender.ports.experiments import ExperimentMetrics, ExperimentReports
from recommender.serving_state import ServedModel
from workers.arm_records import ArmRecords
from workers.experiment_events import ExperimentEvents
from workers.online_success import ONLINE_SUCCESS
from workers.rollout_control import RolloutControl

_log = structlog.get_logger(__name__)
ACTOR = "canary"
AB_TEST_RESULTS = "ab_test_results"


@dataclass(frozen=True, slots=True)
class JudgeOptions:
    """window_ms: within which a watch is a success. alpha: of a false rollback, over everything.
    users_min: users an arm before a metric is judged. relative_effect: of an A/B test."""

    window_ms: int = 30 * 60 * 1000
    alpha: float = ALPHA
    users_min: int = 50
    relative_effect: float = 0.05


class ExperimentJudge:
    """One look each time; runs of it never overlap.

    Args:
        model: the loaded model of an arm, None while it is not loaded.
        activity: ratings and watches of each user so far.
        clock: UTC milliseconds.
    """

    def __init__(
        self, rollouts: Rollouts, control: RolloutControl, window: AnswerWindow, store: EventStore,
        model: Callable[[str], ServedModel[ModelBundle] | None],
        activity: Callable[[], Mapping[str, int]], events: ExperimentEvents,
        metrics: ExperimentMetrics, reports: ExperimentReports, clock: Callable[[], int],
        options: JudgeOptions,
    ) -> None:  # fmt: skip
        self._rollouts = rollouts
        self._control = control
        self._window = window
        self._store = store
        self._model = model
        self._activity = activity
        self._events = events
        self._metrics = metrics
        self._reports = reports
        self._clock = clock
        self._options = options
        self._lock = Lock()
        self._records: tuple[tuple[str, int], ArmRecords] | None = None

    def run(self) -> None:
        """Look once.

        Raises:
            StoreUnavailable: a database does not answer; the next look sees all of it.
        """
        with self._lock:
            rollout = self._rollouts.current()
            if rollout is not None and rollout.strategy is not Strategy.SHADOW:
                self._look(rollout)
            else:
                self._records = None
                self._metrics.arms({})
            self._metrics.rollout(self._rollouts.current())
            self._events.publish()

    def _look(self, rollout: Rollout) -> None:
        model = self._model(rollout.stable)
        if model is None:
            _log.info("experiment_waits_for_its_models", name=rollout.name)
            return
        now_ms = self._clock()
        records = self._records_of(rollout, model.bundle)
        records.read(now_ms)
        self._events.assigned(rollout, records.new_users)
        records.new_users.clear()
        if rollout.strategy is Strategy.AB_TEST:
            self._report(rollout, records, model, now_ms)
        else:
            self._judge(rollout, records, now_ms)

    def _records_of(self, rollout: Rollout, bundle: ModelBundle) -> ArmRecords:
        step = rollout.name, rollout.step_since_ms
        if self._records is None or self._records[0] != step:
            # Groups are those of before the step: an arm must not move its users to another.
            self._records = step, ArmRecords(
                self._window, self._store, rollout.step_since_ms, (STABLE_ARM, CANDIDATE_ARM),
                bundle, self._activity(), self._options.window_ms, rollout.arm_of)
        return self._records[1]

    # --- A/B test

    def _report(self, rollout: Rollout, records: ArmRecords, model: ServedModel[ModelBundle],
                now_ms: int) -> None:
        a, b = (self._arm(rollout, records, arm, now_ms) for arm in (STABLE_ARM, CANDIDATE_ARM))
        report: dict[str, Any] = {
            "schema_version": SCHEMA_VERSION, "experiment": rollout.name,
            "generated_at": instant(now_ms), "data_snapshot_id": model.data_snapshot_id,
            "model_version": rollout.stable,
            "window": {"from": instant(rollout.step_since_ms), "to": instant(now_ms),
                       "watched_within_s": self._options.window_ms // 1000},
            "users_in_both_arms_left_out": records.crossed,
        } | experiment_report(a, b, records.films(), self._options.relative_effect,
                              expected=self._expected(rollout.stable))
        self._metrics.arms({
            arm: {name: found[key] for name, found in report["further"].items()
                  if found[key] is not None}
            for arm, key in ((STABLE_ARM, "a"), (CANDIDATE_ARM, "b"))})
        self._rollouts.note_results(rollout.name, report)
        self._reports.write(AB_TEST_RESULTS, report)

    def _expected(self, version_id: str) -> float | None:
        return success_of(version_id, self._reports.read(ONLINE_SUCCESS))

    def _arm(self, rollout: Rollout, records: ArmRecords, arm: str, now_ms: int) -> ArmData:
        raters, ratings = records.ratings(arm)
        share = rollout.candidate_percentage
        of_candidate = arm == CANDIDATE_ARM
        return ArmData(arm, rollout.candidate if of_candidate else rollout.stable,
                       share if of_candidate else 100.0 - share, records.rows(arm, now_ms),
                       raters, ratings)

    # --- canary

    def _judge(self, rollout: Rollout, records: ArmRecords, now_ms: int) -> None:
        rows = {arm: records.rows(arm, now_ms) for arm in (STABLE_ARM, CANDIDATE_ARM)}
        films = records.films()
        users = [len(set(of.users.tolist())) for of in rows.values()]
        share = rollout.candidate_percentage
        ratio = sample_ratio(users, (100.0 - share, share))
        sums = {arm: canary_sums(of, films) for arm, of in rows.items()}
        self._metrics.arms({arm: {name: one.mean for name, one in of.items()
                                  if one.mean is not None} for arm, of in sums.items()})
        decision = decide(
            sums[STABLE_ARM], sums[CANDIDATE_ARM],
            judged_steps(rollout.steps), self._options.alpha, users_min=self._options.users_min)
        if ratio.blocks and decision.act is Act.PROMOTE:
            decision = CanaryDecision(
                Act.HOLD, f"users are not divided as asked (p = {ratio.p_value:.2g}): no "
                "promotion before that is understood", decision.judgements)
        self._rollouts.note_results(rollout.name, {
            "schema_version": SCHEMA_VERSION, "generated_at": instant(now_ms),
            "step": rollout.percentage, "since": instant(rollout.step_since_ms),
            "act": decision.act.value, "reason": decision.reason,
            "answers": {arm: len(of) for arm, of in rows.items()},
            "users": dict(zip(rows, users, strict=True)),
            "sample_ratio": asdict(ratio) | {"blocks": ratio.blocks},
            "metrics": [asdict(judgement) for judgement in decision.judgements],
        })
        try:
            self._act(rollout, decision)
        except RolloutConflict as conflict:
            _log.info("canary_overtaken", name=rollout.name, reason=str(conflict))

    def _act(self, rollout: Rollout, decision: CanaryDecision) -> None:
        if decision.act is Act.HOLD:
            _log.info("canary_holds", name=rollout.name, reason=decision.reason)
            return
        if decision.act is Act.ROLL_BACK:
            _log.error("canary_rolled_back", name=rollout.name, candidate=rollout.candidate,
                       reason=decision.reason)
            self._control.end(rollout, RolloutEnd.ROLLED_BACK, ACTOR, decision.reason)
            return
        following = step_after(rollout.percentage, rollout.steps)
        if following is not None and following < 100.0:
            self._control.move(rollout, following, ACTOR, decision.reason)
            return
        try:
            self._control.promote(rollout, ACTOR, decision.reason)
        except RolloutConflict:
            raise
        except FairreelError as error:
            # It may not be loaded any more: going on with it would fail at the next start.
            _log.error("canary_not_promoted", name=rollout.name, reason=str(error))
            self._control.end(rollout, RolloutEnd.ROLLED_BACK, ACTOR, str(error))
            return
