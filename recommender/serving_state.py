"""The model that answers now: one immutable object, swapped by one assignment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

Bundle = TypeVar("Bundle")


@dataclass(frozen=True, slots=True)
class ServedModel(Generic[Bundle]):
    """A verified model and its provenance; `bundle` is what was trained and is never changed."""

    name: str
    version: int
    version_id: str
    git_sha: str
    data_snapshot_id: str
    created_at_ms: int
    bundle: Bundle


class ServingState(Generic[Bundle]):
    """Holds the served model for all threads.

    A request takes `current()` once and works with that object to its end, so that a swap in
    between never mixes two models in one answer.
    """

    __slots__ = ("_current",)

    def __init__(self, model: ServedModel[Bundle] | None = None) -> None:
        self._current = model

    def current(self) -> ServedModel[Bundle] | None:
        """The model that answers now, None before the first."""
        return self._current

    def swap(self, model: ServedModel[Bundle]) -> None:
        """Answer with `model` from now on."""
        self._current = model
