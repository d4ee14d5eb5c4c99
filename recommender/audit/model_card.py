"""The card of a published model (Mitchell et al., FAT* 2019), made of what is known of it."""

from __future__ import annotations

from recommender.audit.documents import instant
from recommender.audit.fairness import FairnessReport
from recommender.audit.parity import GroupResult
from recommender.audit.verdicts import RequirementResult
from recommender.manifest import Manifest
from recommender.metrics import Measured
from recommender.rerank.chain import in_words


def model_card(manifest: Manifest, report: FairnessReport) -> str:
    """Markdown: what it is, what it was made from, how good and how fair it is, what it is not."""
    git = manifest.code.git
    commit = f"{git.sha or 'unknown'}{' with uncommitted changes' if git.dirty else ''}"
    lines = [
        f"# {manifest.name}, version {manifest.version}",
        "",
        f"Generated when the model was published, {instant(manifest.created_at_ms)}.",
        "",
        "## What it is", "",
        f"- Recommends films from a person's ratings and watches; version id {manifest.version_id}",
        f"- Trained by commit {commit}",
        f"- Settings: {_settings(manifest)}",
        f"- The gate said: {'passed' if manifest.verdict.passed else 'refused'}, "
        f"{manifest.verdict.reason}. {manifest.verdict.explanation}".rstrip(),
        "",
        "## Data", "",
        f"- Snapshot `{manifest.data_snapshot_id}`: {manifest.rows} events of {manifest.users} "
        f"people and {manifest.items} films",
        f"- From {instant(manifest.trained_from_ms)} to {instant(manifest.trained_to_ms)}",
        "",
        "## Accuracy", "",
        f"On the validation part of the split {manifest.split}, full catalogue, "
        f"{_reranked(manifest)}.", "",
        "| measure | value |", "|---|---|",
        *(f"| {name} | {_value(Measured(m.value, m.low, m.high))} |"
          for name, m in sorted(manifest.metrics.items())),
        "",
        "## Fairness", "",
        f"{report.lists} lists of {report.k} for people drawn from {report.people}; catalogue of "
        f"{report.catalogue} active films.", "",
        "| requirement | value | required | verdict |", "|---|---|---|---|",
        *map(_requirement, report.requirements),
        "",
        "### Groups of people", "",
        "| group | people | NDCG / all | diversity | verdict |", "|---|---|---|---|---|",
        *map(_group, report.groups),
        "",
        "### Films by earlier popularity", "",
        "| tier | films | share of lists | amplification |", "|---|---|---|---|",
        *(f"| {tier.name} | {tier.items} | {tier.recommendation_share:.1%} | "
          f"{_number(tier.amplification)} |" for tier in report.popularity_tiers),
        "",
        "## Use and limits", "",
        "- Meant for ordering films for a person. Not for judging people, nor for other goods.",
        "- Learns from what people chose among what they were shown; see the loops in the audit.",
        "- Measured on past choices: what nobody was shown could not be chosen.",
        *(f"- {note}" for note in report.notes),
    ]  # fmt: skip
    return "\n".join(lines) + "\n"


def _settings(manifest: Manifest) -> str:
    return ", ".join(f"{k} {v}" for k, v in sorted(manifest.hyperparameters.items())) or "none"


def _reranked(manifest: Manifest) -> str:
    told = in_words(manifest.rerank)
    return f"lists reranked by {told}" if told else "lists as the model ranks"


def _requirement(row: RequirementResult) -> str:
    required = "reported" if row.threshold is None else (
        f"{'at least' if row.at_least else 'at most'} {row.threshold:g}"
        f"{', published target' if row.target else ''}{', enforced' if row.enforced else ''}")
    return f"| {row.name}: {row.meaning} | {_value(row.measured)} | {required} | {row.status} |"


def _group(row: GroupResult) -> str:
    return (f"| {row.family} {row.name} | {row.people} | {_value(row.quality)} | "
            f"{_value(row.diversity)} | {row.status} |")


def _value(measured: Measured | None) -> str:
    if measured is None:
        return "\u2013"
    if measured.low is None or measured.high is None:
        return f"{measured.value:.4g}"
    return f"{measured.value:.3f} [{measured.low:.3f}, {measured.high:.3f}]"


def _number(value: float | None) -> str:
    return "\u2013" if value is None else f"{value:.2f}"
