"""Taking a person out, asked for on a page; it runs behind the request."""

from __future__ import annotations

from flask import Response
from pydantic import BaseModel, Field
from werkzeug.wrappers import Response as AnyResponse

from recommender.schemas import ID_PATTERN
from web.operations import Who, page
from web.pages import frame
from web.pages.confirm import ask
from web.pages.forms import form_fields
from web.request_context import this_request
from web.surface import Surface

_HERE = "/admin/erase"


class EraseForm(BaseModel):
    """Whom."""

    user_id: str = Field(pattern=ID_PATTERN)


class ErasurePages:
    """The id is in the form and its answer only: never in an address, a log or the audit log."""

    def __init__(self, surface: Surface) -> None:
        self._erasure = surface.services.erasure
        self._actor = surface.access.actor

    def form(self) -> Response:
        """The form, and what came of the last one."""
        return frame.page("admin/erase.html", state=self._erasure.state())

    def erase(self) -> AnyResponse:
        """Ask, then begin."""
        form = form_fields(EraseForm, this_request())
        question = (f"Remove all that is stored of user {form.user_id}: events, history, answers, "
                    "dead letters, snapshots? Keys bound to the user end. It cannot be undone.")
        if asked := ask(question, "Erase", _HERE):
            return asked
        if self._erasure.request(form.user_id, self._actor()):
            frame.notice("The erasure has begun; reload this page to see what came of it.")
        else:
            frame.notice("Another erasure is under way; try again when it has ended.")
        return frame.see("admin_erase.form")


def register(surface: Surface) -> None:
    """Add these routes."""
    pages = ErasurePages(surface)
    surface.table.topic("admin_erase", (
        (page("GET", _HERE, "Erase a user", Who.ADMIN, menu="Erase"), pages.form),
        (page("POST", _HERE, "Begin to erase a user", Who.ADMIN), pages.erase),
    ))
