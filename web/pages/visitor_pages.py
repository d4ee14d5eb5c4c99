"""The pages for visitors, for `create_app`."""

from __future__ import annotations

from web.cards import Cards
from web.lists import Lists
from web.model_lists import ModelLists
from web.operations import Who, page
from web.pages.desk import Desk, open_desk
from web.pages.discovery import DiscoveryRoutes
from web.pages.film import FilmRoutes
from web.pages.history import HistoryRoutes
from web.pages.search import SearchRoutes
from web.surface import Register


def topic(lists: Lists, cards: Cards, models: ModelLists) -> Register:
    """These pages over `lists`, and over those of other `models`."""
    return lambda surface: register(open_desk(surface, lists, cards, models))


def register(desk: Desk) -> None:
    """Add the routes; each form comes back to the page that it stands on."""
    first, search = DiscoveryRoutes(desk), SearchRoutes(desk)
    film, history = FilmRoutes(desk), HistoryRoutes(desk)
    who, table = Who.CLIENT, desk.surface.table
    table.topic("discovery", (
        (page("GET", "/", "Films for a visitor", who, menu="For you"), first.discovery),
        (page("POST", "/", "Rate, watch or take back, from the list", who), first.act),
        (page("POST", "/picks", "Films picked by someone new", who), first.pick),
        (page("POST", "/you/choose", "Go by another user", who), first.choose),
    ))
    table.topic("search", (
        (page("GET", "/search", "Search for films", who, menu="Search"), search.search),
        (page("POST", "/search", "The same, from the results", who), search.act_on_result),
    ))
    table.topic("film", (
        (page("GET", "/film/<item_id>", "A film", who), film.film),
        (page("POST", "/film/<item_id>", "The same, from its page", who), film.act_on_film),
    ))
    table.topic("history", (
        (page("GET", "/you", "What a visitor did", who, menu="Your history"), history.history),
        (page("POST", "/you", "The same, from the history", who), history.act_on_entry),
        (page("POST", "/you/forget", "Forget who is there", who), history.forget),
    ))
