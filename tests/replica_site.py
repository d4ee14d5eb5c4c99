"""A store on PostgreSQL with several programs on it, and what their answers tell."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from benchmarks.program import SERVE, Program
from commands.keys import create_key
from commands.simulate import store_world
from commands.train import run_training
from composition import open_store
from recommender.types import Role
from settings import Settings
from tests.databases_of_tests import empty_database
from tests.running_server import AT_MS, SMALL, soon


class Site:
    """A prepared store on PostgreSQL, and programs on it with data folders of their own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.url = empty_database(folder, "postgresql")
        self.shared = {
            "store_url": self.url, "responses_url": self.url,
            "registry_folder": str(folder / "registry"),
            "outputs_folder": str(folder / "outputs"), "audit_pictures": "false",
            "signing_key_file": str(folder / "keys" / "signing.pem"),
            "rate_limit_per_minute": "1000000",
        }  # fmt: skip
        settings = Settings(data_folder=folder / "prepared", **self.shared)
        with closing(open_store(settings)) as side:
            store_world(SMALL, side.store, side.catalogue, side.imports, AT_MS)
            _, secret = create_key(side.api_keys, side.audit, Role.ADMIN, "tests", AT_MS)
        self.admin = {"Authorization": f"Bearer {secret}"}
        assert run_training(settings, lambda line: None, "tests", "tests") == 0

    def program(self, name: str, command: tuple[str, ...] = SERVE, **changes: str) -> Program:
        values = {**self.shared, "data_folder": str(self.folder / name), **changes}
        return Program(values, self.folder / f"{name}.output", command)

    def event_ids(self) -> list[str]:
        """Of all events that were applied."""
        settings = Settings(data_folder=self.folder / "prepared", **self.shared)
        with closing(open_store(settings)) as side:
            return [e for chunk in side.store.event_chunks(0, 10_000) for e in chunk["event_id"]]


def listed(program: Program, user: str) -> dict[str, Any]:
    answer = program.ask("GET", f"/recommend?user_id={user}")
    assert answer.status == 200
    found: dict[str, Any] = answer.json()
    return found


def items(answer: dict[str, Any]) -> list[str]:
    return [one["item_id"] for one in answer["recommendations"]]


def rate(program: Program, user: str, item: str, **more: Any) -> None:
    body = {"user_id": user, "item_id": item, "rating": 4.5, **more}
    answer = program.ask("POST", "/rate", body)
    assert (answer.status, answer.json()["duplicate"]) == (200, False)


def rated(program: Program, user: str) -> set[str]:
    answer = program.ask("GET", f"/users/{user}/history")
    return {entry["item_id"] for entry in answer.json()["history"]}


def models(program: Program, site: Site) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = program.ask("GET", "/models", headers=site.admin).json()["models"]
    return found


def retrained_by(programs: Sequence[Program], site: Site) -> list[str]:
    """Ask all at once for a retrain; how each ended."""
    threads = [
        threading.Thread(target=p.ask, args=("POST", "/models/retrain", None, site.admin))
        for p in programs
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    def outcomes() -> list[str] | None:
        told = [p.ask("GET", "/models", headers=site.admin).json()["retrain"] for p in programs]
        done = [one["outcome"] for one in told if not one["running"] and one["outcome"]]
        return sorted(done) if len(done) == len(programs) else None

    found: list[str] = soon(outcomes, within_s=60)
    return found


def shows_in_the_other_s_next_answer(taking: Program, answering: Program, user: str) -> None:
    """A rating that one takes and applies; the answer of the other was kept before."""
    before = listed(answering, user)
    assert items(listed(answering, user)) == items(before)
    film = items(before)[0]
    rate(taking, user, film)
    soon(lambda: film in rated(taking, user), 20)
    after = listed(answering, user)
    assert film not in items(after)
    trace = after["provenance"]["request_id"]
    soon(lambda: taking.ask("GET", f"/trace/{trace}").status == 200)
