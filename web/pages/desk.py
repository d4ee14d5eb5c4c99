"""What all pages for visitors share."""

from __future__ import annotations

from dataclasses import dataclass

from web.cards import Cards
from web.lists import Lists
from web.model_lists import ModelLists
from web.pages.acts import Acts
from web.pages.film_cards import Mark, marks
from web.pages.model_choice import ModelChoice
from web.pages.onboarding import Starters
from web.pages.visitors import Visitors
from web.surface import Surface


@dataclass(frozen=True, slots=True)
class Desk:
    """Who is there, what they do, and the films."""

    surface: Surface
    lists: Lists
    cards: Cards
    visitors: Visitors
    acts: Acts
    starters: Starters
    models: ModelChoice

    def genre_choices(self) -> list[tuple[str, str]]:
        """(value, text) of every genre, after one for all."""
        return [("", "All genres"), *((genre, genre) for genre in self.cards.genres())]

    def marks(self) -> dict[str, Mark]:
        """What this visitor did, by film."""
        who = self.visitors.current()
        return {} if who is None else marks(self.surface.services.store.history(who))


def open_desk(surface: Surface, lists: Lists, cards: Cards, models: ModelLists) -> Desk:
    """All of it over the services of `surface`; `models` gives lists of other models."""
    visitors = Visitors(surface)
    services = surface.services
    return Desk(surface, lists, cards, visitors, Acts(surface, lists, cards, visitors),
                Starters(services.catalogue, services.now_ms), ModelChoice(surface, lists, models))
