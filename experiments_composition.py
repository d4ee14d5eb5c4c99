"""Builds rollouts and all that looks at them from the settings, for the server."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import orjson

from adapters.answer_window import SqlAnswerWindow
from adapters.experiment_metrics import PrometheusExperimentMetrics
from adapters.report_files import ReportFiles
from adapters.response_log import SqlResponseLog
from adapters.rollouts import SqlRollouts
from adapters.telemetry import PrometheusTelemetry
from adapters.user_activity import user_activity
from clock import now_ms
from composition import StoreSide
from recommender.bundle import ModelBundle
from recommender.experiments.rollout import Rollout
from recommender.experiments.rollout_choice import RolloutChoice
from recommender.ports import EventBus
from recommender.serving import RecommendOptions, recommend
from recommender.serving_configuration import Reranking, ServeNewest, ServingConfiguration
from recommender.serving_state import ServedModel, ServingState
from recommender.types import History, ModelRecord
from settings import Settings
from web import rollout
from web.pages.admin import drift as drift_page
from web.pages.admin import experiments as experiment_pages
from web.pages.admin.drift import DRIFT_REPORT
from web.recommendation_answer import EncodedAnswer
from web.surface import Register
from workers.drift import DriftJob
from workers.experiment_events import ExperimentEvents
from workers.experiment_judge import AB_TEST_RESULTS, ExperimentJudge, JudgeOptions
from workers.model_watch import ModelWatch
from workers.online_success import ONLINE_SUCCESS, OnlineSuccess
from workers.retrain import Retrainer
from workers.rollout_control import RolloutControl
from workers.rollout_switch import SwitchEndsRollout
from workers.rollout_watch import RolloutWatch
from workers.shadow import Shadow

Configured = ServingConfiguration[ModelBundle]
Request = tuple[RecommendOptions, EncodedAnswer]


@dataclass(frozen=True)
class ExperimentSide:
    """`choice` decides by what a user is answered; `observe` is told of each answer."""

    rollouts: SqlRollouts
    choice: RolloutChoice[Configured]
    switch: SwitchEndsRollout[ModelBundle]
    watch: RolloutWatch[ModelBundle, Configured]
    judge: ExperimentJudge
    success: OnlineSuccess
    shadow: Shadow[Configured, Request]
    drift: DriftJob
    metrics: PrometheusExperimentMetrics
    topics: tuple[Register, ...]

    def observe(self, user_id: str, options: RecommendOptions, answer: EncodedAnswer) -> None:
        """Hand an answer on to the shadow."""
        self.shadow.offer(user_id, (options, answer))

    def jobs(self) -> dict[str, Callable[[], object]]:
        """What the schedule runs, by the name of the job."""
        return {"rollout_watch": self.watch.check, "experiment_judge": self._judge,
                "online_success": self.success.run, "drift": self.drift.run}

    def left(self) -> dict[str, Callable[[], object]]:
        """What is taken back when another replica runs the job: gauges of an earlier run here."""
        return {"experiment_judge": lambda: self.metrics.arms({}),
                "drift": lambda: self.metrics.drift({}, ())}

    def _judge(self) -> None:
        self.judge.run()
        self.shadow.tell()


def open_experiments(
    settings: Settings, side: StoreSide, bus: EventBus, responses: SqlResponseLog,
    telemetry: PrometheusTelemetry, serving: ServingState[ModelBundle],
    model_watch: ModelWatch[ModelBundle],
    load_model: Callable[[ModelRecord], ServedModel[ModelBundle]],
    load_history: Callable[[str], History], reranking: Reranking,
    retrainer: Retrainer, forget_lists: Callable[[], None], drift_command: tuple[str, ...],
) -> ExperimentSide:  # fmt: skip
    """All of it; nothing runs yet."""
    rollouts = SqlRollouts(side.engine)
    metrics = PrometheusExperimentMetrics(telemetry.registry)
    reports = ReportFiles({
        AB_TEST_RESULTS: settings.ab_test_results_file,
        ONLINE_SUCCESS: settings.outputs_folder / "online_success.json",
        DRIFT_REPORT: settings.outputs_folder / "drift_report.json",
    })
    events = ExperimentEvents(bus, now_ms)
    control = RolloutControl(
        rollouts, side.allow_list, side.audit, load_model, _told(events, metrics), now_ms,
        lambda: secrets.token_hex(16), tuple(settings.canary_steps_percent),
        settings.ab_test_diversity)
    choice = RolloutChoice[Configured](
        ServeNewest(serving, reranking.chain), ServingConfiguration.unpersonal,
        settings.holdout_percent / 100.0, settings.holdout_salt)
    shadow = Shadow[Configured, Request](
        load_history, _ranks(reranking), _shown, rollouts, metrics,
        settings.shadow_requests_per_second, settings.shadow_queue_max, now_ms)
    watch = RolloutWatch[ModelBundle, Configured](
        rollouts, side.allow_list, control, load_model, serving, choice, _configures(reranking),
        shadow.follow, forget_lists)
    window, window_ms = SqlAnswerWindow(responses.engine), settings.online_success_window_s * 1000
    judge = ExperimentJudge(
        rollouts, control, window, side.store, watch.loaded,
        lambda: user_activity(side.engine), events, metrics, reports, now_ms,
        JudgeOptions(window_ms, settings.canary_alpha, settings.canary_users_min,
                     settings.experiment_relative_effect))
    success = OnlineSuccess(window, side.store, metrics, reports, now_ms, window_ms,
                            settings.online_success_over_s * 1000)
    def newest_model_ms() -> int | None:
        records = side.allow_list.records()
        return records[0].created_at_ms if records else None

    drift = DriftJob(drift_command, settings.training_timeout_s, metrics, retrainer.request,
                     newest_model_ms, settings.drift_retrain_pause_s, now_ms)
    shown = rollout.Experiments(rollouts, watch, reports, settings.experiment_relative_effect)
    return ExperimentSide(
        rollouts, choice, SwitchEndsRollout(model_watch, rollouts, control), watch, judge, success,
        shadow, drift, metrics,
        (rollout.topic(shown), experiment_pages.topic(shown), drift_page.topic(reports)))


def _told(events: ExperimentEvents,
          metrics: PrometheusExperimentMetrics) -> Callable[[Rollout], None]:
    def told(changed: Rollout) -> None:
        events.decided(changed)
        if changed.outcome is not None:
            metrics.rollout_ended(changed.outcome.value)

    return told


def _configures(
    reranking: Reranking,
) -> Callable[[ServedModel[ModelBundle], str, float | None], Configured]:
    def configured(served: ServedModel[ModelBundle], arm: str,
                   diversity: float | None) -> Configured:
        plain = ServingConfiguration(served, reranking.chain, arm)
        if diversity is None:
            return plain
        return plain.with_diversity(reranking.diversity, diversity, arm)

    return configured


def _ranks(
    reranking: Reranking,
) -> Callable[[Configured, History, Request], tuple[str, ...]]:
    def rank(candidate: Configured, history: History, request: Request) -> tuple[str, ...]:
        bundle, (options, _) = candidate.served.bundle, request
        _, conditions = reranking.conditions(candidate.chain, history.user_id, bundle.item_ids)
        return recommend(bundle, history, options, candidate.chain, conditions).item_ids

    return rank


def _shown(request: Request) -> tuple[str, ...]:
    _, answer = request
    body: dict[str, Any] = orjson.loads(answer.text.before + b'"}}')
    return tuple(film["item_id"] for film in body["recommendations"])
