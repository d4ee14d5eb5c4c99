"""Made-up folders in the layouts that the accuracy benchmark reads."""

from __future__ import annotations

from pathlib import Path

import numpy as np

N_USERS, N_FILMS, LENGTH = 40, 60, 14


def walks(seed: int = 0) -> list[list[int]]:
    """A walk per user: the films of one half, mostly upwards."""
    rng = np.random.default_rng(seed)
    return [
        [int(film) + 1 + user % 2 * (N_FILMS // 2)
         for film in np.argsort(np.arange(N_FILMS // 2) + rng.normal(0, 3, N_FILMS // 2))[:LENGTH]]
        for user in range(N_USERS)
    ]


def write_lines(path: Path, lines: list[list[int]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(" ".join(map(str, line)) + "\n" for line in lines))


def write_sequences(folder: Path, with_test: bool) -> None:
    ways = walks()
    write_lines(folder / "sequences.txt", [way[:-2] for way in ways])
    if with_test:
        write_lines(folder / "sequences-test-input.txt", [way[:-1] for way in ways])
        write_lines(folder / "sequences-test-target.txt", [way[-1:] for way in ways])


def write_ncf(folder: Path) -> None:
    rng = np.random.default_rng(1)
    ways = walks()
    rows = [f"{user}\t{film}\t4\t{1000 + at // 3}" for user, way in enumerate(ways)
            for at, film in enumerate(way[:-1])]
    (folder / "ncf").mkdir(parents=True)
    (folder / "ncf" / "ml-1m.train.rating").write_text("\n".join(rows) + "\n")
    (folder / "ncf" / "ml-1m.test.rating").write_text(
        "".join(f"{user}\t{way[-1]}\t5\t2000\n" for user, way in enumerate(ways)))
    lines = []
    for user, way in enumerate(ways):
        unseen = [film for film in range(1, N_FILMS + 1) if film not in way]
        drawn = rng.choice(unseen, 20, replace=False).tolist()
        lines.append("\t".join([f"({user},{way[-1]})", *map(str, drawn)]) + "\n")
    (folder / "ncf" / "ml-1m.test.negative").write_text("".join(lines))


def write_split(folder: Path, with_test: bool) -> None:
    ways = walks()
    parts = {"train": slice(0, 9), "valid": slice(9, 10), "test": slice(10, LENGTH)}
    for name, part in parts.items():
        if with_test or name != "test":
            write_lines(folder / "lightgcn-split" / f"{name}.txt",
                        [[user, *way[part]] for user, way in enumerate(ways)])


def write_u_data(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "u.data").write_text("".join(
        f"{user + 1}\t{film}\t{1 + (film + at) % 5}\t{880000000 + at // 2}\n"
        for user, way in enumerate(walks()) for at, film in enumerate(way)))
