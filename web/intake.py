"""Takes checked events in: on disk before it returns, and counted."""

from __future__ import annotations

from collections.abc import Sequence

from recommender.errors import NotFound
from recommender.types import Acceptance, Event, Outcome
from web.errors import FieldError, ProblemError
from web.services import Services

OTHER_CONTENT = "an event of this id was accepted with other content"
OVER_QUOTA = "more ratings in an hour than an account may give"
UNKNOWN_FILM = "is not in the catalogue"


class Intake:
    """The outbox behind the rules of the door; `any_film` takes events about unknown films too."""

    def __init__(self, services: Services, any_film: bool) -> None:
        self._outbox = services.outbox
        self._catalogue = services.catalogue
        self._telemetry = services.telemetry
        self._any_film = any_film

    def takes(self, item_id: str) -> bool:
        """Whether events about this film are taken."""
        return self._any_film or self._catalogue.movie(item_id) is not None

    def accept(self, events: Sequence[Event]) -> list[Acceptance]:
        """What became of each event.

        Raises:
            StoreUnavailable: nothing was kept.
        """
        acceptances = self._outbox.accept(events) if events else []
        outcomes = [acceptance.outcome for acceptance in acceptances]
        if accepted := outcomes.count(Outcome.ACCEPTED):
            self._telemetry.events_accepted(accepted)
        if duplicates := outcomes.count(Outcome.DUPLICATE):
            self._telemetry.events_duplicate(duplicates)
        return acceptances

    def accept_one(self, event: Event) -> Acceptance:
        """One event, which is on disk now, or was before.

        Raises:
            NotFound: events about its film are not taken.
            ProblemError: 409, its id is known with other content; 429, too many ratings.
            StoreUnavailable: it was not kept.
        """
        if event.item_id is not None and not self.takes(event.item_id):
            raise NotFound(f"item_id {event.item_id} {UNKNOWN_FILM}")
        acceptance = self.accept([event])[0]
        if acceptance.outcome is Outcome.CONFLICT:
            raise ProblemError(
                409, OTHER_CONTENT, [FieldError(field="event_id", reason=OTHER_CONTENT)])
        if acceptance.outcome is Outcome.OVER_QUOTA:
            retry_s = acceptance.retry_after_s or 3600
            raise ProblemError(429, OVER_QUOTA, headers={"Retry-After": str(retry_s)})
        return acceptance
