"""A made-up world in a folder of its own, with models and an administrator's key: to look at."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from benchmarks.program import Program
from clock import now_ms
from commands.keys import create_key
from commands.simulate import store_world
from commands.train import run_training
from composition import open_store
from events_composition import open_events
from recommender.simulate import WorldSpec
from recommender.topics import RATINGS
from recommender.types import Message, Role
from settings import Settings

KNOWN_USER = "u1"
_BROKEN = b'{"user_id": "u1", "item_id": "m1", "rating": 7}'


@dataclass(frozen=True, slots=True)
class Demo:
    """The program over the world, not started, and the secret of the key."""

    program: Program
    admin_secret: str


def make_demo(folder: Path, spec: WorldSpec, **further: str) -> Demo:
    """Simulate the world of `spec` into `folder`, and train on it; one record waits on the bus
    that nobody can apply, so that there is a dead letter to see. `further` are settings of the
    program.

    Raises:
        RuntimeError: no model came out of it.
    """
    settings = Settings(data_folder=folder / "data", registry_folder=folder / "registry",
                        outputs_folder=folder / "outputs")
    with closing(open_store(settings)) as side:
        store_world(spec, side.store, side.catalogue, side.imports, now_ms())
        _, secret = create_key(side.api_keys, side.audit, Role.ADMIN, "demo", now_ms())
    with closing(open_events(settings)) as events:
        events.bus.publish([Message(RATINGS, KNOWN_USER, _BROKEN)])
    if run_training(settings, lambda line: None, "demo", "demo"):
        raise RuntimeError("no model was published")
    values = {"data_folder": str(settings.data_folder),
              "registry_folder": str(settings.registry_folder),
              "outputs_folder": str(settings.outputs_folder),
              "rate_limit_per_minute": "1000000", **further}
    return Demo(Program(values, folder / "output"), secret)
