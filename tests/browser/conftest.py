"""One browser and one real program over a small made-up world, for all tests of this package."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from functools import cache
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page

from benchmarks.browser import chromium
from benchmarks.program import Program
from composition import open_log
from recommender.topics import RATINGS
from recommender.types import Message
from tests.browser.people import sign_in
from tests.browser.visits import Person
from tests.browser.watched import watched_page
from tests.running_server import Home, prepared_home, soon

BROKEN = b'{"user_id":"u1","item_id":"m1","rating":7}'
NewContext = Callable[..., BrowserContext]


@pytest.fixture(scope="package")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """Three models, an administrator's key, and on the bus a rating that nobody can apply."""
    home = prepared_home(tmp_path_factory.mktemp("home-of-pages"))
    with closing(open_log(home.settings())) as log:
        log.publish([Message(RATINGS, "u1", BROKEN)])
    return home


@pytest.fixture(scope="package")
def program(home: Home) -> Iterator[Program]:
    with home.program().start() as program:
        with closing(home.side()) as side:
            soon(lambda: side.store.counts()["dead_letters"])
        yield program


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="package")
def new_context(home: Home, program: Program, browser: Browser) -> NewContext:
    """Makes a browser context of some person, who has signed in once for all of them."""
    @cache
    def cookies(person: Person) -> Any:
        with closing(browser.new_context(base_url=program.address)) as context:
            sign_in(context.new_page(), home, person)
            return context.storage_state()

    def made(person: Person, **options: Any) -> BrowserContext:
        return browser.new_context(
            base_url=program.address, storage_state=cookies(person), **options)

    return made


@pytest.fixture(scope="package")
def examples(home: Home, program: Program) -> dict[str, str]:
    """A value for each parameter that a page's path may have."""
    answer = program.ask("GET", "/recommend?user_id=u1&k=3")
    assert answer.status == 200
    with closing(home.side()) as side:
        serving = side.allow_list.serving()
        letter = side.store.dead_letters(1)[0]
    assert serving is not None
    return {
        "item_id": answer.json()["recommendations"][0]["item_id"],
        "user_id": "u1",
        "version_id": serving.version_id,
        "request_id": answer.headers["x-request-id"],
        "offset": str(letter.offset),
    }


@pytest.fixture
def visitor(new_context: NewContext, program: Program) -> Iterator[Page]:
    """A new visitor's page; in the end no complaint may have come up."""
    yield from _without_complaints(new_context(Person.NEW), program)


@pytest.fixture
def admin(new_context: NewContext, program: Program) -> Iterator[Page]:
    """An administrator's page; in the end no complaint may have come up."""
    yield from _without_complaints(new_context(Person.ADMIN), program)


def _without_complaints(context: BrowserContext, program: Program) -> Iterator[Page]:
    with closing(context), watched_page(context, program.address) as (page, watch):
        yield page
    assert watch.complaints == []
    assert watch.elsewhere == []
