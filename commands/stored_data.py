"""What the store holds, as the commands that fit and measure without publishing read it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from recommender.errors import InvalidField, NothingToTrainOn
from recommender.interactions import Interactions, interactions_from_events
from recommender.models import MODELS
from recommender.ports import EventStore

_CHUNK_ROWS = 100_000


def stored_interactions(store: EventStore) -> Interactions:
    """All that people did.

    Raises:
        NothingToTrainOn: the store holds no events.
    """
    chunks = list(store.event_chunks(0, _CHUNK_ROWS))
    if not chunks:
        raise NothingToTrainOn("the store holds no events")
    return interactions_from_events(pd.concat(chunks, ignore_index=True))


def requested(text: str) -> tuple[str, Mapping[str, Any]]:
    """A model and its changed hyperparameters, written `knn` or `knn:neighbours=50,half_life=0`.

    Raises:
        InvalidField: no such model, or not of this form.
    """
    name, _, rest = text.partition(":")
    if name not in MODELS:
        raise InvalidField("model", f"no model named {name}")
    overrides = {}
    for pair in filter(None, rest.split(",")):
        field, equals, value = pair.partition("=")
        try:
            overrides[field.strip()] = float(value) if set(value) & set(".eE") else int(value)
        except ValueError as error:
            raise InvalidField("model", f"{pair!r} is not of the form name=number") from error
        if not equals:
            raise InvalidField("model", f"{pair!r} is not of the form name=number")
    MODELS[name].configure(overrides)
    return name, overrides


def fittable() -> tuple[str, ...]:
    """Models that need nothing which is not installed."""
    found = []
    for name, spec in MODELS.items():
        try:
            spec.check()
        except InvalidField:
            continue
        found.append(name)
    return tuple(found)
