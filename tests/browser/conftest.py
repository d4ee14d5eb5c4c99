"""One browser and one real program over a small made-up world, for all tests of this package."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing

import pytest
from playwright.sync_api import Browser, Page, expect

from benchmarks.browser import chromium
from benchmarks.people import People, Person
from benchmarks.program import Program
from clock import now_ms
from commands.keys import create_key
from events_composition import open_events
from recommender.topics import RATINGS
from recommender.types import DeadLetter, Message, Role
from tests.browser.watched import WITHIN_MS, watched_page
from tests.fakes import event_frame
from tests.running_server import AT_MS, SMALL, Home, prepared_home, soon

expect.set_options(timeout=WITHIN_MS)
BROKEN = b'{"user_id":"u1","item_id":"m1","rating":7}'
MENDED_USER, MENDED_FILM = "u-mended", "m1"
MENDED = {"user_id": MENDED_USER, "item_id": MENDED_FILM, "rating": 4}


@pytest.fixture(scope="package")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """Three models, an administrator's key; on the bus a rating that nobody can apply, and among
    the dead letters one that would be taken now."""
    home = prepared_home(tmp_path_factory.mktemp("home-of-pages"))
    with closing(home.side()) as side:
        side.store.apply(event_frame([]), dead_letters=[DeadLetter(
            "earlier", RATINGS, 0, 0, None, json.dumps(MENDED).encode(), "mended since", AT_MS)])
    with closing(open_events(home.settings())) as events:
        events.bus.publish([Message(RATINGS, "u1", BROKEN)])
    return home


@pytest.fixture(scope="package")
def program(home: Home) -> Iterator[Program]:
    with home.program().start() as program:
        with closing(home.side()) as side:
            soon(lambda: side.store.counts()["dead_letters"] == 2)
        yield program


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="package")
def people(home: Home, program: Program, browser: Browser) -> People:
    """The known visitor has done a little: every mark occurs, and pages stay short."""
    secret = home.admin["Authorization"].removeprefix("Bearer ")
    with closing(home.side()) as side:
        known = next(user for user in map("u{}".format, range(1, SMALL.n_users + 1))
                     if 8 <= len(side.store.history(user).entries) <= 16)
    return People(browser, program.address, secret, known)


@pytest.fixture(scope="package")
def leaving_secret(home: Home) -> str:
    """The key of an administrator who logs out, which ends all sessions of the key."""
    with closing(home.side()) as side:
        return create_key(side.api_keys, side.audit, Role.ADMIN, "leaves", now_ms())[1]


@pytest.fixture
def visitor(people: People) -> Iterator[Page]:
    """A new visitor's page; in the end no complaint may have come up."""
    yield from _without_complaints(people, Person.NEW)


@pytest.fixture
def admin(people: People) -> Iterator[Page]:
    """An administrator's page; in the end no complaint may have come up."""
    yield from _without_complaints(people, Person.ADMIN)


def _without_complaints(people: People, person: Person) -> Iterator[Page]:
    with (closing(people.context(person)) as context,
          watched_page(context, people.address) as (page, watch)):
        yield page
    assert watch.complaints == []
    assert watch.elsewhere == []
