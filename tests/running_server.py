"""The real program over a small made-up world, in folders of its own."""

from __future__ import annotations

import atexit
import json
import shutil
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from benchmarks.program import SERVE, Program
from commands.keys import create_key
from commands.simulate import store_world
from commands.train import run_training
from composition import StoreSide, open_store
from recommender.simulate import WorldSpec
from recommender.types import Role
from settings import Settings

SMALL = WorldSpec(seed=3, n_movies=200, n_users=100, n_events=5_000)
AT_MS = 1_795_000_000_000


@dataclass(frozen=True)
class Home:
    """The folders of one program. `admin` is the header of an administrator's key, if any."""

    folder: Path
    admin: dict[str, str]

    def settings(self, **changes: Any) -> Settings:
        """As the program has them."""
        return Settings(**{
            "data_folder": self.data, "registry_folder": self.registry,
            "outputs_folder": self.folder / "outputs", "audit_pictures": False, **changes})

    def program(self, command: tuple[str, ...] = SERVE, **changes: str) -> Program:
        """The program on these folders, not started."""
        values = {
            "data_folder": str(self.data), "registry_folder": str(self.registry),
            "outputs_folder": str(self.folder / "outputs"), "audit_pictures": "false",
            "rate_limit_per_minute": "1000000",
        }
        return Program(values | changes, self.folder / "output", command)

    def side(self) -> StoreSide:
        """The store, opened beside the program."""
        return open_store(self.settings())

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def registry(self) -> Path:
        return self.folder / "registry"

    def log(self, event: str) -> list[dict[str, Any]]:
        """Lines of the program's log about an event."""
        if not (file := self.folder / "output").exists():
            return []
        whole = file.read_text().rpartition("\n")[0]  # the last line may be half written
        lines = (line for line in whole.splitlines() if line.startswith("{"))
        found = (json.loads(line) for line in lines)
        return [line for line in found if line.get("event") == event]


def home_with_world(folder: Path) -> Home:
    """A store that holds the small world; no key and no model."""
    return _copied(_world(), folder, {})


def prepared_home(folder: Path) -> Home:
    """The same with an administrator's key and three models, of which the first serves."""
    template, admin = _prepared()
    return _copied(template, folder, admin)


def soon(holds: Callable[[], Any], within_s: float = 10.0, each_s: float = 0.02) -> Any:
    """The first true value of `holds`; fails after the time."""
    deadline = time.monotonic() + within_s
    while not (value := holds()):
        assert time.monotonic() < deadline, f"not within {within_s} s"
        time.sleep(each_s)
    return value


def _copied(template: Path, folder: Path, admin: dict[str, str]) -> Home:
    shutil.copytree(template, folder, dirs_exist_ok=True)
    return Home(folder, admin)


def _template() -> Path:
    folder = tempfile.mkdtemp(prefix="fairreel-home-")
    atexit.register(shutil.rmtree, folder)
    return Path(folder)


@cache
def _world() -> Path:
    home = Home(_template(), {})
    with closing(home.side()) as side:
        store_world(SMALL, side.store, side.catalogue, side.imports, AT_MS)
    return home.folder


@cache
def _prepared() -> tuple[Path, dict[str, str]]:
    home = _copied(_world(), _template(), {})
    with closing(home.side()) as side:
        _, secret = create_key(side.api_keys, side.audit, Role.ADMIN, "tests", AT_MS)
    assert run_training(home.settings(), lambda line: None, "tests", "tests") == 0
    return home.folder, {"Authorization": f"Bearer {secret}"}
