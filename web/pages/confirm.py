"""Asking before an act that matters: by the script, else by a page of its own."""

from __future__ import annotations

from flask import Response

from web.pages import frame
from web.pages.forms import FIELD
from web.request_context import this_request

SURE = "sure"


def ask(question: str, button: str, back: str) -> Response | None:
    """A page that asks and sends the same form again; None when it was asked already.

    `back` is the page to go to instead.
    """
    form = this_request().form
    if form.get(SURE) == "yes":
        return None
    kept = [(name, value) for name, value in form.items(multi=True) if name not in (FIELD, SURE)]
    return frame.page("confirm.html", question=question, button=button, back=back, kept=kept)
