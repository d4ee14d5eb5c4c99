"""`evaluate`: how good the models are on what the store holds; nothing is published."""

from __future__ import annotations

from contextlib import closing
from typing import Any

import click

from commands.outcome import emit, json_option
from commands.stored_data import stored_interactions
from recommender.metrics import Measured
from recommender.models import MODELS
from recommender.ports import Catalogue, EventStore
from recommender.rerank.chain import AS_RANKED, RerankChain, chain_of
from recommender.split import SplitName
from recommender.training import EvaluatedModel, Progress, evaluate_each


def evaluate_models(
    store: EventStore,
    catalogue: Catalogue,
    models: tuple[str, ...],
    split: str,
    k: int,
    progress: Progress,
    chain: RerankChain = AS_RANKED,
) -> list[EvaluatedModel]:
    """Each model fitted on the training part of the split and judged by the rest.

    `chain` reorders the lists, as in serving.

    Raises:
        NothingToTrainOn: the store holds too little.
        InvalidField: an unknown model or split.
    """
    interactions = stored_interactions(store)
    requests: list[tuple[str, dict[str, Any]]] = [(name, {}) for name in models]
    return evaluate_each(interactions, catalogue.movies(), requests, split, progress, k,
                         chain=chain)


@click.command("evaluate")
@click.option("--model", "models", multiple=True, type=click.Choice(sorted(MODELS)),
              help="May be given several times; default: those of the settings.")
@click.option("--split", type=click.Choice([name.value for name in SplitName]),
              help="Default: that of the settings.")
@click.option("--k", default=10, show_default=True, type=click.IntRange(1, 100),
              help="Length of the lists.")
@json_option
def command(models: tuple[str, ...], split: str | None, k: int, as_json: bool) -> None:
    """Fit models on the older part of the data and judge their lists by the newer part."""
    from composition import open_store
    from settings import Settings

    settings = Settings()

    def progress(text: str) -> None:
        if not as_json:
            click.echo(text, err=True)

    with closing(open_store(settings)) as side:
        evaluated = evaluate_models(
            side.store, side.catalogue, models or tuple(settings.models),
            split or settings.split, k, progress, chain_of(settings.rerank, settings.rerank_pool),
        )  # fmt: skip
    rows = [_row(model, k) for model in evaluated]
    emit(rows, as_json, _table(rows, k))


def _row(model: EvaluatedModel, k: int) -> dict[str, object]:
    metrics = model.metrics
    return {
        "model": model.name,
        "split": model.split.value,
        "k": k,
        "lists": metrics.n_lists,
        "hit_rate": _measured(metrics.hit_rate),
        "ndcg": _measured(metrics.ndcg),
        "coverage": metrics.coverage.value,
        "gini": metrics.gini.value,
    }


def _measured(measured: Measured) -> dict[str, float | None]:
    return {"value": measured.value, "low": measured.low, "high": measured.high}


def _table(rows: list[dict[str, object]], k: int) -> list[str]:
    head = f"{'model':<20} {f'HR@{k}':>22} {f'NDCG@{k}':>22} {'coverage':>9} {'Gini':>6}  lists"
    return [head] + [
        f"{row['model']:<20} {_interval(row['hit_rate']):>22} {_interval(row['ndcg']):>22} "
        f"{row['coverage']:>9.3f} {row['gini']:>6.3f}  {row['lists']}"
        for row in rows
    ]


def _interval(measured: object) -> str:
    assert isinstance(measured, dict)
    if measured["low"] is None:
        return f"{measured['value']:.4f}"
    return f"{measured['value']:.4f} [{measured['low']:.4f}, {measured['high']:.4f}]"
