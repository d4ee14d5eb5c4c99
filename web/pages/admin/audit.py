"""The audit log: who did what, newest first."""

from __future__ import annotations

from typing import Any

from flask import Response, url_for
from pydantic import BaseModel, Field

from recommender.review import AuditFilter
from web.operations import Who, page
from web.pages import frame
from web.pages.forms import Before
from web.reading import query_parameters
from web.request_context import this_request
from web.surface import Surface


class AuditQuery(BaseModel):
    """Parts of the actor and of the action; empty for all."""

    actor: str = Field(default="", max_length=128)
    action: str = Field(default="", max_length=64)
    before: Before = None


class AuditPages:
    """Reads the log; nothing here changes it."""

    def __init__(self, surface: Surface) -> None:
        self._audit_log = surface.services.audit_log

    def audit(self) -> Response:
        """A page of entries."""
        query = query_parameters(AuditQuery, this_request())
        wanted = AuditFilter(query.actor.strip(), query.action.strip())
        found = self._audit_log.search(wanted, query.before)
        kept: dict[str, Any] = {"actor": wanted.actor, "action": wanted.action}
        here = "admin_audit.audit"
        return frame.page(
            "admin/audit.html", query=query, found=found,
            newest=url_for(here, **kept) if query.before else None,
            older=None if found.older is None else url_for(here, before=found.older, **kept),
        )  # fmt: skip


def register(surface: Surface) -> None:
    """Add these routes."""
    surface.table.topic("admin_audit", (
        (page("GET", "/admin/audit", "The audit log", Who.ADMIN, menu="Audit log"),
         AuditPages(surface).audit),
    ))
