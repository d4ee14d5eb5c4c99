"""Which models each table shows, and what others report for the same data and protocol."""

from __future__ import annotations

from typing import Any

HUNDRED: dict[str, Any] = {
    "recent": 12, "before": 0.6, "step_half_life": 3.0, "prior_entries": 600.0,
}
"""Chosen for ML-100K on its validation parts; on ML-1M the defaults are better."""

VARIANTS: dict[str, tuple[tuple[str, dict[str, Any]], ...]] = {
    "a": (
        ("popularity", {}),
        ("knn", {"neighbours": 50, "half_life": 0}),
        ("knn", {}),
        ("transition_knn", {"to_power": 0.25, "from_power": 0.5}),
        ("transition_knn", {"to_power": 0.5, "from_power": 0.5}),
        ("transition_knn", {}),
        ("ease", {"half_life": 0, "to_power": 0, "user_power": 0}),
        ("ease", {}),
        ("ease", {"dense_items": 2_000}),
        ("ease", {"dense_items": 1_000}),
        ("als", {}),
        ("sequential", {"to_power": 0}),
        ("sequential", {}),
        ("similar_histories", {}),
        ("sequence_blend", {"to_power": 0.1}),
        ("sequence_blend", {}),
        ("sequence_blend", {"to_power": 0.8}),
        ("sequence_blend", {"dense_items": 1_000}),
        ("sequence_als", {}),
        ("sequence_als", {"to_power": 1.0}),
        ("sequence_softmax", {}),
    ),
    "b": (
        ("popularity", {}),
        ("knn", {"half_life": 0}),
        ("transition_knn", {}),
        ("ease", {"half_life": 0}),
        ("als", {}),
        ("sequential", {"to_power": 0}),
        ("similar_histories", {}),
        ("sequence_blend", {"to_power": 0}),
        ("sequence_als", {"to_power": 0}),
        ("sequence_softmax", {"to_power": 0}),
    ),
    "c": (
        ("popularity", {}),
        ("knn", {"half_life": 0}),
        ("ease", {"half_life": 0, "to_power": 0, "regularization": 800.0, "user_power": 0}),
        ("ease", {"half_life": 0, "regularization": 800.0, "user_power": 0}),
        ("ease", {"half_life": 0}),
        ("als", {"half_life": 0}),
    ),
    "d": (
        ("popularity", {}),
        ("knn", {"half_life": 0}),
        ("transition_knn", {"to_power": 0.25, "from_power": 0.5}),
        ("transition_knn", {"to_power": 0.5, "from_power": 0.5}),
        ("transition_knn", {}),
        ("ease", {"regularization": 100.0}),
        ("sequential", {}),
        ("similar_histories", {}),
        ("sequence_blend", {"to_power": 0.1}),
        ("sequence_blend", {}),
        ("als", {}),
        ("sequence_als", {}),
        ("sequence_als", HUNDRED),
        ("sequence_als", {**HUNDRED, "row_power": 0.3, "to_power": 1.7, "als_power": 2.0}),
        ("sequence_softmax", {}),
    ),
}
"""Model and changed hyperparameters, by part. Without an order only models that need none."""

PUBLISHED: dict[str, tuple[tuple[str, str, str, str, str], ...]] = {
    "a": (
        ("SASRec (published)", ".2392", ".1259", "", ""),
        ("gSASRec (published, RecSys 2023)", ".3003", ".1726", "", ""),
        ("HSTU-large (published, ICML 2024; uses time stamps)", ".3294", ".1893", "", ""),
    ),
    "b": (
        ("NeuMF (RecSys 2020 reproduction)", ".712", ".437", "", ""),
        ("SLIM", ".716", ".447", "", ""),
        ("matrix factorisation, well tuned", ".729", ".452", "", ""),
        ("iALS, 192 factors", ".731", ".452", "", ""),
    ),
    "c": (
        ("LightGCN (published)", ".2392", ".3010", "", ""),
        ("LightGCN++ (published, RecSys 2024)", ".2616", ".3275", "", ""),
        ("NCL++ (published)", ".2621", ".3285", "", ""),
    ),
    "d": (
        ("Gorse 0.5.11", ".129", ".063", ".337", ".885"),
    ),
}
"""Name, HR or recall, NDCG, coverage, Gini; empty where nothing is reported."""
