"""What was taken back is in no training, and snapshots, replays and exports say the same."""

from __future__ import annotations

import gzip
import tempfile
from contextlib import closing
from pathlib import Path
from uuid import uuid4

import numpy as np
import orjson
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from adapters.catalogue import SqlCatalogue
from adapters.event_store import SqlEventStore
from adapters.imports import SqlImports
from adapters.snapshots import Snapshots
from commands.event_lines import open_lines
from commands.export import export_events
from commands.import_source import ImportReport, import_source
from commands.training_parts import open_training
from composition import open_model_files, open_store
from recommender.errors import NothingToTrainOn
from recommender.interactions import fold_history, interactions_from_events
from recommender.schemas import Columns
from recommender.training import TrainingPlan, train
from recommender.types import Event
from tests import training_world
from tests.import_world import ImportWorld
from tests.sample_events import NOW_MS, frame_of, rating, search, undo, view, watch
from tests.store_of_tests import new_store
from tests.training_world import FILMS, USERS

HOUR_MS = 3_600_000
MAKERS = {"rate": rating, "watch": watch, "view": view, "undo": undo}
EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["rate", "rate", "watch", "view", "undo"]), st.sampled_from(["u1", "u2"]),
        st.sampled_from(["m1", "m2", "m3"]), st.integers(0, 4),
    ),
    max_size=25,
).map(lambda rows: [
    MAKERS[kind](f"e{n:03}", user, item, timestamp_ms=NOW_MS + at)
    for n, (kind, user, item, at) in enumerate(rows)
])


def new_sql_store(folder: Path) -> tuple[SqlEventStore, SqlCatalogue, SqlImports]:
    engine = new_store(folder)
    return SqlEventStore(engine), SqlCatalogue(engine), SqlImports(engine)


def folded(frame: pd.DataFrame) -> dict[str, tuple[list[str], list[float | None]]]:
    found = interactions_from_events(frame)
    lists = {}
    for index, user in enumerate(found.user_ids):
        at = found.user_entries(index)
        lists[user] = (
            [found.item_ids[i] for i in found.items[at]],
            [None if np.isnan(r) else float(r) for r in found.ratings[at]],
        )
    return lists


@hypothesis_settings(max_examples=30)
@given(EVENTS, st.integers(1, 8), st.randoms(use_true_random=False))
def test_a_snapshot_a_replay_and_the_live_store_say_the_same(
    events: list[Event], batch: int, random: object
) -> None:
    random.shuffle(events)  # type: ignore[attr-defined]
    with tempfile.TemporaryDirectory() as folder:
        live, catalogue, _ = new_sql_store(Path(folder) / "live")
        snapshots = Snapshots(f"memory://{uuid4()}", rows_per_file=5)
        for start in range(0, len(events), batch):
            live.apply(frame_of(events[start : start + batch]))
            snapshots.take(live, catalogue, NOW_MS)
        taken = snapshots.take(live, catalogue, NOW_MS)
        rows = snapshots.read(taken)
        replay, _, _ = new_sql_store(Path(folder) / "replay")
        replay.apply(rows.drop(columns=Columns.SEQUENCE))
        assert replay.state_hash() == live.state_hash()
        trained_on = folded(rows)
        for user in ("u1", "u2"):
            served = fold_history(live.history(user))
            assert trained_on.get(user, ([], [])) == (served.item_ids, served.ratings)
            assert replay.history(user).entries == live.history(user).entries


