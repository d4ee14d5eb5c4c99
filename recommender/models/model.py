"""What every model offers, and how one is described in the registration table."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from recommender.arrays import Bools, Float32s, Int32s
from recommender.errors import InvalidField
from recommender.interactions import Interactions
from recommender.ranking import Ranked

Config = TypeVar("Config")


@dataclass(frozen=True, eq=False, slots=True)
class EncodedHistory:
    """One user's history as a model reads it, oldest first.

    items: int32 of shape (n,), film indexes, each at most once.
    weights: float32 of shape (n,), in [-1, 1]; see `preference_weights`.
    """

    items: Int32s
    weights: Float32s


class Model(Protocol):
    """A fitted model: immutable, picklable, safe to use from many threads."""

    def rank(self, history: EncodedHistory, excluded: Int32s, k: int,
             allowed: Bools | None = None, factor: Float32s | None = None) -> Ranked:
        """The k best films for this history, none excluded, all allowed.

        Args:
            excluded: int32, film indexes.
            allowed: bool of shape (n_items,); None allows every film.
            factor: float32 of shape (n_items,), above 0, multiplies each film's score; None is 1.
        """
        ...

    def neighbours(self, item: int, k: int) -> Ranked:
        """Films that go with film index `item`; empty for a model that knows none."""
        ...

    def is_finite(self) -> bool:
        """Whether every number of the fit is finite."""
        ...


def _nothing_missing() -> None:
    """For models that need nothing but what is always installed."""


@dataclass(frozen=True)
class ModelSpec(Generic[Config]):
    """A row of the registration table."""

    name: str
    config: type[Config]
    fit: Callable[[Interactions, Config], Model]
    fit_films: Callable[[Interactions, Config, Float32s], Model] | None = None
    """For a model that reads what is written of films: features as of `film_features`."""
    check: Callable[[], None] = _nothing_missing
    """Raises InvalidField where something that the fit needs is not installed."""
    unmoved_by: frozenset[str] = frozenset()
    """Fields of `Weighting` that cancel in the fit; a training that sets one says so."""

    def fit_with(self, interactions: Interactions, overrides: Mapping[str, Any],
                 features: Float32s | None = None) -> Model:
        """Fit with the defaults of the config, changed by `overrides`.

        Args:
            features: float32 of shape (n_items, n_features), used where the model reads them.
        """
        config = self.configure(overrides)
        if self.fit_films is not None and features is not None:
            return self.fit_films(interactions, config, features)
        return self.fit(interactions, config)

    def hyperparameters(self, overrides: Mapping[str, Any]) -> dict[str, float | int]:
        """All hyperparameters by name, as they are with these overrides."""
        return dataclasses.asdict(self.configure(overrides))  # type: ignore[call-overload,no-any-return]

    def as_stored(self, hyperparameters: Mapping[str, Any]) -> dict[str, Any]:
        """Those of a stored model, with what it did where it has no such field yet."""
        fields = dataclasses.fields(self.config)  # type: ignore[arg-type]
        before = {f.name: f.metadata.get("before") for f in fields}
        return {name: value for name, value in before.items() if value is not None} | {
            **hyperparameters}

    def search_space(self) -> dict[str, SearchRange]:
        """The ranges that the config declares, by hyperparameter."""
        fields = dataclasses.fields(self.config)  # type: ignore[arg-type]
        declared = {f.name: f.metadata.get("search") for f in fields}
        return {name: found for name, found in declared.items() if found is not None}

    def configure(self, overrides: Mapping[str, Any]) -> Config:
        """The config with these overrides.

        Raises:
            InvalidField: an unknown name, not a number, or below the least value.
        """
        fields = {f.name: f for f in dataclasses.fields(self.config)}  # type: ignore[arg-type]
        for name, value in overrides.items():
            if name not in fields:
                raise InvalidField(name, f"{self.name} has no such hyperparameter")
            default, least = fields[name].default, fields[name].metadata["least"]
            kinds = (int,) if isinstance(default, int) else (int, float)
            if isinstance(value, bool) or not isinstance(value, kinds):
                raise InvalidField(name, f"must be {' or '.join(k.__name__ for k in kinds)}")
            if not least <= value < float("inf"):
                raise InvalidField(name, f"must be a finite number of at least {least}")
        return self.config(**overrides)


@dataclass(frozen=True, slots=True)
class SearchRange:
    """Between which values a search draws, evenly or, for `log`, evenly in the logarithm."""

    low: float
    high: float
    log: bool = False


def hyperparameter(default: Any, least: float, search: SearchRange | None = None,
                   before: float | None = None) -> Any:
    """A field of a config: its default, the smallest value it may take, and where `fairreel tune`
    looks for a better one; None: not at all.

    Args:
        before: what models did that were stored before there was the field; None: there always was.
    """
    return dataclasses.field(default=default, metadata={
        "least": least, "search": search, "before": before})


def decay_of(half_life: float) -> float:
    """Factor per step of a half-life in steps; a half-life of 0 stands for no decay."""
    return 0.5 ** (1.0 / half_life) if half_life > 0 else 1.0
