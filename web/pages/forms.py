"""Forms of pages: the token against forged requests, and checked fields."""

from __future__ import annotations

from typing import Annotated, TypeVar

from flask_wtf.csrf import generate_csrf, validate_csrf
from pydantic import BaseModel, BeforeValidator, Field
from wtforms.validators import ValidationError as CsrfRefused

from recommender.schemas import ID_PATTERN
from web.errors import ProblemError
from web.request_context import ApiRequest


def _empty_is_none(value: object) -> object:
    return (value.strip() or None) if isinstance(value, str) else value


OptionalId = Annotated[
    Annotated[str, Field(pattern=ID_PATTERN)] | None, BeforeValidator(_empty_is_none)]
"""An id of a search form, None when its field is left empty."""
Before = Annotated[
    Annotated[int, Field(ge=1, le=2**62)] | None, BeforeValidator(_empty_is_none)]
"""Where a page of a long list begins: below this number; None for the newest."""
_Form = TypeVar("_Form", bound=BaseModel)
FIELD = "csrf_token"
_HEADER = "X-CSRF-Token"


class ForgedForm(ProblemError):
    """A form without this session's token."""

    def __init__(self) -> None:
        super().__init__(400, "this form is too old or was not sent from this page; "
                              "go back, reload the page and try again")


def token() -> str:
    """The token of this session, for a hidden field."""
    made: str = generate_csrf()
    return made


def check_token(request: ApiRequest) -> None:
    """Let a form of this session's own pages pass.

    Raises:
        ForgedForm: it has no token, or another session's, or an old one.
    """
    try:
        validate_csrf(request.headers.get(_HEADER) or request.form.get(FIELD))
    except CsrfRefused:
        raise ForgedForm from None


def form_fields(model: type[_Form], request: ApiRequest) -> _Form:
    """The fields that `model` knows; one left empty counts as not given.

    Raises:
        pydantic.ValidationError: one is not acceptable.
    """
    given = {name: value for name, value in request.form.items()
             if name in model.model_fields and value != ""}
    return model.model_validate(given)
