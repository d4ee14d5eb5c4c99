"""How long fits take, beside other libraries, and how time and memory grow with the events.

    python -m benchmarks.fit_growth [--events N]... [--model NAME]... [--rounds N]

First the KNN model against its sparse product alone (sparse_dot_topn) and against implicit, on the
same simulated events, in turn and in alternating order, medians. The ratios are of processor time
within a round: all three keep two processors busy, and who has to wait for other work of the
machine is chance. Then each model in a process of its own for each size. Two threads everywhere.
"""

from __future__ import annotations

import multiprocessing
import os
import statistics
import time
import warnings
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import click
import numpy as np
import scipy.sparse as sp
from sparse_dot_topn import sp_matmul_topn

from benchmarks.process_memory import peak_mib, resident_mib
from benchmarks.simulated_interactions import simulated
from recommender.interactions import Interactions
from recommender.models import MODELS

SIZES = (1_000_000, 2_000_000, 5_000_000, 10_000_000, 20_000_000)
GROWN = ("knn", "transition_knn", "sequence_blend")
NEIGHBOURS, THREADS = 100, 2


def _seconds(run: Callable[[], object]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def contenders(whole: Interactions) -> dict[str, Callable[[], object]]:
    """A fit by each; the tables that the others need are made before."""
    from implicit.nearest_neighbours import CosineRecommender
    from implicit.utils import ParameterWarning

    warnings.simplefilter("ignore", ParameterWarning)  # of a table that implicit made itself
    taken = sp.csr_matrix(
        (np.ones(len(whole.items), np.float32), whole.items, whole.user_offsets),
        shape=(whole.n_users, whole.n_items))
    counts = np.maximum(whole.item_counts(), 1)
    rows = (taken @ sp.diags(1 / np.sqrt(counts)).astype(np.float32)).T.tocsr()
    columns = rows.T.tocsr()
    return {
        "knn": lambda: MODELS["knn"].fit_with(whole, {"neighbours": NEIGHBOURS}),
        "sparse_dot_topn alone": lambda: sp_matmul_topn(
            rows, columns, top_n=NEIGHBOURS + 1, threshold=0.0, n_threads=THREADS),
        "implicit": lambda: CosineRecommender(K=NEIGHBOURS + 1, num_threads=THREADS).fit(
            taken, show_progress=False),
    }


@dataclass(frozen=True)
class Times:
    """Seconds of a contender in each round: of the clock on the wall, and of all processors."""

    wall: list[float] = field(default_factory=list)
    processor: list[float] = field(default_factory=list)

    def add(self, run: Callable[[], object]) -> None:
        """Take the time of one more run."""
        began = time.process_time()
        self.wall.append(_seconds(run))
        self.processor.append(time.process_time() - began)


def compare(events: int, rounds: int) -> dict[str, Times]:
    """Times of each contender."""
    runs = contenders(simulated(events))
    for run in runs.values():
        run()
    names = list(runs)
    times = {name: Times() for name in names}
    for turn in range(rounds):
        for name in names[:: -1 if turn % 2 else 1]:
            times[name].add(runs[name])
    return times


def ratio(ours: Times, theirs: Times) -> float:
    """The median over the rounds of the ratio of processor time within a round."""
    return statistics.median(
        a / b for a, b in zip(ours.processor, theirs.processor, strict=True))


def grow(name: str, events: int) -> tuple[int, float, float, float]:
    """Entries, seconds of a fit, and memory in MiB before it and at its peak."""
    whole = simulated(events)
    MODELS[name].fit_with(simulated(10_000), {})  # compiled kernels are loaded
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    before = resident_mib()
    seconds = _seconds(lambda: MODELS[name].fit_with(whole, {}))
    return len(whole.items), seconds, before, peak_mib()


@click.command()
@click.option("--events", "sizes", type=int, multiple=True, default=SIZES)
@click.option("--model", "models", multiple=True, default=GROWN)
@click.option("--rounds", default=5, show_default=True)
def main(sizes: tuple[int, ...], models: tuple[str, ...], rounds: int) -> None:
    """Print both tables."""
    os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = str(THREADS)
    print("| events | knn s | sparse_dot_topn alone s | implicit s | knn / alone "
          "| knn / implicit |\n|---|---|---|---|---|---|")
    for events in sizes[:2]:
        times = compare(events, rounds)
        seconds = " | ".join(f"{statistics.median(found.wall):.2f}" for found in times.values())
        ours, *others = times.values()
        ratios = " | ".join(f"{ratio(ours, found):.2f}" for found in others)
        print(f"| {events:,} | {seconds} | {ratios} |", flush=True)
    print("\n| model | entries | fit s | s per 1M | before MiB | peak MiB |\n|---|---|---|---|---|"
          "---|")
    for name in models:
        for events in sizes:
            with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
                entries, seconds, before, peak = pool.submit(grow, name, events).result()
            print(f"| {name} | {entries:,} | {seconds:.1f} | {seconds / entries * 1e6:.2f} "
                  f"| {before:.0f} | {peak:.0f} |", flush=True)


if __name__ == "__main__":
    main()
