"""Models, for administrators: list, look, switch, retrain, roll back."""

from __future__ import annotations

from flask import Response

from recommender.errors import NotFound
from recommender.retraining import RetrainStatus
from recommender.types import AUTOMATIC, ServingChoice
from web.answers import (
    ModelAnswer,
    ModelsAnswer,
    RetrainRequested,
    SwitchAnswer,
    iso_time,
    json_answer,
    model_line,
)
from web.errors import ProblemError
from web.operations import Operation, Who
from web.payloads import SwitchQuery
from web.reading import path_id, query_parameters
from web.request_context import this_request
from web.surface import Surface


class ModelRoutes:
    """Reads the allow-list; changes go through the switch and the retrain job."""

    def __init__(self, surface: Surface) -> None:
        services = surface.services
        self._allow_list = services.allow_list
        self._manifest = services.manifest
        self._switch = services.switch
        self._retrain = services.retrain
        self._access = surface.access

    def models(self) -> Response:
        """All models, newest first."""
        serving = self._allow_list.serving()
        return json_answer({
            "serving": None if serving is None else serving.version_id,
            "next": self._next_served(),
            "models": [model_line(record) for record in self._allow_list.records()],
            "retrain": _retrain_answer(self._retrain.status()),
        })

    def model(self, version: str) -> Response:
        """One model by version id, integer version or name."""
        record = self._allow_list.find(path_id("version", version))
        if record is None:
            raise NotFound(f"there is no model {version}")
        manifest = self._manifest(record.version_id)
        return json_answer({
            "model": model_line(record),
            "manifest": None if manifest is None else dict(manifest),
        })

    def switch(self) -> Response:
        """Serve another model."""
        reference = query_parameters(SwitchQuery, this_request()).model
        served = self._switch.switch(reference, self._access.actor())
        return self._now_serving("switched", served.version_id)

    def rollback(self, version: str) -> Response:
        """Go back to an earlier model."""
        served = self._switch.rollback(path_id("version", version), self._access.actor())
        return self._now_serving("rolled_back", served.version_id)

    def retrain(self) -> Response:
        """Start a retrain."""
        answer = self._retrain.request("asked for", self._access.actor())
        if not answer.started:
            raise ProblemError(409, "a retrain is under way already")
        return json_answer({"status": "accepted", "retrain": _retrain_answer(answer.status)}, 202)

    def _next_served(self) -> dict[str, object]:
        choice = self._allow_list.choice() or ServingChoice(AUTOMATIC)
        return {"held": choice.held, "automatic": choice.automatic,
                "follows": None if choice.automatic else choice.name}

    def _now_serving(self, status: str, version_id: str) -> Response:
        record = self._allow_list.find(version_id)
        if record is None:
            raise NotFound(f"there is no model {version_id}")
        return json_answer({"status": status, "model": model_line(record)})


def _retrain_answer(status: RetrainStatus) -> dict[str, object]:
    started_ms, finished_ms = status.started_at_ms, status.finished_at_ms
    return {
        "running": status.running,
        "reason": status.reason,
        "started_at": None if started_ms is None else iso_time(started_ms),
        "finished_at": None if finished_ms is None else iso_time(finished_ms),
        "seconds": status.seconds,
        "outcome": status.outcome,
        "progress": dict(status.progress),
    }


def register(surface: Surface) -> None:
    """Add these routes."""
    routes = ModelRoutes(surface)
    retrain = surface.limits.special(surface.options.retrain_limit, routes.retrain)
    surface.table.topic("models", (
        (Operation("GET", "/models", "All models, what serves next, and the newest retrain",
                   Who.ADMIN, ModelsAnswer, errors=(503,)), routes.models),
        (Operation("GET", "/models/<version>", "A model and its manifest", Who.ADMIN,
                   ModelAnswer, errors=(404, 503)), routes.model),
        (Operation("POST", "/switch", "Serve another model: later trainings follow a name, "
                   "a version holds, `automatic` lets each training choose",
                   Who.ADMIN, SwitchAnswer, query=SwitchQuery, errors=(404, 409, 503)),
         routes.switch),
        (Operation("POST", "/models/retrain", "Retrain now", Who.ADMIN, RetrainRequested,
                   status=202, errors=(409, 503)), retrain),
        (Operation("POST", "/models/<version>/rollback", "Go back to an earlier model",
                   Who.ADMIN, SwitchAnswer, errors=(404, 409, 503)), routes.rollback),
    ))
