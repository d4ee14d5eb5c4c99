"""`compare`: models side by side on the same users, with intervals, tests and a picture."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import click
import orjson

from adapters.durable_file import replace_file
from commands.outcome import emit, json_option
from commands.stored_data import fittable, requested, stored_interactions
from recommender.comparison import Compared, differences
from recommender.comparison_report import as_document, as_markdown, as_picture
from recommender.interactions import Interactions
from recommender.search import fingerprint
from recommender.split import Part, SplitName
from recommender.training import Progress, Request, evaluate_each
from recommender.types import Movie


def compare_models(
    interactions: Interactions, movies: Sequence[Movie], requests: Sequence[Request], split: str,
    part: Part, k: int, progress: Progress,
) -> list[Compared]:  # fmt: skip
    """Each model fitted on the training part and judged on the same users.

    Raises:
        NothingToTrainOn: too little data, or nobody to judge by.
        InvalidField: an unknown model, hyperparameter or split.
    """
    evaluated = evaluate_each(
        interactions, movies, requests, split, progress, k, part, clock=time.perf_counter)
    return [
        Compared(_shown(request), one.metrics, one.fit_s)
        for request, one in zip(requests, evaluated, strict=True)
    ]


def _shown(request: Request) -> str:
    name, overrides = request
    changed = ", ".join(f"{field}={value}" for field, value in overrides.items())
    return f"{name} ({changed})" if changed else name


@click.command("compare")
@click.option("--model", "models", multiple=True, metavar="NAME[:FIELD=NUMBER,...]",
              help="May be given several times; default: every model that can be fitted here.")
@click.option("--split", type=click.Choice([name.value for name in SplitName]),
              help="Default: that of the settings.")
@click.option("--part", type=click.Choice([part.value for part in Part]),
              default=Part.VALIDATION.value, show_default=True,
              help="What is chosen by looking at it must not be the test part.")
@click.option("--k", default=10, show_default=True, type=click.IntRange(1, 100),
              help="Length of the lists.")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path),
              default=Path("comparison"), show_default=True,
              help="Folder for comparison.json, comparison.md and comparison.png.")
@json_option
def command(
    models: tuple[str, ...], split: str | None, part: str, k: int, out: Path, as_json: bool
) -> None:  # fmt: skip
    """Compare models on what the store holds; nothing is published."""
    from composition import open_store
    from settings import Settings

    settings = Settings()
    requests = [requested(text) for text in models or fittable()]

    def progress(text: str) -> None:
        if not as_json:
            click.echo(text, err=True)

    with closing(open_store(settings)) as side:
        interactions, movies = stored_interactions(side.store), side.catalogue.movies()
    split = split or settings.split
    compared = compare_models(interactions, movies, requests, split, Part(part), k, progress)
    pairs = differences(compared)
    about = {"split": split, "part": part, "data": fingerprint(interactions)}
    document, text = as_document(compared, pairs, about), as_markdown(compared, pairs, about)
    out.mkdir(parents=True, exist_ok=True)
    replace_file(out / "comparison.json", orjson.dumps(document, option=orjson.OPT_INDENT_2))
    replace_file(out / "comparison.md", text.encode())
    replace_file(out / "comparison.png", as_picture(compared))
    emit(document, as_json, [*text.splitlines(), "", f"written to {out}"])
