"""MovieLens with films and people, as the benchmarks of evaluation read it.

`ml-100k` in its original layout has times and ratings. `ml-1m` is `ordered.parquet` (userID,
movieID, position: the order of time, without times) beside the original movies.dat and users.dat.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
import pandas as pd

from adapters.catalogue_import import read_movies, read_people
from benchmarks.accuracy_data import event_frame
from recommender.interactions import Interactions, interactions_from_events
from recommender.types import Movie, Person

NAMES = ("ml-100k", "ml-1m")


@dataclass(frozen=True, eq=False)
class DataSet:
    """has_times: whether the times are real ones, and not only an order."""

    name: str
    interactions: Interactions
    movies: list[Movie]
    people: list[Person]
    has_times: bool


def data_sets(folder: Path) -> list[DataSet]:
    """Those that are in the folder, or that it is itself; ends the program where there is none."""
    found = []
    for name in NAMES:
        for path in (folder / name, folder):
            if path.name == name and (path / "u.data").is_file():
                found.append(_hundred(path))
            elif path.name == name and (path / "ordered.parquet").is_file():
                found.append(_million(path))
            else:
                continue
            break
    if not found:
        click.echo(f"error: {folder}: holds neither ml-100k/u.data nor ml-1m/ordered.parquet",
                   err=True)
        sys.exit(2)
    return found


def _hundred(folder: Path) -> DataSet:
    table = np.loadtxt(folder / "u.data", np.int64, delimiter="\t", ndmin=2)
    interactions = interactions_from_events(
        event_frame(table[:, 0], table[:, 1], table[:, 2], table[:, 3] * 1000))
    return DataSet("ml-100k", interactions, read_movies(folder / "u.item")[0],
                   read_people(folder / "u.user")[0], True)


def _million(folder: Path) -> DataSet:
    rows = pd.read_parquet(folder / "ordered.parquet")
    frame = event_frame(rows["userID"], rows["movieID"], np.full(len(rows), np.nan),
                        rows["position"])
    return DataSet("ml-1m", interactions_from_events(frame), read_movies(folder / "movies.dat")[0],
                   read_people(folder / "users.dat")[0], False)
