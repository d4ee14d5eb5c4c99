"""What a topic gets to add its routes with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from web.access import Access
from web.limits import AddressLimits
from web.operations import RouteTable
from web.pages.sessions import AdminSession
from web.services import Services, WebOptions


@dataclass(frozen=True, slots=True)
class Surface:
    """The application being made.

    `new_id` makes ids of 36 characters, each above the last; `admin` is the session of who is
    logged in.
    """

    table: RouteTable
    services: Services
    options: WebOptions
    access: Access
    limits: AddressLimits
    new_id: Callable[[], str]
    admin: AdminSession


Register = Callable[[Surface], None]
