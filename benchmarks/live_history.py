"""What it is worth that a rating counts at once: the last tenth of all events, one by one.

    python -m benchmarks.live_history --data FOLDER [--model NAME ...] [--set NAME]

The models are fitted once on the first nine tenths, as between two retrains. Then the rest is
replayed in live order: before each event the list of its user is asked for and held against the
film that comes, then the event is added to the user's history. Live: the list is made from the
history as it is at that moment. Frozen: from the history as it was when the model was fitted,
less the films taken since (they are known to be seen, as they would be to any service). For users
without a history at the fit the frozen list is the one for new users. Where a data set has no
times, the last tenth of each user's films stands for it, users taking turns.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np

from benchmarks.evaluation_data import NAMES, DataSet, data_sets
from recommender.arrays import Float64s, Int64s
from recommender.bundle import ModelBundle, tabulate
from recommender.interactions import Interactions
from recommender.metrics import Measured, gains, hits, mean_with_interval, paired_difference
from recommender.models import MODELS
from recommender.models.popularity import PopularityConfig, fit_popularity
from recommender.serving import EncodedUser, RecommendOptions, encode_entries, recommend_encoded

SHARE = 0.9
_OPTIONS = RecommendOptions(k=10)


@dataclass(frozen=True, eq=False)
class Replayed:
    """Mean over the events of each user, float64 of shape (n_users,): users count alike."""

    hit_live: Float64s
    hit_frozen: Float64s
    gain_live: Float64s
    gain_frozen: Float64s
    n_events: int


def replay_order(data: DataSet) -> Int64s:
    """Places of the entries that come after the fit, in the order in which they come."""
    whole = data.interactions
    if data.has_times:
        cut = np.quantile(whole.timestamps, SHARE, method="lower")
        later = np.flatnonzero(whole.timestamps > cut)
        return later[np.argsort(whole.timestamps[later], kind="stable")]
    age = whole.entry_places()
    first = np.floor(np.diff(whole.user_offsets) * SHARE)[whole.entry_users()]
    later = np.flatnonzero(age >= first)
    return later[np.argsort((age - first)[later], kind="stable")]


def bundle_of(data: DataSet, part: Interactions, name: str) -> ModelBundle:
    """The model with its defaults, fitted on a part."""
    spec = MODELS[name]
    return ModelBundle(
        name, tuple(spec.hyperparameters({}).items()), part.item_ids, spec.fit_with(part, {}),
        fit_popularity(part, PopularityConfig()), tabulate(data.movies, part.item_ids), 0)


def replay(data: DataSet, name: str) -> Replayed:
    """Ask for both lists before each event."""
    whole = data.interactions.with_items(movie.item_id for movie in data.movies)
    data = DataSet(data.name, whole, data.movies, data.people, data.has_times)
    order, owners = replay_order(data), whole.entry_users()
    before = np.ones(len(whole.items), np.bool_)
    before[order] = False
    fitted = whole.select(before)
    bundle = bundle_of(data, fitted, name)
    taken = [fitted.items[fitted.user_entries(user)].tolist() for user in range(whole.n_users)]
    rated = [fitted.ratings[fitted.user_entries(user)].tolist() for user in range(whole.n_users)]
    frozen = [_encoded(*pair) for pair in zip(taken, rated, strict=True)]
    places = np.zeros((2, len(order)), np.int64)
    for at, entry in enumerate(order.tolist()):
        user, film = int(owners[entry]), int(whole.items[entry])
        live = _encoded(taken[user], rated[user])
        then = frozen[user]
        known = EncodedUser(then.history, then.sources, live.seen, None, then.is_new)
        for side, encoded in enumerate((live, known)):
            ids = recommend_encoded(bundle, encoded, _OPTIONS).item_ids
            wanted = whole.item_ids[film]
            places[side, at] = ids.index(wanted) + 1 if wanted in ids else 0
        taken[user].append(film)
        rated[user].append(float(whole.ratings[entry]))
    users, group = np.unique(owners[order], return_inverse=True)
    n = np.bincount(group)
    means = [np.bincount(group, values, len(users)) / n
             for measure in (hits, gains) for values in (measure(side, 10) for side in places)]
    return Replayed(*means, n_events=len(order))


def _encoded(items: list[int], ratings: list[float]) -> EncodedUser:
    return encode_entries(np.array(items, np.int32), np.array(ratings, np.float32))


def _told(measured: Measured, digits: int = 4) -> str:
    return (f"{measured.value:.{digits}f} [{measured.low:.{digits}f}, "
            f"{measured.high:.{digits}f}]")


@click.command()
@click.option("--data", type=click.Path(exists=True, file_okay=False, path_type=Path),
              required=True)
@click.option("--model", "models", multiple=True,
              default=("knn", "transition_knn", "sequence_blend"), show_default=True)
@click.option("--set", "chosen", type=click.Choice(NAMES), help="Default: every data set found.")
def main(data: Path, models: tuple[str, ...], chosen: str | None) -> None:
    """Print a table for each data set."""
    for one in data_sets(data):
        if chosen not in (None, one.name):
            continue
        print(f"\n{one.name}\n\n| model | events, users | HR@10 live | frozen | NDCG@10 live "
              "| frozen | difference of NDCG [95 %] |\n|---|---|---|---|---|---|---|")
        for name in models:
            found = replay(one, name)
            change = paired_difference(found.gain_live, found.gain_frozen)
            cells = [_told(mean_with_interval(values), 3 if index < 2 else 4) for index, values in
                     enumerate((found.hit_live, found.hit_frozen, found.gain_live,
                                found.gain_frozen))]
            print(f"| {name} | {found.n_events}, {len(found.hit_live)} | {' | '.join(cells)} "
                  f"| {_told(change)} |", flush=True)


if __name__ == "__main__":
    main()
