"""The fit of the two-tower model in JAX; imported only when one is fitted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np

from recommender.arrays import Float32s, Int32s
from recommender.interactions import Interactions, preference_weights

if TYPE_CHECKING:
    from recommender.models.ncf import NcfConfig

WINDOW = 64
"""Films of a history looked at together; longer ones are cut at another place in each pass."""
BATCH = 64
"""Windows a step."""
_BETAS, _TINY = (0.9, 0.999), 1e-8


@dataclass(frozen=True, eq=False)
class Towers:
    """Fitted numbers, as of `NcfModel`; `bias` before popularity is divided out."""

    inputs: Float32s
    films: Float32s
    bias: Float32s
    mix: Float32s
    hidden: Float32s
    out: Float32s


def fit_towers(interactions: Interactions, features: Float32s, decays: tuple[float, float],
               config: NcfConfig) -> Towers:
    """Minimise the softmax loss of each next film, weighted by its entry's weight."""
    n_items, d = interactions.n_items, config.dimensions
    random = np.random.default_rng(config.seed)
    counts = interactions.item_counts().astype(np.float64)
    drawn_by = np.where(counts > 0, np.maximum(counts, 1) ** config.negative_power, 0.0)
    shares = drawn_by / drawn_by.sum() if drawn_by.sum() else np.full(n_items, 1 / max(n_items, 1))
    parameters = _initial(random, n_items, features.shape[1], d)
    state = [{name: jnp.zeros_like(value) for name, value in parameters.items()} for _ in range(2)]
    given = jnp.asarray(np.vstack((features, np.zeros((1, features.shape[1]), np.float32))))
    pools = jnp.asarray(_pooling(decays))
    key = jax.random.key(config.seed)
    at = 0
    for _ in range(config.epochs):
        for films, tastes, weights in _batches(interactions, random):
            negatives = random.choice(n_items, config.negatives, p=shares).astype(np.int32)
            expected = np.log(np.maximum(config.negatives * shares[negatives], 1e-12))
            at += 1
            parameters, *state = _step(
                parameters, state[0], state[1], given, pools, films, tastes, weights, negatives,
                expected.astype(np.float32), jax.random.fold_in(key, at), np.float32(at),
                np.float32(config.learning_rate), np.float32(config.dropout))
    return _plain(parameters, features, counts > 0)


def _initial(random: np.random.Generator, n_items: int, n_features: int, d: int) -> dict[str, Any]:
    """Small random numbers; the last row of the films stands for none."""
    def normal(*shape: int, scale: float) -> Any:
        return jnp.asarray(random.normal(0.0, scale, shape).astype(np.float32))

    return {
        "inputs": normal(n_items + 1, d, scale=0.1), "films": normal(n_items + 1, d, scale=0.1),
        "bias": jnp.zeros(n_items + 1, jnp.float32),
        "inputs_by": normal(n_features, d, scale=0.1), "films_by": normal(n_features, d, scale=0.1),
        "bias_by": jnp.zeros(n_features, jnp.float32),
        "mix": normal(2 * d, d, scale=(2 * d) ** -0.5),
        "hidden": normal(2 * d, d, scale=(2 * d) ** -0.5), "out": normal(d, d, scale=d**-0.5),
    }


def _pooling(decays: tuple[float, float]) -> Float32s:
    """Row t, column j: what entry j adds to the sum after entry t; of shape (2, T, T)."""
    age = np.arange(WINDOW)[:, None] - np.arange(WINDOW)[None, :]
    return np.stack([
        np.where(age >= 0, (1.0 - decay) * decay ** np.maximum(age, 0), 0.0)
        for decay in decays]).astype(np.float32)


