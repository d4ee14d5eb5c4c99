"""Models, for administrators: compare, look into one, retrain, switch, roll back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from flask import Response
from pydantic import BaseModel, Field
from werkzeug.wrappers import Response as AnyResponse

from recommender.errors import NotFound
from recommender.schemas import ID_PATTERN
from recommender.types import AUTOMATIC, LOADABLE, ModelRecord, ModelStatus
from web.operations import Who, page
from web.pages import frame
from web.pages.admin.model_figures import Model, lineage, ndcg_over_versions
from web.pages.confirm import ask
from web.pages.forms import form_fields
from web.reading import path_id
from web.request_context import this_request
from web.surface import Surface

_HERE = "/admin/models"
_NOT_FOR_PEOPLE = frozenset({"at", "event", "explanation", "gauges"})
RETRAIN_QUESTION = (
    "Train all models on the newest data? What serves then follows from the choice made here and "
    "from the gate."
)


class SwitchForm(BaseModel):
    """A version id, an integer version or a name."""

    model: str = Field(pattern=ID_PATTERN)


class RollbackForm(BaseModel):
    """A version id; without it the previous model."""

    version: str | None = Field(default=None, pattern=ID_PATTERN)


class ModelPages:
    """Reads the allow-list and the manifests; changes go through the switch and the retrain job."""

    def __init__(self, surface: Surface) -> None:
        services = surface.services
        self._allow_list = services.allow_list
        self._manifest = services.manifest
        self._switch = services.switch
        self._retrain = services.retrain
        self._now_ms = services.now_ms
        self._actor = surface.access.actor

    def models(self) -> Response:
        """All models, newest first."""
        status = self._retrain.status()
        models = self._models(self._allow_list.records())
        serving = next((m for m in models if m.record.status is ModelStatus.SERVING), None)
        names = list(dict.fromkeys(m.record.name for m in models if m.record.status in LOADABLE))
        return frame.page(
            "admin/models.html", models=models, serving=serving,
            names=[(AUTOMATIC, "the best of each training"), *((name, name) for name in names)],
            choice=self._allow_list.choice(), retrain=status,
            retrain_lines=[line_for_people(line) for line in status.tail],
            previous=next(
                (m for m in models if m.record.status is ModelStatus.PREVIOUS), None),
            charts=[(name, *ndcg_over_versions(models, name))
                    for name in dict.fromkeys(m.record.name for m in models)],
            now_ms=self._now_ms(), retrain_question=RETRAIN_QUESTION,
        )  # fmt: skip

    def model(self, version: str) -> Response:
        """One model: where it comes from, how it was judged, its whole manifest."""
        record = self._allow_list.find(path_id("version", version))
        if record is None:
            raise NotFound(f"there is no model {version}")
        records = self._allow_list.records()
        known = {r.version_id: r for r in records}
        return frame.page(
            "admin/model.html", model=Model(record, self._manifest_of(record)),
            parents=lineage(record, known, self._manifest_of),
            chart=ndcg_over_versions(
                self._models(r for r in records if r.name == record.name), record.name),
            loadable=record.status in LOADABLE, now_ms=self._now_ms(),
        )  # fmt: skip

    def retrain(self) -> AnyResponse:
        """Start a retrain."""
        if asked := ask(RETRAIN_QUESTION, "Retrain now", _HERE):
            return asked
        started = self._retrain.request("asked for", self._actor()).started
        frame.notice("The retrain has begun." if started else "A retrain is under way already.")
        return frame.see("admin_models.models")

    def switch(self) -> AnyResponse:
        """Serve another model."""
        form = form_fields(SwitchForm, this_request())
        if asked := ask(self._switch_question(form.model), "Switch", _HERE):
            return asked
        served = self._switch.switch(form.model, self._actor())
        until = " until the next training chooses" if form.model == AUTOMATIC else ""
        frame.notice(f"{served.name}, version {served.version}, serves from now on{until}.")
        return frame.see("admin_models.models")

    def roll_back(self) -> AnyResponse:
        """Go back to an earlier model and hold it."""
        form = form_fields(RollbackForm, this_request())
        question = f"Go back to {self._told(form.version) or 'the model before'}, and hold it?"
        if asked := ask(question, "Roll back", _HERE):
            return asked
        served = self._switch.rollback(form.version, self._actor())
        frame.notice(f"Rolled back: {served.name}, version {served.version}, serves and is held.")
        return frame.see("admin_models.models")

    def _switch_question(self, model: str) -> str:
        if model == AUTOMATIC:
            return "Serve the best of each training that passes the gate, from now on?"
        version = self._told(model)
        if version is None:
            return f"Serve the newest model of the name {model}, now and after each training?"
        return f"Serve {version}, and hold it?"

    def _told(self, version: str | None) -> str | None:
        record = None if version is None else self._allow_list.find(version)
        if record is None or version == record.name:
            return None
        return f"{record.name}, version {record.version}"

    def _models(self, records: Iterable[ModelRecord]) -> Sequence[Model]:
        return [Model(record, self._manifest_of(record)) for record in records]

    def _manifest_of(self, record: ModelRecord) -> Mapping[str, Any] | None:
        # Those of retired models are gone with their files: nothing to look for.
        return None if record.status is ModelStatus.RETIRED else self._manifest(record.version_id)


def line_for_people(line: Mapping[str, Any]) -> str:
    """A line of a training's log: its time of day, and its text or its fields."""
    time_of_day = str(line.get("at", ""))[11:19]
    text = line.get("text")
    if text is None:
        fields = (f"{k} {v}" for k, v in line.items() if k not in _NOT_FOR_PEOPLE)
        text = f"{line.get('event', '')}: {', '.join(fields)}".removesuffix(": ")
    return f"{time_of_day}  {text}".strip()


def register(surface: Surface) -> None:
    """Add these routes."""
    pages = ModelPages(surface)
    retrain = surface.limits.special(surface.options.retrain_limit, pages.retrain)
    surface.table.topic("admin_models", (
        (page("GET", _HERE, "All models", Who.ADMIN, menu="Models"), pages.models),
        (page("GET", f"{_HERE}/<version>", "One model", Who.ADMIN), pages.model),
        (page("POST", f"{_HERE}/retrain", "Retrain now", Who.ADMIN), retrain),
        (page("POST", f"{_HERE}/switch", "Serve another model", Who.ADMIN), pages.switch),
        (page("POST", f"{_HERE}/rollback", "Go back to an earlier model", Who.ADMIN),
         pages.roll_back),
    ))
