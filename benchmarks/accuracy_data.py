"""The layouts that `benchmarks.accuracy` reads, each as a task: what is known, what was to come.

| part | files |
|---|---|
| a | ml-1m/sequences.txt, sequences-test-input.txt, sequences-test-target.txt: a line a user |
| b | ml-1m/ncf/ml-1m.train.rating, ml-1m.test.rating, ml-1m.test.negative: as published with NCF |
| c | ml-1m/lightgcn-split/train.txt, valid.txt, test.txt: `user item item ...` |
| d | ml-100k/u.data: the original layout |
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from recommender.arrays import Int32s
from recommender.interactions import Interactions, interactions_from_events, order_item_ids
from recommender.schemas import Columns
from recommender.split import leave_last_out

SAMPLED = 99
"""Films beside the target where a task ranks a sample, as published with NCF."""


class BadLayout(Exception):
    """A file that is not in the layout; the text names it."""


@dataclass(frozen=True, eq=False)
class Task:
    """What to fit on, whose next films to foresee, among which.

    part: a letter of the table above. known: interactions to fit on. histories: what each user
    had taken when asked; same users and films as `known`. users: int32 of shape (n,). targets: n
    arrays of film indexes, never empty. candidates: int32 of shape (n, 1 + SAMPLED), None where
    all films are ranked. k: length of the lists. has_order: whether histories are in the order of
    time.
    """

    part: str
    title: str
    known: Interactions
    histories: Interactions
    users: Int32s
    targets: Sequence[Int32s]
    candidates: Int32s | None = None
    k: int = 10
    has_order: bool = True


@dataclass(frozen=True)
class Missing:
    """A part left out and why."""

    part: str
    reason: str


def event_frame(users: Any, items: Any, ratings: Any, times_ms: Any) -> pd.DataFrame:
    """Columns of `Columns.EVENT` that the fold reads; NaN ratings are watches.

    Equal times keep the order of the rows.
    """
    ratings = np.asarray(ratings, np.float64)
    return pd.DataFrame({
        Columns.EVENT_ID: [f"{row:012d}" for row in range(len(ratings))],
        Columns.TYPE: np.where(np.isnan(ratings), "watch", "rate"),
        Columns.USER: pd.Series(users).astype(str),
        Columns.ITEM: pd.Series(items).astype(str),
        Columns.RATING: ratings,
        Columns.TIMESTAMP: np.asarray(times_ms, np.int64),
    })


def read_lines(path: Path) -> list[list[str]]:
    """The words of each line."""
    return [line.split() for line in path.read_text().splitlines()]


def from_lines(lines: Sequence[Sequence[str]]) -> Interactions:
    """Watches; user n is line n, films in the order of time."""
    lengths = [len(line) for line in lines]
    return interactions_from_events(event_frame(
        np.repeat([f"{row:09d}" for row in range(len(lines))], lengths),
        [item for line in lines for item in line],
        np.full(sum(lengths), np.nan), [at for n in lengths for at in range(n)],
    ))


def sequences(folder: Path) -> Task | Missing:
    """Part a; without test files the last known film of each user is foreseen."""
    path, given, wanted = (folder / name for name in (
        "sequences.txt", "sequences-test-input.txt", "sequences-test-target.txt"))
    if not path.is_file():
        return Missing("a", f"{path} is not there")
    lines = read_lines(path)
    absent = [file.name for file in (given, wanted) if not file.is_file()]
    if absent:
        return last_known_film("a", f"ML-1M sequences, VALIDATION on the last known film of each "
                               f"user ({' and '.join(absent)} not there)", from_lines(lines))
    inputs, targets = read_lines(given), read_lines(wanted)
    for file, rows in ((given, inputs), (wanted, targets)):
        if len(rows) != len(lines):
            raise BadLayout(f"{file}: {len(rows)} lines, but {path.name} has {len(lines)}")
    return asked("a", "ML-1M sequences, test", lines,
                 [_whole(*pair) for pair in zip(lines, inputs, strict=True)], targets)


def _whole(known: list[str], given: list[str]) -> list[str]:
    """The history of a user when asked: the input, with what is known where it holds only more."""
    if set(known) <= set(given):
        return given
    return known + [item for item in given if item not in set(known)]


def asked(part: str, title: str, known: Sequence[Sequence[str]], inputs: Sequence[Sequence[str]],
          targets: Sequence[Sequence[str]], **more: Any) -> Task:
    """A task over lines of films; users without a target are not asked."""
    fitted, histories = from_lines(known), from_lines(inputs)
    films = order_item_ids({*fitted.item_ids, *histories.item_ids,
                            *(item for row in targets for item in row)})
    place = {item: index for index, item in enumerate(films)}
    every = histories.user_ids
    chosen = [user for user, name in enumerate(every) if targets[int(name)]]
    return Task(
        part, title, fitted.with_items(films), histories.with_items(films),
        np.array(chosen, np.int32),
        [np.array([place[item] for item in targets[int(every[user])]], np.int32)
         for user in chosen], **more)


def last_known_film(part: str, title: str, interactions: Interactions) -> Task:
    """The last film of each user is foreseen from the ones before it."""
    split = leave_last_out(interactions)
    return Task(part, title, split.training, split.training, split.users,
                list(split.targets[:, None]))


def sampled(folder: Path) -> Task | Missing:
    """Part b; without its files 99 unseen films are drawn for the last known film of sequences."""
    files = [folder / "ncf" / f"ml-1m.{name}" for name in (
        "train.rating", "test.rating", "test.negative")]
    absent = [file for file in files if not file.is_file()]
    if not absent:
        return _published_negatives(*files)
    if not (folder / "sequences.txt").is_file():
        return Missing("b", f"{absent[0]} is not there")
    names = ", ".join(f"ncf/{file.name}" for file in absent)
    known = last_known_film(
        "b", f"ML-1M, 99 sampled films, VALIDATION on the last known film of sequences.txt "
        f"({names} not there)", from_lines(read_lines(folder / "sequences.txt")))
    rng = np.random.default_rng(0)
    films = np.arange(known.known.n_items, dtype=np.int32)
    drawn = []
    for user, target in zip(known.users.tolist(), known.targets, strict=True):
        seen = known.histories.items[known.histories.user_entries(user)]
        unseen = np.setdiff1d(films, np.append(seen, target))
        others = rng.choice(unseen, min(SAMPLED, len(unseen)), replace=False)
        drawn.append(np.append(target, np.resize(others, SAMPLED)))
    return Task("b", known.title, known.known, known.histories, known.users, known.targets,
                np.array(drawn, np.int32))


def _published_negatives(train: Path, test: Path, negative: Path) -> Task:
    columns = ["user", "item", "rating", "time"]
    known = pd.read_csv(train, sep="\t", names=columns, dtype="int64")
    held = pd.read_csv(test, sep="\t", names=columns, dtype="int64")
    others = {line.split("\t")[0]: line.split("\t")[1:]
              for line in negative.read_text().splitlines()}
    fitted = interactions_from_events(event_frame(
        known["user"], known["item"], np.full(len(known), np.nan), known["time"] * 1000))
    rows = []
    for user, item in zip(held["user"].tolist(), held["item"].tolist(), strict=True):
        name = f"({user},{item})"
        if name not in others:
            raise BadLayout(f"{negative}: no line for {name} of {test.name}")
        rows.append([str(item), *others[name]])
    fitted = fitted.with_items({item for row in rows for item in row})
    place = {item: index for index, item in enumerate(fitted.item_ids)}
    at = {user: index for index, user in enumerate(fitted.user_ids)}
    chosen = [row for row, user in enumerate(held["user"].astype(str)) if user in at]
    candidates = np.array([[place[item] for item in rows[row]] for row in chosen], np.int32)
    users = np.array([at[str(held["user"].iloc[row])] for row in chosen], np.int32)
    return Task("b", "ML-1M, NCF protocol, test (99 given films)", fitted, fitted, users,
                list(candidates[:, :1]), candidates)


def unordered(folder: Path) -> Task | Missing:
    """Part c: fitted on train.txt; the films of valid.txt are not masked when test.txt is there."""
    folder /= "lightgcn-split"
    train, valid, test = (folder / f"{name}.txt" for name in ("train", "valid", "test"))
    if not train.is_file():
        return Missing("c", f"{train} is not there")
    wanted = test if test.is_file() else valid
    if not wanted.is_file():
        return Missing("c", f"{test} is not there, nor {valid.name}")
    title = "ML-1M, LightGCN++ split, " + (
        "test (validation not masked)" if wanted is test
        else f"VALIDATION on {valid.name} ({test.name} not there)")
    known = {line[0]: line[1:] for line in read_lines(train) if line}
    targets = {line[0]: line[1:] for line in read_lines(wanted) if line}
    users = sorted(known)
    # The order within a line says nothing, so it must not tell anything either.
    lines = [list(order_item_ids(known[user])) for user in users]
    return asked("c", title, lines, lines, [targets.get(user, []) for user in users], k=20,
                 has_order=False)


def small(folder: Path) -> Task | Missing:
    """Part d."""
    path = folder / "u.data"
    if not path.is_file():
        return Missing("d", f"{path} is not there")
    table = np.loadtxt(path, np.int64, delimiter="\t", ndmin=2)
    interactions = interactions_from_events(
        event_frame(table[:, 0], table[:, 1], table[:, 2], table[:, 3] * 1000))
    return last_known_film("d", "ML-100K, the last film of each user by time", interactions)


def tasks_of(data: Path) -> list[Task | Missing]:
    """All four parts of a folder that holds ml-1m and ml-100k, or that is one of the two."""
    million = data if (data / "sequences.txt").is_file() else data / "ml-1m"
    hundred = data if (data / "u.data").is_file() else data / "ml-100k"
    return [sequences(million), sampled(million), unordered(million), small(hundred)]
