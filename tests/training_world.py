"""A store of predictable people, and trainings on it; fixtures for tests that import them."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, cast

import pytest
from click.testing import CliRunner

from adapters.catalogue import SqlCatalogue
from adapters.event_store import SqlEventStore
from commands import registry
from commands.train import run_training
from composition import StoreSide, open_model_files, open_store
from recommender.bundle import ModelBundle
from recommender.ports import EventStore, Telemetry
from recommender.schemas import event_frame
from recommender.serving_state import ServingState
from recommender.types import Movie
from settings import Settings
from tests.store_of_tests import new_store
from tests.worker_fakes import KeptTelemetry
from workers.model_watch import ModelWatch

FILMS, USERS, SEEN = 60, 80, 20


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Of a store that `fill` has filled."""
    fill(tmp_path / "data")
    return settings_of(tmp_path)


@pytest.fixture
def side(settings: Settings) -> Iterator[StoreSide]:
    """That store, opened beside what the test does."""
    with closing(open_store(settings)) as side:
        yield side


def fill(folder: Path) -> None:
    """People who walk round a circle of films, so that what comes next is known."""
    engine = new_store(folder)
    SqlCatalogue(engine).add_movies(Movie(f"i{n}", f"Film {n}") for n in range(FILMS))
    walk(SqlEventStore(engine), range(SEEN))
    engine.dispose()


def walk(store: EventStore, steps: range) -> None:
    """Everybody takes these steps."""
    rows = []
    for user in range(USERS):
        for step in steps:
            film, at_ms = (user * 7 + step) % FILMS, 1_000_000 + step * 1_000 + user
            rows.append((f"{user}-{step}", 1, "watch", f"u{user}", f"i{film}", None, None, None,
                         at_ms, at_ms, "test"))  # fmt: skip
    store.apply(event_frame([*zip(*rows, strict=True)]))


def flood(store: EventStore) -> None:
    """Random ratings, older than all others, by accounts made for it."""
    dice, rows = random.Random(1), []
    for user in range(300):
        for film in dice.sample(range(FILMS), 40):
            stars, at_ms = dice.randint(1, 10) / 2, dice.randrange(1_000_000)
            rows.append((f"bot{user}-{film}", 1, "rate", f"bot{user}", f"i{film}", stars, None,
                         None, at_ms, at_ms, "test"))  # fmt: skip
    store.apply(event_frame([*zip(*rows, strict=True)]))


def settings_of(folder: Path, **changes: Any) -> Settings:
    values = {
        "data_folder": folder / "data", "registry_folder": folder / "registry",
        "outputs_folder": folder / "outputs", "audit_pictures": False,
        "models": ["transition_knn", "popularity"],
    }  # fmt: skip
    return Settings(**(values | changes))


def watch_of(settings: Settings, side: StoreSide) -> ModelWatch[ModelBundle]:
    files = open_model_files(settings, publishing=False)
    return ModelWatch(
        side.allow_list, files.load_served, ServingState(), cast(Telemetry, KeptTelemetry()),
        side.audit, lambda: 5,
    )  # fmt: skip


def lines_of(settings: Settings) -> list[dict[str, Any]]:
    text = (settings.data_folder / "training.log").read_text()
    return [json.loads(line) for line in text.splitlines()]


def train(settings: Settings) -> tuple[int, str]:
    """Exit code and outcome."""
    code = run_training(settings, lambda line: None, "test", "tests")
    return code, lines_of(settings)[-1]["outcome"]


def statuses(side: StoreSide) -> list[str]:
    return [record.status.value for record in reversed(side.allow_list.records())]


def reason_of_newest(settings: Settings, side: StoreSide, name: str) -> str:
    record = next(record for record in side.allow_list.records() if record.name == name)
    manifest = open_model_files(settings, publishing=False).manifest(record.version_id)
    return manifest.verdict.reason


def invoke(settings: Settings, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> tuple[int, Any]:
    monkeypatch.setenv("FAIRREEL_DATA_FOLDER", str(settings.data_folder))
    monkeypatch.setenv("FAIRREEL_REGISTRY_FOLDER", str(settings.registry_folder))
    done = CliRunner().invoke(registry.command, [*arguments, "--json"], standalone_mode=False)
    return done.return_value, json.loads(done.output) if done.output else done.exception
