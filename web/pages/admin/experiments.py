"""Rollouts and experiments, for administrators: begin, watch, move, end."""

from __future__ import annotations

from typing import Annotated

from flask import Response
from pydantic import BaseModel, Field
from werkzeug.wrappers import Response as AnyResponse

from recommender.errors import NotFound
from recommender.experiments.rollout import Rollout, RolloutChange, RolloutEnd, Strategy
from recommender.schemas import ID_PATTERN
from recommender.types import LOADABLE, ModelRecord
from web.operations import Who, page
from web.pages import frame
from web.pages.confirm import ask
from web.pages.forms import form_fields
from web.reading import path_id
from web.request_context import this_request
from web.rollout import EXPERIMENT_NAME, ONLINE_SUCCESS, Experiments
from web.surface import Register, Surface

_HERE = "/admin/experiments"
STRATEGIES = (
    (Strategy.CANARY.value, "canary: more users step by step, back when anything gets worse"),
    (Strategy.AB_TEST.value, "A/B test: the same part of the users all the time"),
    (Strategy.SHADOW.value, "shadow: asked behind, never shown"),
)
_OUTCOMES = {
    RolloutEnd.PROMOTED: "ok", RolloutEnd.ROLLED_BACK: "bad", RolloutEnd.STOPPED: "off",
    RolloutEnd.SUPERSEDED: "off",
}


class RolloutForm(BaseModel):
    """A rollout to begin, or the running one with another percentage."""

    strategy: Strategy
    candidate: Annotated[str, Field(pattern=ID_PATTERN)] | None = None
    percentage: float | None = Field(default=None, gt=0, le=100, allow_inf_nan=False)
    diversity: float | None = Field(default=None, ge=0, le=1, allow_inf_nan=False)
    name: str | None = Field(default=None, pattern=EXPERIMENT_NAME)


class ExperimentPages:
    """Reads the store; changes go through the control."""

    def __init__(self, surface: Surface, experiments: Experiments) -> None:
        self._experiments = experiments
        self._allow_list = surface.services.allow_list
        self._now_ms = surface.services.now_ms
        self._actor = surface.access.actor

    def experiments(self) -> Response:
        """What runs, what was found, what ran."""
        rollouts = self._experiments.rollouts
        success = self._experiments.reports.read(ONLINE_SUCCESS) or {}
        current = rollouts.current()
        records = {record.version_id: record for record in self._allow_list.records()}
        return frame.page(
            "admin/experiments.html", rollout=current,
            plan=self._experiments.plan(self._allow_list.serving(), success), strategies=STRATEGIES,
            candidates=[("", "the serving model itself, its lists more diverse"), *(
                (r.version_id, f"{_named(r)}, {r.status.value}") for r in records.values()
                if r.status in LOADABLE)],
            past=[(one, badge_of(one)) for one in rollouts.all() if not one.running],
            success=success.get("versions", []), holdout=success.get("holdout"),
            name_of=lambda version: _named(records[version]) if version in records else version,
            now_ms=self._now_ms(),
        )  # fmt: skip

    def experiment(self, name: str) -> Response:
        """One of them."""
        found = self._experiments.rollouts.find(path_id("name", name))
        if found is None:
            raise NotFound(f"there is no experiment {name}")
        return frame.page("admin/experiment.html", rollout=found, badge=badge_of(found))

    def update(self) -> AnyResponse:
        """Begin or move a rollout."""
        form = form_fields(RolloutForm, this_request())
        question = (f"Begin {form.strategy.value} with {form.candidate or 'the serving model'}? "
                    "A rollout of another candidate ends.")
        if asked := ask(question, "Begin", _HERE):
            return asked
        running = self._experiments.control.update(
            RolloutChange(form.strategy, form.candidate, form.percentage, form.diversity,
                          form.name), self._actor())
        frame.notice("No rollout runs." if running is None else
                     f"{running.name} runs at {running.percentage:g} %.")
        return frame.see("admin_experiments.experiments")

    def stop(self) -> AnyResponse:
        """End the rollout: the stable model serves everybody."""
        if asked := ask("End the rollout? The stable model serves everybody.", "End", _HERE):
            return asked
        self._experiments.control.update(RolloutChange(Strategy.FIXED), self._actor())
        frame.notice("The rollout has ended; the stable model serves everybody.")
        return frame.see("admin_experiments.experiments")


def badge_of(rollout: Rollout) -> tuple[str, str]:
    """A word for how it stands, and its colour."""
    if rollout.outcome is None:
        return "running", "warn"
    return rollout.outcome.value.replace("_", " "), _OUTCOMES[rollout.outcome]


def _named(record: ModelRecord) -> str:
    return f"{record.name}, version {record.version}"


def topic(experiments: Experiments) -> Register:
    """These pages over `experiments`, for `create_app`."""

    def register(surface: Surface) -> None:
        pages = ExperimentPages(surface, experiments)
        surface.table.topic("admin_experiments", (
            (page("GET", _HERE, "Experiments", Who.ADMIN, menu="Experiments"), pages.experiments),
            (page("GET", f"{_HERE}/<name>", "One experiment", Who.ADMIN), pages.experiment),
            (page("POST", f"{_HERE}/update", "Begin or move a rollout", Who.ADMIN), pages.update),
            (page("POST", f"{_HERE}/stop", "End the rollout", Who.ADMIN), pages.stop),
        ))

    return register
