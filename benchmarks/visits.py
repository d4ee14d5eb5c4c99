"""Every page of the route table, as each kind of person opens it."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from urllib.parse import quote

from application import compose
from benchmarks.people import People, Person
from benchmarks.program import Program
from settings import Settings
from web.operations import Operation, Who
from web.surface import Surface

_PARAMETER = re.compile(r"<(?:[^<>:]+:)?(\w+)>")
_LETTER = re.compile(r"/admin/events/dead-letters/(\d+)")


@dataclass(frozen=True, slots=True)
class Visit:
    """One page opened by one person; `rule` may hold parameters and end with a query."""

    rule: str
    person: Person
    status: int = 200

    def address(self, examples: Mapping[str, str]) -> str:
        """The path with example values in place of the parameters.

        Raises:
            LookupError: a parameter has no example.
        """
        def value(match: re.Match[str]) -> str:
            name = match.group(1)
            if name not in examples:
                raise LookupError(f"{self.rule}: give <{name}> an example in benchmarks/visits.py")
            return quote(examples[name], safe="")

        return _PARAMETER.sub(value, self.rule)

    def __str__(self) -> str:
        return f"{self.rule} as {self.person}"


# Pages in states that their bare address does not show. Parameters stand here as in rules.
FURTHER = (
    Visit("/?genre=Comedy&k=24", Person.KNOWN),
    Visit("/search?query=no+film+is+called+so", Person.NEW),
    Visit("/film/no-such-film", Person.NEW, 404),
    Visit("/admin/events?user_id=<user_id>", Person.ADMIN),
    Visit("/admin/trace?request_id=<request_id>", Person.ADMIN),
    Visit("/admin/trace?user_id=<user_id>", Person.ADMIN),
    Visit("/admin/models/none", Person.ADMIN, 404),
)


def visits() -> list[Visit]:
    """Everything to look at: each registered page, then `FURTHER`."""
    opened = (page for page in registered_pages() if page.method == "GET")
    return [visit for page in opened for visit in _of(page)] + list(FURTHER)


def forms() -> list[Visit]:
    """Every form of a page (POST), as the person for whom it is."""
    return [Visit(page.rule, Person.ADMIN if page.who is Who.ADMIN else Person.KNOWN)
            for page in registered_pages() if page.method == "POST"]


@cache
def registered_pages() -> tuple[Operation, ...]:
    """The pages of the composed program, and their forms."""
    found: list[Operation] = []

    def note(surface: Surface) -> None:
        found.extend(surface.table.operations)

    with tempfile.TemporaryDirectory(prefix="fairreel-pages-") as folder:
        settings = Settings(data_folder=Path(folder) / "data",
                            registry_folder=Path(folder) / "registry",
                            outputs_folder=Path(folder) / "outputs")
        compose(settings, [note]).stop()
    return tuple(operation for operation in found if operation.page)


def example_values(program: Program, people: People) -> dict[str, str]:
    """A value for each parameter of a page, from what the running program holds."""
    admin = {"Authorization": f"Bearer {people.admin_secret}"}
    answer = program.ask("GET", f"/recommend?user_id={people.known_user}&k=1")
    models = program.ask("GET", "/models", headers=admin)
    letters = program.ask("GET", "/admin/events/dead-letters",
                          headers={"Cookie": people.cookie(Person.ADMIN)})
    letter = _LETTER.search(letters.body.decode())
    return {
        "user_id": people.known_user,
        "item_id": answer.json()["recommendations"][0]["item_id"],
        "request_id": answer.headers["x-request-id"],
        "version": models.json()["serving"],
        "name": _experiment(program, admin),
    } | ({"sequence": letter[1]} if letter else {})


def _experiment(program: Program, admin: Mapping[str, str]) -> str:
    """The name of an experiment; one is begun, and ended, where there is none."""
    known = program.ask("GET", "/experiments", headers=admin).json()["experiments"]
    if not known:
        for change in ("strategy=ab_test&name=example", "strategy=fixed"):
            program.ask("POST", f"/rollout/update?{change}", headers=admin)
        return "example"
    return str(known[0]["name"])


def _of(page: Operation) -> Iterator[Visit]:
    if page.who is Who.ADMIN:
        yield Visit(page.rule, Person.ADMIN)
        return
    yield Visit(page.rule, Person.NEW)
    if not page.rule.startswith("/admin"):
        yield Visit(page.rule, Person.KNOWN)