def test_a_training_sees_nothing_of_what_was_taken_back(tmp_path: Path) -> None:
    training_world.fill(tmp_path / "data")
    settings = training_world.settings_of(tmp_path)
    with closing(open_store(settings)) as side:
        last = [(f"u{user}", f"i{(user * 7 + 19) % FILMS}") for user in range(USERS)]
        with_film = [f"u{u}" for u in range(USERS) if (5 - u * 7) % FILMS < 20]
        gone = [*((user, "i5") for user in with_film), *(("u0", f"i{n}") for n in range(20))]
        side.store.apply(frame_of(
            undo(f"undo-{n}", user, item) for n, (user, item) in enumerate(dict.fromkeys(gone))
        ))  # fmt: skip
        assert with_film and ("u0", "i19") in last
        assert training_world.train(settings) == (0, "published")
        serving = side.allow_list.serving()
        assert serving is not None
        loaded = open_model_files(settings, publishing=False).load(serving.version_id, serving)
        bundle, manifest = loaded.bundle, loaded.manifest
        assert bundle.popularity.counts[bundle.index["i5"]] == 0
        assert bundle.popularity.counts.sum() == USERS * 20 - len(set(gone))
        assert len(bundle.model.neighbours(bundle.index["i5"], 10).items) == 0
        assert manifest.users == USERS - 1
        assert manifest.rows == side.store.counts()["events"]
    with open_training(settings) as parts:
        rows = parts.snapshots.read(parts.snapshots.find(manifest.data_snapshot_id))
        assert "u0" not in folded(rows) and len(folded(rows)) == USERS - 1


def test_when_everything_was_taken_back_there_is_nothing_to_train_on() -> None:
    events = [rating(f"a{n}", "u1", f"m{n}") for n in range(30)]
    undone = [undo(f"b{n}", "u1", f"m{n}") for n in range(30)]
    whole = interactions_from_events(frame_of([*undone, *events]))
    assert (whole.n_users, whole.n_items) == (0, 0)
    with pytest.raises(NothingToTrainOn):
        train(whole, [], TrainingPlan([("knn", {})], "temporal"), None, lambda line: None)


TAKEN_BACK = (
    rating("a"), watch("b", item="m2"), undo("u", timestamp_ms=NOW_MS + 1),
    rating("c", rating=2.0, timestamp_ms=NOW_MS + 2), undo("v", item="m9"), search("d"),
    undo("w", "u2", "m2", timestamp_ms=NOW_MS + HOUR_MS), rating("late", "u2", "m2"),
)


def import_export(path: Path, folder: Path) -> tuple[SqlEventStore, SqlCatalogue, ImportReport]:
    store, catalogue, imports = new_sql_store(folder)
    report = import_source(path, None, store, catalogue, imports, NOW_MS + HOUR_MS)
    return store, catalogue, report


def test_an_export_carries_undos_and_its_import_gives_an_equal_state(tmp_path: Path) -> None:
    store, catalogue, _ = new_sql_store(tmp_path / "one")
    store.apply(frame_of(TAKEN_BACK))
    out = tmp_path / "events.jsonl.gz"
    with open_lines(out) as file:
        assert export_events(store, file) == len(TAKEN_BACK)
    lines = [orjson.loads(line) for line in gzip.decompress(out.read_bytes()).splitlines()]
    undos = [line for line in lines if line["type"] == "undo"]
    assert [line["event_id"] for line in undos] == ["u", "v", "w"]
    assert not [line for line in undos if {"rating", "minute", "query"} & line.keys()]
    copy, copied, report = import_export(out, tmp_path / "two")
    assert (report.events, report.rejected) == (len(TAKEN_BACK), 0)
    assert copy.state_hash() == store.state_hash()
    assert copy.history("u1").entries == store.history("u1").entries
    assert [e.event_id for e in copy.history("u1").entries] == ["b", "c"]
    assert [m.item_id for m in copied.movies()] == [m.item_id for m in catalogue.movies()]
    # What was undone stays undone also where it arrives once more.
    copy.apply(frame_of([rating("later-arrival", "u2", "m2")]))
    assert copy.history("u2").entries == ()


def test_a_table_may_tell_undos_line_by_line(tmp_path: Path) -> None:
    source = tmp_path / "a.csv"
    source.write_text(
        "user,item,rating,time,kind\n"
        "u1,m1,4,1700000000,rate\nu1,m2,3,1700000000,rate\nu1,m1,,1700000000,undo\n"
        "u1,,,1700000001,undo\n"
    )
    world = ImportWorld()
    report = world.load(source, type_column="kind")
    assert (report.events, report.rejected) == (3, 1)
    assert report.first_rejected[0]["line"] == 5
    assert [entry.item_id for entry in world.store.history("u1").entries] == ["m2"]
