"""Models side by side on MovieLens, on validation: every measure, intervals, paired tests.

    python -m benchmarks.side_by_side --data FOLDER --model NAME[:FIELD=NUMBER,...] ... [--set NAME]

What `fairreel compare` does with a store, for the folders of benchmarks/evaluation_data.py.
"""

from __future__ import annotations

from pathlib import Path

import click

from benchmarks.evaluation_data import NAMES, data_sets
from commands.compare import compare_models
from commands.stored_data import requested
from recommender.comparison import differences
from recommender.comparison_report import as_markdown
from recommender.split import Part, SplitName


@click.command()
@click.option("--data", type=click.Path(exists=True, file_okay=False, path_type=Path),
              required=True)
@click.option("--model", "models", multiple=True, required=True)
@click.option("--split", type=click.Choice([name.value for name in SplitName]),
              default=SplitName.LEAVE_LAST_OUT.value, show_default=True)
@click.option("--set", "chosen", type=click.Choice(NAMES), help="Default: every data set found.")
def main(data: Path, models: tuple[str, ...], split: str, chosen: str | None) -> None:
    """Print the tables of each data set."""
    for one in data_sets(data):
        if chosen in (None, one.name):
            compared = compare_models(one.interactions, one.movies, [requested(m) for m in models],
                                      split, Part.VALIDATION, 10, lambda text: None)
            about = {"data": one.name, "split": split, "part": Part.VALIDATION.value}
            print(as_markdown(compared, differences(compared), about), flush=True)


if __name__ == "__main__":
    main()