def _batches(interactions: Interactions, random: np.random.Generator,
             ) -> Iterator[tuple[Int32s, Float32s, Float32s]]:
    """Windows in random order: films, how each speaks, what each counts; all (B, T + 1)."""
    n_none, length = interactions.n_items, WINDOW + 1
    starts, ends = [], []
    for first, last in zip(interactions.user_offsets[:-1].tolist(),
                           interactions.user_offsets[1:].tolist(), strict=True):
        begin = first - int(random.integers(0, WINDOW)) if last - first > length else first
        for start in range(begin, last - 1, WINDOW):
            starts.append(max(start, first))
            ends.append(min(start + length, last))
    order = random.permutation(len(starts))
    speaks = preference_weights(interactions.ratings)
    counts = interactions.entry_weights()
    for batch in range(0, len(order), BATCH):
        films = np.full((BATCH, length), n_none, np.int32)
        tastes, weights = np.zeros((2, BATCH, length), np.float32)
        for row, window in enumerate(order[batch:batch + BATCH].tolist()):
            entries = slice(starts[window], ends[window])
            n = ends[window] - starts[window]
            films[row, :n] = interactions.items[entries]
            tastes[row, :n], weights[row, :n] = speaks[entries], counts[entries]
        yield films, tastes, weights


def _loss(parameters: dict[str, Any], features: Any, pools: Any, films: Any, tastes: Any,
          weights: Any, negatives: Any, expected: Any, key: Any, dropout: Any) -> Any:
    """Mean over next films of -log of its share, all others estimated by the negatives."""
    kept_entries, kept_films = jax.random.split(key)
    inputs = parameters["inputs"] + features @ parameters["inputs_by"]
    own = jax.random.bernoulli(kept_films, 1.0 - dropout, (len(inputs), 1))
    offered = parameters["films"] * own + features @ parameters["films_by"]
    bias = parameters["bias"] * own[:, 0] + features @ parameters["bias_by"]
    read = jax.random.bernoulli(kept_entries, 1.0 - dropout, films[:, :-1].shape)
    speaks = tastes[:, :-1] * read / (1.0 - dropout)
    x = inputs[films[:, :-1]] * speaks[:, :, None]
    sums = jnp.einsum("ptj,bjd->btpd", pools, x).reshape(*x.shape[:2], -1)
    taste = sums @ parameters["mix"] + jnp.tanh(sums @ parameters["hidden"]) @ parameters["out"]
    targets = films[:, 1:]
    right = (taste * offered[targets]).sum(axis=-1) + bias[targets]
    others = taste @ offered[negatives].T + bias[negatives] - expected
    others = jnp.where(negatives == targets[:, :, None], -jnp.inf, others)
    whole = jnp.logaddexp(right, jax.nn.logsumexp(others, axis=-1))
    worth = weights[:, 1:]
    return ((whole - right) * worth).sum() / jnp.maximum(worth.sum(), 1.0)


@partial(jax.jit, donate_argnums=(0, 1, 2))
def _step(parameters: Any, means: Any, squares: Any, features: Any, pools: Any, films: Any,
          tastes: Any, weights: Any, negatives: Any, expected: Any, key: Any, at: Any, rate: Any,
          dropout: Any) -> Any:
    """One step of Adam (Kingma and Ba, ICLR 2015)."""
    slopes = jax.grad(_loss)(parameters, features, pools, films, tastes, weights, negatives,
                             expected, key, dropout)
    first, second = _BETAS

    def moved(value: Any, mean: Any, square: Any) -> Any:
        return value - rate * (mean / (1 - first**at)) / (
            jnp.sqrt(square / (1 - second**at)) + _TINY)

    means = jax.tree.map(lambda m, g: first * m + (1 - first) * g, means, slopes)
    squares = jax.tree.map(lambda s, g: second * s + (1 - second) * g * g, squares, slopes)
    return jax.tree.map(moved, parameters, means, squares), means, squares


def _plain(parameters: dict[str, Any], features: Float32s, taken: Any) -> Towers:
    """As numpy; a film that nobody took has no vector of its own, only that of its features."""
    p = {name: np.asarray(value) for name, value in parameters.items()}
    own = taken[:, None].astype(np.float32)
    return Towers(
        p["inputs"][:-1] * own + features @ p["inputs_by"],
        p["films"][:-1] * own + features @ p["films_by"],
        p["bias"][:-1] * own[:, 0] + features @ p["bias_by"],
        p["mix"].copy(), p["hidden"].copy(), p["out"].copy())
