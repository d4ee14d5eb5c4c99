"""Who a visitor is: a user id in the session, drawn at random unless any may be chosen."""

from __future__ import annotations

from uuid import uuid4

from recommender.errors import NotFound
from recommender.schemas import Columns
from web.pages import sessions
from web.reading import path_id
from web.surface import Surface

_OWN = "visitor-"
_LATEST_EVENTS = 300
_LATELY = 6
_LATELY_KEPT_MS = 60_000


class Visitors:
    """Where client keys are required a visitor has an id of their own and can take no other.

    Nobody may read the history of someone else; only in development are all open to look at.
    """

    def __init__(self, surface: Surface) -> None:
        self.may_choose = not surface.options.client_keys_required
        self._store = surface.services.store
        self._now_ms = surface.services.now_ms
        self._lately: tuple[int, tuple[str, ...]] = -_LATELY_KEPT_MS, ()

    def current(self) -> str | None:
        """The user id of this visitor, None before they did anything."""
        user_id = sessions.visitor()
        if user_id is None or self.may_choose or user_id.startswith(_OWN):
            return user_id
        return None  # chosen while any could be

    def settle(self) -> str:
        """The user id of this visitor; a new one when they have none."""
        user_id = self.current()
        if user_id is None:
            user_id = f"{_OWN}{uuid4()}"
            sessions.become(user_id)
        return user_id

    def choose(self, user_id: str) -> None:
        """Go by the id of an existing user.

        Raises:
            NotFound: choosing is not allowed here, or nothing is known of the user.
            InvalidField: it is no id.
        """
        if not self.may_choose:
            raise NotFound("users cannot be chosen here")
        if self._store.history(path_id("user_id", user_id)).version == 0:
            raise NotFound(f"user_id {user_id} has no history")
        sessions.become(user_id)

    def forget(self) -> None:
        """Go by no id on this device; what is known of it stays known."""
        sessions.become(None)

    def lately(self) -> tuple[str, ...]:
        """Some users who did something lately, as examples; none where none may be chosen."""
        if not self.may_choose:
            return ()
        at_ms, found = self._lately
        now_ms = self._now_ms()
        if now_ms - at_ms >= _LATELY_KEPT_MS:
            found = self._read_lately()
            self._lately = now_ms, found
        return found

    def _read_lately(self) -> tuple[str, ...]:
        after = max(0, self._store.last_sequence() - _LATEST_EVENTS)
        newest = next(self._store.event_chunks(after, _LATEST_EVENTS), None)
        if newest is None:
            return ()
        users = dict.fromkeys(newest[Columns.USER].tolist()[::-1])
        return tuple(user for user in users if not user.startswith(_OWN))[:_LATELY]
