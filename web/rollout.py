"""Rollouts and experiments, for administrators: what runs, what ran, what is to run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Annotated, Any, Protocol

from flask import Response
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from recommender.errors import InvalidField, NotFound
from recommender.experiments.online_success import success_of
from recommender.experiments.power import PowerPlan, power_plan
from recommender.experiments.rollout import Rollout, RolloutChange, Strategy
from recommender.ports import Rollouts
from recommender.ports.experiments import ExperimentReports
from recommender.schemas import ID_PATTERN
from recommender.types import ModelRecord
from web.answers import iso_time, json_answer
from web.operations import Operation, Who
from web.reading import json_body, path_id, query_parameters
from web.request_context import ApiRequest, this_request
from web.strict_json import parse_object
from web.surface import Register, Surface

EXPERIMENT_NAME = r"^[A-Za-z0-9._:-]{1,64}$"
ONLINE_SUCCESS = "online_success"
PLANNED_USERS = (1_000, 10_000, 100_000)
"""Users for whom the least rise that they can show is told before an A/B test begins."""


class RolloutUpdate(Protocol):
    """Changes the rollout. Writes the audit entry under `actor`."""

    def update(self, change: RolloutChange, actor: str) -> Rollout | None:
        """The rollout that runs then, None for none.

        Raises:
            InvalidField, NotFound, ModelRefused, RolloutConflict: nothing was changed.
        """
        ...


@dataclass(frozen=True, slots=True)
class Experiments:
    """What these routes and pages call; `relative_effect` is the change worth knowing."""

    rollouts: Rollouts
    control: RolloutUpdate
    reports: ExperimentReports
    relative_effect: float = 0.05

    def plan(self, serving: ModelRecord | None, success: Mapping[str, Any]) -> PowerPlan:
        """What an A/B test at 50/50 would need, by the success of the serving model lately;
        `success` is the report of it."""
        base = None if serving is None else success_of(serving.version_id, success)
        return power_plan(base, self.relative_effect, PLANNED_USERS)


def _decimal(value: object) -> object:
    return str(value) if type(value) is int else value


def _no_bool(value: object) -> object:
    if isinstance(value, bool):
        raise PydanticCustomError("number", "must be a number")
    return value


class RolloutRequest(BaseModel):
    """What is to run; by query or by JSON. A name that is none of these is refused: a percentage
    written wrong must not begin a rollout at another one."""

    model_config = ConfigDict(extra="forbid")

    strategy: Strategy = Field(description="fixed, given alone, ends what runs: the stable "
                               "model serves all; /switch serves another")
    canary_version: Annotated[
        str, BeforeValidator(_decimal), Field(pattern=ID_PATTERN)] | None = Field(
        default=None, description="the candidate: version id, integer version or model name; an "
        "A/B test without one compares the serving model with its own diversity boost")
    canary_percentage: Annotated[float, BeforeValidator(_no_bool)] | None = Field(
        default=None, gt=0, le=100, allow_inf_nan=False,
        description="users who get the candidate; default: the first step of a canary, half of "
        "them in an A/B test, all requests in shadow")
    diversity: Annotated[float, BeforeValidator(_no_bool)] | None = Field(
        default=None, ge=0, le=1, allow_inf_nan=False,
        description="strength of the diversity boost of the candidate's arm, in an A/B test or "
        "a shadow; no canary has one, for what it promotes is a model")
    name: str | None = Field(default=None, pattern=EXPERIMENT_NAME,
                             description="of the experiment; default: made from the rest")

    def change(self) -> RolloutChange:
        """The same for the domain."""
        return RolloutChange(self.strategy, self.canary_version, self.canary_percentage,
                             self.diversity, self.name)


class RolloutLine(BaseModel):
    """A rollout."""

    name: str
    strategy: str
    stable_version: str
    canary_version: str
    canary_percentage: float
    diversity: float | None
    steps: list[float]
    running: bool
    outcome: str | None
    reason: str
    changed_by: str
    started_at: str
    step_since: str
    ended_at: str | None


class PlanLine(BaseModel):
    """What an A/B test at 50/50 needs at a power of 80 %: null while no success is known.

    `detectable` are pairs of users in both arms and the least rise of success they can show.
    """

    base: float | None
    relative_effect: float
    share_b: float
    needed_users_z_test: int | None
    needed_users_always_valid: int | None
    detectable: list[tuple[int, float | None]]


class RolloutAnswer(BaseModel):
    """The strategy in force; `rollout` is null for `fixed`, `results` are of the last look.

    `holdout` is the online success of lists without personalisation, null when there are none.
    """

    strategy: str
    rollout: RolloutLine | None
    results: dict[str, Any]
    online_success: list[dict[str, Any]]
    holdout: dict[str, Any] | None
    ab_test_plan: PlanLine


class ExperimentsAnswer(BaseModel):
    """All rollouts, newest first."""

    experiments: list[RolloutLine]


class ExperimentAnswer(BaseModel):
    """One rollout and what was last found."""

    experiment: RolloutLine
    results: dict[str, Any]


def rollout_line(rollout: Rollout) -> dict[str, Any]:
    """A rollout as `RolloutLine`."""
    ended_ms = rollout.ended_at_ms
    return {
        "name": rollout.name, "strategy": rollout.strategy.value,
        "stable_version": rollout.stable, "canary_version": rollout.candidate,
        "canary_percentage": rollout.percentage, "diversity": rollout.diversity,
        "steps": list(rollout.steps), "running": rollout.running,
        "outcome": None if rollout.outcome is None else rollout.outcome.value,
        "reason": rollout.reason, "changed_by": rollout.changed_by,
        "started_at": iso_time(rollout.started_at_ms),
        "step_since": iso_time(rollout.step_since_ms),
        "ended_at": None if ended_ms is None else iso_time(ended_ms),
    }


def rollout_request(request: ApiRequest) -> RolloutRequest:
    """From the query or, when there is a body, from its JSON.

    Raises:
        InvalidField: both are given, or the query has a name that is no parameter.
        MalformedJson, ProblemError, pydantic.ValidationError: not acceptable.
    """
    if not request.content_length and "Transfer-Encoding" not in request.headers:
        unknown = next((name for name in request.args if name not in RolloutRequest.model_fields),
                       None)
        if unknown is not None:
            raise InvalidField(unknown, "is no parameter of this call")
        return query_parameters(RolloutRequest, request)
    if request.args:
        raise InvalidField(next(iter(request.args)), "is in the query, and there is a body too")
    return RolloutRequest.model_validate(parse_object(json_body(request)))


class RolloutRoutes:
    """Reads the store; changes go through the control."""

    def __init__(self, surface: Surface, experiments: Experiments) -> None:
        self._experiments = experiments
        self._allow_list = surface.services.allow_list
        self._actor = surface.access.actor

    def status(self) -> Response:
        """What runs."""
        return self._state(self._experiments.rollouts.current())

    def update(self) -> Response:
        """Begin, move or end a rollout."""
        change = rollout_request(this_request()).change()
        return self._state(self._experiments.control.update(change, self._actor()))

    def experiments(self) -> Response:
        """All, newest first."""
        found = self._experiments.rollouts.all()
        return json_answer({"experiments": [rollout_line(rollout) for rollout in found]})

    def experiment(self, name: str) -> Response:
        """One, with what was found."""
        found = self._experiments.rollouts.find(path_id("name", name))
        if found is None:
            raise NotFound(f"there is no experiment {name}")
        return json_answer({"experiment": rollout_line(found), "results": dict(found.results)})

    def _state(self, rollout: Rollout | None) -> Response:
        success = self._experiments.reports.read(ONLINE_SUCCESS) or {}
        plan = self._experiments.plan(self._allow_list.serving(), success)
        return json_answer({
            "strategy": (Strategy.FIXED if rollout is None else rollout.strategy).value,
            "rollout": None if rollout is None else rollout_line(rollout),
            "results": {} if rollout is None else dict(rollout.results),
            "online_success": success.get("versions", []), "holdout": success.get("holdout"),
            "ab_test_plan": asdict(plan),
        })


def topic(experiments: Experiments) -> Register:
    """These routes over `experiments`, for `create_app`."""

    def register(surface: Surface) -> None:
        routes = RolloutRoutes(surface, experiments)
        surface.table.topic("rollout", (
            (Operation("GET", "/rollout/status", "The strategy in force and what was found",
                       Who.ADMIN, RolloutAnswer, errors=(503,)), routes.status),
            (Operation("POST", "/rollout/update", "Begin, move or end a rollout; by query or "
                       "JSON", Who.ADMIN, RolloutAnswer, query=RolloutRequest,
                       body=(RolloutRequest,), body_required=False, errors=(404, 409, 503)),
             routes.update),
            (Operation("GET", "/experiments", "All rollouts, newest first", Who.ADMIN,
                       ExperimentsAnswer, errors=(503,)), routes.experiments),
            (Operation("GET", "/experiments/<name>", "A rollout and what was found", Who.ADMIN,
                       ExperimentAnswer, errors=(404, 503)), routes.experiment),
        ))

    return register
