"""What the figures of the audits mean, in words: shown on the pages, linked from each figure."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Definition:
    """A requirement or figure in words; `name` is that of the reports."""

    name: str
    title: str
    text: str


DEFINITIONS = (
    Definition(
        "coverage", "Catalogue coverage",
        "Films shown at least once / films of the active catalogue (with an event, or "
        "added in the last 90 days). It grows with the number of lists, so it is judged "
        "at a fixed number.",
    ),
    Definition(
        "gini", "Gini, whole catalogue",
        "0 when every film is shown equally often, near 1 when one film has everything. "
        "Films never shown count as 0.",
    ),
    Definition(
        "shown_gini", "Gini, shown films",
        "The same over the films that are shown at all.",
    ),
    Definition(
        "tail_share", "Tail share",
        "Share of all showings that goes to films outside the 10 % most shown ones.",
    ),
    Definition(
        "top_share", "Top 10 % share",
        "Share of all showings of the 10 % most shown films.",
    ),
    Definition(
        "top_films_share", "Top ten films",
        "Share of all showings of the ten most shown films.",
    ),
    Definition(
        "diversity", "Intra-list diversity",
        "1 - mean Jaccard similarity of the genres over all pairs of films of a list; 0 "
        "when all films of a list have the same genres.",
    ),
    Definition(
        "diversity_parity", "Diversity parity",
        "Largest difference of mean intra-list diversity between people with few (below "
        "10), some and many (above 30) films. Met when the upper end of the interval is "
        "below the threshold.",
    ),
    Definition(
        "quality_parity", "Quality parity",
        "NDCG@10 of a group of people / that of all, measured in training. Not met only "
        "when the whole interval lies below the threshold and chance is unlikely also over "
        "all groups judged (Holm, 2.5 %); it never refuses a model.",
    ),
    Definition(
        "echo", "Popularity echo",
        "Rise of the whole-catalogue Gini from one window of logged lists to the next, "
        "all of equal size. An echo is a rise above the threshold that a Mann-Kendall "
        "test (5 %) confirms.",
    ),
    Definition(
        "starvation", "Tail starvation",
        "Head and tail are the most and least popular 30 % by earlier popularity. "
        "Compared is the share of each that was shown at least once. The starvation index "
        "is the share of the catalogue never shown.",
    ),
    Definition(
        "amplification", "Amplification",
        "Share of the recommendations / share of the catalogue of a tier of films; 1 is "
        "as much as the tier is large.",
    ),
    Definition(
        "new_films", "New films",
        "Hours from a film's arrival to its first showing; the median counts films that "
        "still wait (Kaplan-Meier).",
    ),
    Definition(
        "genres", "Shares of genres",
        "A showing of a film with several genres counts for each of them; so do what people "
        "took and the films of the catalogue. The shares of all genres add up to 1.",
    ),
    Definition(
        "utility", "True utility",
        "In the simulation: how well the films that people take from their lists suit them, "
        "by tastes that the recommender never sees; from 0 to 1.",
    ),
)
TITLES = {definition.name: definition.title for definition in DEFINITIONS}
